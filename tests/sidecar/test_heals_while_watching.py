"""The store is damaged under a running sidecar: it is restored, every source read again, and capture goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from memento.store import MemoryStore

if TYPE_CHECKING:
    from tests.sidecar.conftest import Watched


@pytest.mark.parametrize("what", ["header", "rows"])
def test_capture_goes_on_in_the_restored_store(watched: Watched, eventually: Callable[..., None], what: str) -> None:
    watched.write(300)
    eventually(watched.holds_all)
    watched.memento("backup")
    watched.write(100)
    watched.memento("remember", "The lamp is green.")
    eventually(watched.holds_all)
    watched.memento("jobs", "run", "checkpoint")
    path = watched.config.db_path
    content = path.read_bytes()
    where = 0 if what == "header" else content.index(b"rule number 77 ")
    with path.open("r+b") as file:
        file.seek(where)
        file.write(b"\0" * 100 if what == "header" else b"rule number 78 ")
    if what == "header":
        command = [str(watched.command), "recent"]
        recent = subprocess.run(command, env=watched.environment, capture_output=True, text=True, check=False)
        assert "The lamp is green." in recent.stdout, recent.stderr
    else:
        assert "was restored from the backup" in watched.memento("jobs", "run", "full-health")
    watched.write(100)
    eventually(watched.holds_all)
    eventually(lambda: "read again from where that left it" in watched.said())
    with MemoryStore(config=watched.config) as store:
        assert store.stats().memories == watched.lines + 1
        assert store.healing() is not None
        (account,) = [one for one in store.accounts() if one.path.endswith("t.jsonl")]
        assert account.offset == (watched.folder / "t.jsonl").stat().st_size
