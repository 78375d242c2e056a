"""`memento watch` without a path: the history that an agent keeps in a project which the same run discovers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from memento.config import load_config
from memento.store import MemoryStore

MEMENTO = Path(sys.executable).with_name("memento")
AT = "2026-03-01T10:00:00.000Z"


def test_aider_in_a_project_that_is_met_in_the_same_run(tmp_path: Path) -> None:
    project, unknown = tmp_path / "harbour", tmp_path / ".claude" / "projects" / "p" / "odd.jsonl"
    project.mkdir()
    history = (
        "# aider chat started at 2026-03-01 10:00:00\n\n#### We decided to rig the crane with steel rope.  \n\nDone.\n"
    )
    (project / ".aider.chat.history.md").write_text(history)
    unknown.parent.mkdir(parents=True)
    unknown.write_text('{"kind": "novel"}\n')
    message = {"role": "user", "content": "We decided to keep the crane's log in the harbour."}
    record = {"type": "user", "uuid": "1", "sessionId": "s", "timestamp": AT, "cwd": str(project), "message": message}
    unknown.with_name("s.jsonl").write_text(json.dumps(record) + "\n")
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environment = {
        **inherited,
        "HOME": str(tmp_path),
        "MEMENTO_HOME": str(tmp_path / "m"),
        "MEMENTO_MODEL_DIR": str(tmp_path),
    }
    process = subprocess.Popen([MEMENTO, "watch"], env=environment, stderr=subprocess.DEVNULL)
    try:
        give_up, texts = time.monotonic() + 20, set[str]()
        while len(texts) < 2 and time.monotonic() < give_up:
            time.sleep(0.1)
            config = load_config({}, environment)
            if config.db_path.exists():
                with MemoryStore(config=config) as store:
                    texts = {memory.text for memory in store.get_recent(10) if memory.role == "user"}
                    named = store.unrecognised()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
    assert texts == {
        "We decided to keep the crane's log in the harbour.",
        "We decided to rig the crane with steel rope.",
    }
    assert named == [str(unknown)]
