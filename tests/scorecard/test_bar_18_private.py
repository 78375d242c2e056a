"""Bar 18: under umask 000 all that Memento makes is private; traps in watched folders lead nowhere, block nothing."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memento.config import Config, Settings
from memento.memory import NewMemory
from memento.store import MemoryStore
from memento.writes.journal import Write, append, journal_path

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar, Prompts, Sidecar


def exposed(folder: Path) -> list[str]:
    """Return everything below a folder, and the folder itself, that others may reach."""
    found = []
    for path in (folder, *folder.rglob("*")):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:  # a process puts a new socket in the place of a killed one's meanwhile
            continue
        wanted = 0o700 if stat.S_ISDIR(mode) else 0o600
        if stat.S_IMODE(mode) & ~wanted:
            found.append(f"{path.relative_to(folder.parent)} {stat.S_IMODE(mode):o}")
    return sorted(found)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


@pytest.fixture
def open_umask() -> Callable[[], int]:
    """Return what a child process does before it starts: with umask 000 nothing is private by luck."""
    return lambda: os.umask(0)


def test_all_that_memento_makes_is_private(
    sidecar: Sidecar, prompts: Prompts, eventually: Callable[..., float], open_umask: Callable[[], int]
) -> None:
    def memento(*arguments: str, given: str = "") -> None:
        command = [str(Path(sys.executable).with_name("memento")), *arguments]
        done = subprocess.run(
            command, input=given, env=sidecar.environment, preexec_fn=open_umask, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    (sidecar.folder / "a.jsonl").write_bytes(prompts.line(0))
    before = os.umask(0)
    try:
        sidecar.start()
        eventually(lambda: sidecar.rows() == 1, 30)
        memento("remember", "We keep the harbour plans in the north cabinet.")
        event = {"hook_event_name": "UserPromptSubmit", "session_id": "s", "prompt": "I prefer tea.", "cwd": "/w"}
        memento("hook", given=json.dumps(event))
        memento("export", str(sidecar.home / "export.json"))
        made = names(sidecar.home)
        assert {"memory.db", "memory.db-wal", "memory.db-shm", "memory.db.watch.lock", "export.json", "spool"} <= made
        assert exposed(sidecar.home) == []
        sidecar.stop(signal.SIGKILL)
        sidecar.start()
        assert exposed(sidecar.home) == []
        assert sidecar.stop() == 0
    finally:
        os.umask(before)


def test_the_model_caches_and_the_journal_are_private(tmp_path: Path, model_dir: Path) -> None:
    assert exposed(model_dir) == []
    before = os.umask(0)
    try:
        home = tmp_path / "memento"
        config = Config(Settings(), home)
        with MemoryStore(home / "memory.db", config=config) as store:
            store.remember("We keep the harbour plans in the north cabinet.", embed=False)
        append(journal_path(home / "memory.db"), Write(NewMemory(id="0" * 32, text="x", timestamp=0, source="s")))
    finally:
        os.umask(before)
    assert {"memory.db", "memory.db.journal.jsonl"} <= names(home)
    assert exposed(home) == []


def test_traps_in_a_watched_folder(
    bar: Bar, sidecar: Sidecar, prompts: Prompts, eventually: Callable[..., float]
) -> None:
    """Whatever lies there, only its regular files are read, and a pipe without a writer stops nothing."""
    outside = sidecar.folder.parent / "outside"
    (outside / "deep").mkdir(parents=True)
    secret = outside / "secret.jsonl"
    secret.write_bytes(prompts.line(900))
    (outside / "deep" / "more.jsonl").write_bytes(prompts.line(901))
    folder = sidecar.folder
    (folder / "link.jsonl").symlink_to(secret)
    (folder / "relative.jsonl").symlink_to("../outside/secret.jsonl")
    (folder / "linked").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere.jsonl").symlink_to(folder / "missing.jsonl")
    (folder / "zero.jsonl").symlink_to("/dev/zero")
    (folder / "shut.jsonl").mkdir()
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "fine.jsonl").write_bytes(prompts.line(1))
    sidecar.start()
    eventually(lambda: sidecar.rows() == 1, 30)
    # while it watches: a regular file that is read gives way to a link or a pipe of the same name
    (folder / "swap.jsonl").write_bytes(prompts.line(2))
    eventually(lambda: sidecar.rows() == 2, 30)
    for number, trap in enumerate((secret, None, secret)):
        (folder / "new").unlink(missing_ok=True)
        os.mkfifo(folder / "new") if trap is None else (folder / "new").symlink_to(trap)
        (folder / "new").rename(folder / "swap.jsonl")
        with (folder / "fine.jsonl").open("ab") as file:
            file.write(prompts.line(3 + number))
        eventually(lambda number=number: sidecar.rows() == 3 + number, 30)
    assert sidecar.texts() == sorted(prompts.text(number) for number in (1, 2, 3, 4, 5))
    assert not [path for (path,) in sidecar.query("SELECT path FROM sources") if "outside" in str(path)]
    bar.measured("0 reads outside of 11 traps")
    assert sidecar.stop() == 0
