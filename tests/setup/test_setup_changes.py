"""The record of changes, with wirings that are simpler than any agent's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from memento.config import Config, load_config
from memento.errors import UsageError
from memento_app.setup import changes as module
from memento_app.setup.changes import Changes
from memento_app.setup.wirings import Plan, Wiring


@dataclass(frozen=True)
class Line:
    """A wiring that adds a line to a file."""

    path: Path
    line: str
    fails: bool = False

    @property
    def name(self) -> str:
        return f"line {self.line}"

    def files(self) -> list[Path]:
        return [self.path]

    def plan(self) -> Plan:
        return Plan(f"add {self.line}")

    def apply(self) -> str:
        if self.fails:
            raise UsageError("refused")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        before = self.path.read_text() if self.path.exists() else ""
        self.path.write_text(before + self.line + "\n")
        return "restart it"

    def undo(self) -> None:
        left = [line for line in self.path.read_text().splitlines() if line != self.line]
        self.path.write_text("".join(f"{line}\n" for line in left))


class Case:
    """A record, and a file that lines are added to."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.file = folder / "agent" / "deep" / "settings"
        self.lines: list[Wiring] = [Line(self.file, "one"), Line(self.file, "two")]
        self.config: Config = load_config({}, {"MEMENTO_HOME": str(folder / "home"), "HOME": str(folder)})
        monkeypatch.setattr(module, "wiring_named", self._named)

    def _named(self, name: str, _config: Config) -> Wiring | None:
        return next((one for one in self.lines if one.name == name), None)

    def record(self) -> Changes:
        """Read it again, as the next process does."""
        return Changes(self.config.home)


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(tmp_path, monkeypatch)


def test_two_changes_to_one_file_are_undone_in_turn_and_told_once(case: Case) -> None:
    case.file.parent.mkdir(parents=True)
    case.file.write_bytes(b"mine\r\n")
    for line in case.lines:
        assert case.record().make(line) == "restart it"
    assert case.record().paths == [str(case.file)]
    undone = case.record().undo(case.config)
    assert [(one.path, one.is_exact) for one in undone] == [(str(case.file), True)]
    assert case.file.read_bytes() == b"mine\r\n"


def test_folders_that_were_made_go_and_those_with_something_else_stay(case: Case) -> None:
    case.record().make(case.lines[0])
    case.record().undo(case.config)
    assert not (case.folder / "agent").exists()
    case.record().make(case.lines[0])
    (case.folder / "agent" / "theirs").touch()
    case.record().undo(case.config)
    assert [path.name for path in (case.folder / "agent").iterdir()] == ["theirs"]


def test_a_change_that_was_refused_leaves_no_record(case: Case) -> None:
    with pytest.raises(UsageError):
        case.record().make(Line(case.file, "one", fails=True))
    assert not (case.config.home / "setup.json").exists()
    assert case.record().undo(case.config) == []


def test_a_change_of_another_version_is_left_and_named(case: Case) -> None:
    case.record().make(case.lines[0])
    case.file.write_text(case.file.read_text() + "mine\n")
    kept, case.lines = case.lines, []
    (one,) = case.record().undo(case.config)
    assert not one.is_exact
    assert "line one" in one.text
    assert case.file.read_text() == "one\nmine\n"
    case.lines = kept
    (one,) = case.record().undo(case.config)
    assert not one.is_exact
    assert case.file.read_text() == "mine\n"


def test_a_file_that_became_a_link_is_not_written_through(case: Case) -> None:
    case.file.parent.mkdir(parents=True)
    case.file.write_text("before\n")
    case.record().make(case.lines[0])
    elsewhere = case.folder / "elsewhere"
    elsewhere.write_bytes(case.file.read_bytes())
    case.file.unlink()
    case.file.symlink_to(elsewhere)
    case.record().undo(case.config)
    assert case.file.is_symlink()
    assert elsewhere.read_text() == "before\n"  # the entry was taken out; the old bytes went nowhere else
