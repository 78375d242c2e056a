"""Folders and files that others can reach are closed to them where they are ours, and named by `memento doctor`."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from memento.config import load_config
from memento.errors import StoreError
from memento.storage.permissions import _serves_others, restrict_folders
from memento.store import MemoryStore

MEMENTO = Path(sys.executable).with_name("memento")


def memento(home: Path, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home.parent), "MEMENTO_HOME": str(home)}
    environment["MEMENTO_MODEL_DIR"] = str(home / "no-model")
    done = subprocess.run([MEMENTO, *arguments], env=environment, capture_output=True, text=True)
    assert code is None or done.returncode == code, done.stderr
    return done


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def private(home: Path, *arguments: str) -> list[dict[str, str]]:
    found = json.loads(memento(home, "doctor", "--json", *arguments, code=None).stdout)
    return [one for one in found if one["check"] == "private"]


@pytest.mark.parametrize("bits", [0o777, 0o755, 0o770, 0o711, 0o701, 0o1777])
def test_an_open_home_is_named_and_closed(tmp_path: Path, bits: int) -> None:
    home = tmp_path / "memento"
    memento(home, "remember", "The lamp is green.")
    for folder in ("backups", "spool", "run", "cache"):
        (home / folder).mkdir(exist_ok=True)
        (home / folder).chmod(0o777)
    home.chmod(bits)
    for one in private(home):
        assert one["level"] == "broken"
        assert "others can reach" in one["text"]
    assert mode(home) == bits  # doctor changes nothing
    assert f"chmod go= '{home}'" in {one["advice"] for one in private(home)}
    done = memento(home, "recent")
    assert f"memento: others can reach {home} (mode {bits:04o}): it is closed to them now" in done.stderr
    assert mode(home) & 0o077 == 0
    assert {mode(home / folder) for folder in ("backups", "spool", "run", "cache")} == {0o700}
    assert [one["level"] for one in private(home)] == ["ok"]
    assert memento(home, "recent").stderr == ""


@pytest.mark.parametrize("place", ["user", "above", "temporary"])
def test_a_home_that_serves_others_too_is_not_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """MEMENTO_HOME=/tmp took /tmp from every other user of the machine."""
    folder = tmp_path / "shared"
    folder.mkdir()
    user = {"user": folder, "above": folder / "user", "temporary": tmp_path / "user"}[place]
    monkeypatch.setenv("HOME", str(user))
    monkeypatch.setattr("memento.storage.permissions._TEMPORARY", (str(folder),) if place == "temporary" else ())
    for bits, left in ((0o755, 0o755), (0o1777, 0o1777), (0o777, 0o755)):
        folder.chmod(bits)
        restrict_folders(folder / "memory.db", folder)
        assert mode(folder) == left
    assert _serves_others(Path("/"))
    assert _serves_others(Path("/opt"))
    assert not _serves_others(user / ".memento")


def test_the_remedy_that_doctor_prints_closes_it(tmp_path: Path) -> None:
    home = tmp_path / "memento"
    memento(home, "remember", "The lamp is green.")
    memento(home, "backup")
    (backup,) = (home / "backups").glob("*.zst")
    backup.chmod(0o644)
    (home / "memory.db.watch.lock").touch()
    (home / "memory.db.watch.lock").chmod(0o666)
    home.chmod(0o750)
    advice = [one["advice"] for one in private(home)]
    assert len(advice) == 3
    for command in advice:
        subprocess.run(command, shell=True, check=True)
    assert [one["level"] for one in private(home)] == ["ok"]


def test_a_folder_of_other_things_keeps_its_mode(tmp_path: Path) -> None:
    home, folder = tmp_path / "memento", tmp_path / "project"
    folder.mkdir()
    folder.chmod(0o755)
    database = folder / "memory.db"
    assert "others" not in memento(home, "remember", "The lamp is green.", "--db", str(database)).stderr
    assert (mode(folder), mode(database)) == (0o755, 0o600)
    folder.chmod(0o777)
    assert "others can replace what is in" in memento(home, "recent", "--db", str(database)).stderr
    assert mode(folder) == 0o755


def test_a_sticky_folder_such_as_tmp_is_left_alone(tmp_path: Path) -> None:
    home, shared = tmp_path / "memento", tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    database = shared / "memory.db"
    assert "others" not in memento(home, "remember", "The lamp is green.", "--db", str(database)).stderr
    assert (mode(shared), mode(database)) == (0o1777, 0o600)
    assert [one["level"] for one in private(home, "--db", str(database))] == ["ok"]


def test_a_folder_of_somebody_else_in_which_all_may_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setattr("memento.storage.permissions.os.geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(StoreError, match="keep the store in a folder of your own"):
        MemoryStore(folder / "memory.db", config=load_config({}, {"MEMENTO_HOME": str(tmp_path / "memento")}))
    assert list(folder.iterdir()) == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "memento", tmp_path / "elsewhere"
    memento(home, "remember", "The lamp is green.")
    elsewhere.mkdir()
    elsewhere.chmod(0o755)
    (home / "spool").symlink_to(elsewhere)
    memento(home, "recent")
    assert mode(elsewhere) == 0o755
