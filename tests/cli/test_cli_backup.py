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


def test_no_backups_is_said(memento: Cli) -> None:
    assert "`memento backup` takes one" in memento("backup", "list", "--table", code=3).err
    memento("backup", "verify", code=3)
    assert "no backup nope" in memento("backup", "verify", "nope", code=2).err
