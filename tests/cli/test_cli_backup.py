"""`backup`, `backup list`, `backup verify` as a user runs them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_backup_list_verify(memento: Cli) -> None:
    memento("remember", "The pier is closed on Mondays.")
    assert "1 memory" in memento("backup").err
    (listed,) = memento("backup", "list", "--json").json
    assert (listed["memories"], listed["kind"]) == (1, "manual")
    assert listed["name"] in memento("backup", "list", "--table").out
    (verified,) = memento("backup", "verify").json
    assert verified["problem"] is None
    path = Path(listed["path"])
    path.write_bytes(path.read_bytes()[:-9])
    assert "memento backup" in memento("backup", "verify", listed["name"], "--table", code=1).err


def test_backup_to_a_folder_or_a_file(memento: Cli, tmp_path: Path) -> None:
    memento("remember", "The pier is closed on Mondays.")
    memento("backup", "--to", f"{tmp_path}/elsewhere/")
    assert len(list((tmp_path / "elsewhere").glob("*.db.zst"))) == 1
    memento("backup", "--to", tmp_path / "one.db.zst")
    assert memento("backup", "verify", tmp_path / "one.db.zst").json[0]["problem"] is None
    assert "exists already" in memento("backup", "--to", tmp_path / "one.db.zst", code=2).err
    assert memento("backup", "list", code=3).json == []


def test_backups_at_once_do_not_disturb_each_other(memento: Cli, tmp_path: Path) -> None:
    memento("remember", "The pier is closed on Mondays.")
    commands = [["backup"]] * 4 + [["backup", "verify"]] + [["export", "--force", str(tmp_path / "all.jsonl")]] * 3
    started = [memento.start(*command) for command in commands]
    said = [process.communicate(timeout=60)[1] for process in started]
    codes = [process.returncode for process in started]
    assert set(codes) - {3} == {0}, said  # 3: verify was before the first
    assert len(memento("backup", "verify").json) == 4
    assert list(tmp_path.glob(".*.partial")) == []


def test_files_of_the_user_in_the_folder_of_a_backup_stay(memento: Cli, tmp_path: Path) -> None:
    memento("remember", "The pier is closed on Mondays.")
    others = [tmp_path / name for name in ("film.mkv.partial", ".notes.partial-copy", "a.partial-1")]
    for path in others:
        path.write_text("mine")
    (tmp_path / ".memory-1-manual.db.zst.partial-copy").write_text("what a killed backup left")
    memento("backup", "--to", tmp_path)
    assert all(path.read_text() == "mine" for path in others)
    assert not list(tmp_path.glob(".memory-1*"))


def test_no_backups_is_said(memento: Cli) -> None:
    assert "`memento backup` takes one" in memento("backup", "list", "--table", code=3).err
    memento("backup", "verify", code=3)
    assert "no backup nope" in memento("backup", "verify", "nope", code=2).err
