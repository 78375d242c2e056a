"""Users with agents: homes that hold settings and transcripts, with a service manager on demand."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service.conftest import User

SETTINGS = b'{\n    "model": "opus",\n    "env": {"A": "\xc3\xa9"},\n    "hooks": {"Stop": []}\n}'
"""In a shape that `json` would not write by itself: undoing must bring the bytes back, not the meaning."""


class Agents(User):
    """A user with four agents: one with settings, two with empty folders, one without hooks."""

    def __init__(self, folder: Path, model_dir: Path | str) -> None:
        super().__init__(folder, model_dir)
        self.settings = self.home / ".claude" / "settings.json"
        self.write(".claude/settings.json", SETTINGS)
        self.settings.chmod(0o640)
        lines = [self.line(number) for number in range(6)]
        self.write(".claude/projects/-home-me-harbor/s1.jsonl", "".join(lines).encode())
        (self.home / ".codex").mkdir()
        (self.home / ".copilot").mkdir()
        said = {"role": "user", "content": "We decided that pi writes its tests first."}
        began = "2026-10-01T10:00:00Z"
        message = {"type": "message", "id": "m1", "parentId": None, "timestamp": began, "message": said}
        session = {"type": "session", "version": 3, "id": "p1", "timestamp": began, "cwd": "/home/me/pi"}
        records = "".join(json.dumps(one) + "\n" for one in (session, message))
        self.write(".pi/agent/sessions/x/p1.jsonl", records.encode())

    def line(self, number: int) -> str:
        message = {
            "role": "user",
            "content": f"We decided on quay number {number} for the harbour, and never on Sundays.",
        }
        record = {
            "type": "user",
            "uuid": f"u-{number}",
            "sessionId": "s1",
            "cwd": "/home/me/harbor",
            "timestamp": f"2026-10-0{number + 1}T10:00:00.000Z",
            "message": message,
        }
        return json.dumps(record) + "\n"

    def write(self, name: str, content: bytes) -> None:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def picture(self) -> dict[str, tuple[int, bytes]]:
        """Return every file and folder outside of Memento's own with its mode and content."""
        found: dict[str, tuple[int, bytes]] = {}
        for root, folders, names in os.walk(self.home):
            folders[:] = [name for name in folders if Path(root, name) not in (self.memento, self.home / ".cache")]
            for name in (*folders, *names):
                path = Path(root, name)
                content = b"" if path.is_dir() else path.read_bytes()
                found[str(path.relative_to(self.home))] = (stat.S_IMODE(path.lstat().st_mode), content)
        return found

    def memories(self) -> list[str]:
        done = self.run("recent", "-k", "1000", "--json")
        return sorted(one["text"] for one in json.loads(done.stdout))


@pytest.fixture
def agents(tmp_path: Path, model_dir: Path) -> Iterator[Agents]:
    agents = Agents(tmp_path, model_dir)
    yield agents
    command: list[str | Path] = [agents.command.with_name("systemctl"), "disable", "x"]
    subprocess.run(command, env=agents.environment, capture_output=True, check=False)
