"""Which file a tool call means, which memories name it, and what a session was told of it."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import threading
import time
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from memento.base.escaping import quoted
from memento.briefing import LEFT_OPEN, names, of_file, of_project
from memento.config import load_config
from memento.memory import Instruction, Memory
from memento.store import MemoryStore
from memento_ingest.hooks import context, told
from memento_ingest.hooks.files import touched
from memento_ingest.server.client import Brief, Noted

PATCH = "*** Begin Patch\n*** Update File: src/eta.py\n@@\n-a\n+b\n*** End Patch\n"


@pytest.mark.parametrize(
    ("payload", "file"),
    [
        ({"tool_name": "Read", "tool_input": {"file_path": "/w/a.py"}}, "/w/a.py"),
        ({"tool_name": "Edit", "tool_input": {"file_path": "src/../a.py"}}, "/w/a.py"),
        ({"tool_name": "Write", "tool_input": {"content": "x", "file_path": "/w/a b.py"}}, "/w/a b.py"),
        ({"tool_name": "NotebookEdit", "tool_input": {"notebook_path": "/w/n.ipynb"}}, "/w/n.ipynb"),
        ({"tool_name": "apply_patch", "tool_input": {"command": PATCH}}, "/w/src/eta.py"),
        ({"tool_name": "apply_patch", "tool_input": PATCH}, "/w/src/eta.py"),
        ({"tool_name": "read_file", "tool_input": {"absolute_path": "/w/a.py"}}, "/w/a.py"),
        ({"tool_name": "editFiles", "tool_input": {"files": ["src/main.ts"]}}, "/w/src/main.ts"),
        ({"tool_name": "Bash", "tool_input": {"command": "cat /w/a.py"}}, ""),
        ({"tool_name": "Read", "tool_input": {"file_path": 7}}, ""),
        ({"tool_name": "Read", "tool_input": None}, ""),
        ({"tool_name": "Read", "tool_input": {"file_path": "/w/\0"}}, ""),
        ({"tool_name": "Read", "tool_input": {"file_path": "x" * 5_000}}, ""),
        ({"tool_name": ["Read"]}, ""),
    ],
)
def test_the_file_of_a_tool_call(payload: dict[str, Any], file: str) -> None:
    assert touched({"cwd": "/w", **payload}) == file


def test_a_relative_path_in_no_folder_is_no_file() -> None:
    assert touched({"tool_name": "Read", "tool_input": {"file_path": "a.py"}}) == ""


@pytest.mark.parametrize(
    ("text", "file", "means_it"),
    [
        ("We decided that eta.py rounds up.", "/w/src/eta.py", True),
        ("see `src/eta.py`:12", "/w/src/eta.py", True),
        ("see ./src/eta.py.", "/w/src/eta.py", True),
        ("/w/src/eta.py is generated", "/w/src/eta.py", True),
        ("/other/src/eta.py is generated", "/w/src/eta.py", False),
        ("lib/eta.py is generated", "/w/src/eta.py", False),
        ("theta.py, eta.pyi, eta.py.bak and my-eta.py", "/w/src/eta.py", False),
        ("lib/eta.py calls src/eta.py", "/w/src/eta.py", True),
        ("keep __init__.py empty", "/w/src/__init__.py", False),
        ("keep src/__init__.py empty", "/w/src/__init__.py", True),
        ("keep README.md short", "/w/README.md", True),
        ("keep README.md short", "/w/docs/README.md", False),
    ],
)
def test_a_text_names_this_file_and_no_other_of_that_name(text: str, file: str, means_it: bool) -> None:
    assert names(text, PurePosixPath(file), "/w") is means_it


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    environment = {"MEMENTO_HOME": str(tmp_path / "m"), "HOME": str(tmp_path), "MEMENTO_MODEL_DIR": "no-model"}
    return MemoryStore(config=load_config({}, environment))


def test_of_a_file_corrections_and_decisions_come_first(store: MemoryStore) -> None:
    with store:
        for day, text in enumerate(
            [
                "We decided that eta.py rounds up.",
                "We decided that eta.py rounds up.",
                "That is not what I asked for: eta.py rounds the wrong way.",
                "We decided that lib/eta.py stays.",
                "The file eta.py is nice.",
                "We decided on blue.",
            ]
        ):
            store.remember(
                text, session_id=f"s{day}", project="/w", timestamp=1_760_000_000 + day * 86_400, embed=False
            )
        store.remember("We decided that eta.py goes away.", session_id="x", project="/elsewhere", embed=False)
        found = of_file(store.database, "/w/src/eta.py", "", 3)
        assert [(one.part, one.memory.text) for one in found] == [
            ("corrected", "That is not what I asked for: eta.py rounds the wrong way."),
            ("decided", "We decided that eta.py rounds up."),
        ]
        assert len(of_file(store.database, "/w/src/eta.py", "s2", 3)) == 1
        assert of_file(store.database, "/w/src/eta.py", "", 1) == found[:1]
        for odd in ("eta.py", "", "/", "/w/---", '/w/"eta', "/w/" + "ä" * 4_000):
            assert of_file(store.database, odd, "", 3) == []


def test_of_a_project_what_was_replaced_or_counts_for_little_is_not_told(store: MemoryStore) -> None:
    with store:
        store.remember("We decided to keep the queue in SQLite.", session_id="a", project="/w/sub", embed=False)
        store.remember("TODO: the importer still drops the last line.", session_id="a", project="/w", embed=False)
        store.remember("We decided on tabs.", session_id="b", project="/w", importance=0.1, embed=False)
        store.remember("We decided on spaces.", session_id="c", project="/website", embed=False)
        store.remember("The weather is fine.", session_id="c", project="/w", embed=False)
        told_of = {one.memory.text: one.part for one in of_project(store.database, "/w/", "", 10)}
        assert told_of == {
            "We decided to keep the queue in SQLite.": "decided",
            "TODO: the importer still drops the last line.": LEFT_OPEN,
        }
        assert of_project(store.database, "/w", "a", 10) == []
        assert of_project(store.database, "/", "", 10) == []
        for memory in store.get_recent(10):
            store.delete(memory.id)
        assert of_project(store.database, "/w", "", 10) == []


def memory_of(text: str, number: int = 0) -> Memory:
    at = 1_760_000_000_000
    one = Memory(f"{number:032x}", text, at, "api", "s", "user", "", "user", "turn", 0.5, (), "k", "", True, 0, None,
        {}, {},
    )  # fmt: skip
    return dataclasses.replace(one, project="/p")


@pytest.mark.parametrize("letters", ["word ", "x", "日本語", "<>&", '"\\', "1234567890", "😀"])
def test_what_a_session_begins_with_has_at_most_600_tokens(
    letters: str, monkeypatch: pytest.MonkeyPatch, model_dir: Path
) -> None:
    long = letters * 2_000
    noted = tuple(Noted(part, memory_of(long, n)) for n, part in enumerate(["decided", "left open"] * 8))
    monkeypatch.setattr(context, "brief", lambda *_: Brief(noted, ("n" * 400,)))
    standing = [Instruction(memory_of(long, 100 + n), long) for n in range(20)]
    monkeypatch.setattr(context, "instructions", lambda *_: standing)
    event = {"event": "SessionStart", "cwd": "/w", "session_id": "new"}
    said = context.reply(Path("none"), "claude-code", event)
    assert said is not None
    assert said.memories >= 1
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(next(model_dir.rglob("tokenizer.json"))))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    block = json.loads(said.text)["hookSpecificOutput"]["additionalContext"]
    assert context.tokens(block) <= context.START_TOKENS
    assert len(tokenizer.encode(block, add_special_tokens=False).ids) <= context.START_TOKENS


def test_a_session_is_told_of_a_file_once_and_hooks_take_turns(tmp_path: Path) -> None:
    used: list[bool] = []

    def tell() -> None:
        with told.once(tmp_path, "s", "/w/a.py") as right:
            used.append(right is not None)
            time.sleep(0.01)
            if right:
                right.use()

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(used) == [False, False, False, True]
    with told.once(tmp_path, "s", "/w/b.py") as right:
        assert right is not None  # and it was not used
    with told.once(tmp_path, "s", "/w/b.py") as right:
        assert right is not None
    with told.once(tmp_path, "other", "/w/a.py") as right:
        assert right is not None


def test_what_was_told_is_counted_kept_private_and_forgotten_after_a_week(tmp_path: Path) -> None:
    told.add(tmp_path, "s", 3)
    told.add(tmp_path, "s", 2)
    assert told.read(tmp_path, "s") == (2, 5)
    assert told.read(tmp_path, "unknown") == (0, 0)
    path = told.place(tmp_path, "s")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    told.add(tmp_path, "old", 1)
    long_ago = time.time() - 8 * 86_400
    os.utime(told.place(tmp_path, "old"), (long_ago, long_ago))
    told.prune(tmp_path)
    assert list(path.parent.iterdir()) == [path]
    path.write_bytes(b"memories x\n\xff\n")
    assert told.read(tmp_path, "s") == (0, 0)


def test_a_line_about_a_file_shows_where_it_is_named() -> None:
    text = "x " * 5_000 + "\nWe decided that eta.py rounds up." + " y" * 5_000
    line = context._noted(Noted("decided", memory_of(text)), "/p", "eta.py")
    assert line.startswith("- [decided, ")
    assert "eta.py rounds up" in line
    assert len(line) < 320
    assert context._noted(Noted("<b>", memory_of("x")), "/p").endswith(f"] {quoted('x', 9)}")
