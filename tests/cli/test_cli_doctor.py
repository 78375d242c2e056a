"""`doctor` and `restore` as a user runs them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from memento.storage import meta
from memento.store import MemoryStore

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def damage(cli: Cli) -> None:
    with cli.database.open("r+b") as file:
        file.write(b"\0" * 100)


def levels(cli: Cli, code: int) -> dict[str, str]:
    return {one["check"]: one["level"] for one in cli("doctor", "--json", code=code).json}


def test_a_sound_store(memento: Cli) -> None:
    memento("remember", "The pier is closed on Mondays.")
    memento("backup")
    found = levels(memento, 4)
    assert {name for name, level in found.items() if level != "ok"} == {"model", "sidecar"}
    shown = memento("doctor", "--table", code=4).out
    assert "`memento watch` starts it" in shown
    assert "ok  rows" in shown


def test_no_store(memento: Cli) -> None:
    assert "there is no store" in memento("doctor", code=1).err
    assert not memento.database.exists()


def test_damage_is_told_and_nothing_is_changed(memento: Cli) -> None:
    memento("remember", "The pier is closed on Mondays.")
    damage(memento)
    before = memento.database.read_bytes()
    shown = memento("doctor", "--table", code=1).out
    assert "memento restore --latest" in shown
    assert memento.database.read_bytes() == before


def test_a_store_of_a_newer_version_is_not_to_be_restored(memento: Cli) -> None:
    memento("remember", "The pier is closed on Mondays.")
    apsw.Connection(str(memento.database)).execute("PRAGMA user_version = 99")
    (found,) = memento("doctor", "--json", code=1).json
    assert "upgrade memento-memory" in found["text"]
    assert (found["advice"], found["remedy"]) == ("", "")


def test_the_next_command_heals_and_status_tells(memento: Cli) -> None:
    memento("remember", "The pier is closed on Mondays.")
    memento("backup")
    memento("remember", "The lamp is green.")
    damage(memento)
    found = memento("recent").json
    assert {one["text"] for one in found} == {"The pier is closed on Mondays.", "The lamp is green."}
    status = memento("status")
    assert "was restored from the backup of" in status.err
    assert status.json["sources"] == []  # the journal that was replayed is no transcript
    assert memento("policy", "diff").json["examples"] == []
    assert levels(memento, 4)["restored"] == "advice"


def test_restore_by_hand(memento: Cli) -> None:
    memento("remember", "The pier is closed on Mondays.")
    memento("backup")
    name = memento("backup", "list").json[0]["name"]
    for arguments in ([name], ["--latest"], ["--at", "2099-01-01"]):
        assert "the file as it was is" in memento("restore", *arguments).err
    assert [one["text"] for one in memento("recent").json] == ["The pier is closed on Mondays."]
    memento("restore", code=2)
    memento("restore", "--latest", "--salvage", code=2)
    memento("restore", "--at", "2001-01-01", code=2)
    memento("restore", "nope", code=2)


def test_salvage_without_a_backup(memento: Cli) -> None:
    memento("remember", "The pier is closed on Mondays.")
    damage(memento)
    assert "is damaged" in memento("recent", code=1).err
    memento("restore", "--salvage")
    assert [one["text"] for one in memento("recent").json] == ["The pier is closed on Mondays."]


def test_restore_refuses_beside_a_sidecar(memento: Cli, tmp_path: Path) -> None:
    memento("remember", "The pier is closed on Mondays.")
    memento("backup")
    watching = memento.start("watch", tmp_path)
    assert watching.stderr
    try:
        while b"watching" not in watching.stderr.readline():
            pass
        assert "stop it first" in memento("restore", "--latest", code=1).err
    finally:
        watching.terminate()
        watching.communicate()


def test_a_forgetting_that_is_not_finished_is_named(memento: Cli) -> None:
    memento("remember", "The gate code of the north yard is nine nine seven")
    with MemoryStore(memento.database) as store, store.database.write() as connection:
        meta.write_note(connection, meta.FORGETTING, "unfinished")
    assert "`memento forget --finish`" in memento("doctor", "--table", code=4).out
    memento("forget", "--finish")
    assert levels(memento, 4)["forgotten"] == "ok"
