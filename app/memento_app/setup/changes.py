"""The record of what setup changed in files of other programs, and its undoing.

Invariant: what a file held is on the disk, in the record, before the file is touched. A file is put back byte for
byte only while it is as setup left it; in one that was changed since, Memento's entries alone are taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from itertools import takewhile
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from memento.base import durable, killpoints
from memento.config import Config
from memento.errors import MementoError
from memento_app.setup.wirings import Wiring, wiring_named

NAME: Final = "setup.json"
_ABSENT: Final = "absent"


class SetupError(MementoError):
    """Setup cannot go on; the message says why and what to do."""


class _File(msgspec.Struct):
    path: str
    target: str
    """What the path led to, links followed."""
    before: bytes | None
    """None: there was no file."""
    mode: int
    after: str = ""
    """Hash of what setup left; empty while that is not known, as after an interruption."""
    mixed: bool = False
    """Whether the file held neither what was there before nor what setup had left when setup changed it again."""


class _Change(msgspec.Struct):
    name: str
    files: list[_File]
    folders: list[str]
    """Folders that were not there, outermost first."""


class _Record(msgspec.Struct):
    version: int = 1
    changes: list[_Change] = []


class Undone(NamedTuple):
    """What became of one file."""

    path: str
    is_exact: bool
    """Whether it is byte for byte what it was before setup."""
    text: str


class Changes:
    """The record in Memento's folder."""

    def __init__(self, home: Path) -> None:
        """Read the record. Raises SetupError for one that cannot be read."""
        self._path = home / NAME
        try:
            self._record = msgspec.json.decode(self._path.read_bytes(), type=_Record)
        except FileNotFoundError:
            self._record = _Record()
        except (OSError, msgspec.MsgspecError) as error:
            raise SetupError(
                f"{self._path}: the record of what setup changed cannot be read ({error}): move it away to go on; "
                "`memento hooks uninstall AGENT`, `memento mcp uninstall AGENT`, `memento service uninstall` undo too"
            ) from None

    @property
    def paths(self) -> list[str]:
        """The files that setup changed."""
        files = [file for change in self._record.changes for file in change.files]
        changed = [file.path for file in files if _read(Path(file.path)) != file.before]
        return list(dict.fromkeys(changed))  # two changes may be to one file

    def make(self, wiring: Wiring) -> str:
        """Apply a wiring, recording what its files held before; return what it returns. Raises MementoError."""
        change = self._begin(wiring)
        killpoints.reach("setup.recorded")
        try:
            return wiring.apply()
        finally:  # also where it failed halfway: what it left is what an undo has to know
            killpoints.reach("setup.changed")
            for file in change.files:
                file.after = _digest(_read(Path(file.path)))
            if all(file.after == _digest(file.before) for file in change.files):
                self._record.changes.remove(change)
            self._save()

    def _begin(self, wiring: Wiring) -> _Change:
        change = next((one for one in self._record.changes if one.name == wiring.name), None)
        if change is None:
            change = _Change(wiring.name, [], [])
            self._record.changes.append(change)
        known = {file.path: file for file in change.files}
        for path in wiring.files():
            content, file = _read(path), known.get(str(path))
            if file is None:
                change.files.append(_File(str(path), str(path.resolve()), content, _mode(path)))
                change.folders += [one for one in _missing_folders(path) if one not in change.folders]
            elif _digest(content) not in (file.after, _digest(file.before)):
                file.mixed = True
        self._save()
        return change

    def undo(self, config: Config) -> list[Undone]:
        """Put every file back, the last change first; what could not be undone stays in the record.

        Return what became of each file in the end. Raises SetupError.
        """
        found: dict[str, Undone] = {}
        for change in reversed(list(self._record.changes)):
            found |= {one.path: one for one in self._undo(change, wiring_named(change.name, config))}
            self._save()
        return list(found.values())

    def _undo(self, change: _Change, wiring: Wiring | None) -> Iterator[Undone]:
        different = [file for file in change.files if _read(Path(file.path)) != file.before]
        untouched = [file for file in different if _is_as_left(file)]
        problem = _undo_wiring(change, wiring) if different else ""
        killpoints.reach("setup.undone")
        for file in different:
            if file in untouched and _read(Path(file.path)) != file.before:
                _put_back(file)
            if _read(Path(file.path)) == file.before:
                text = "as it was before" if file.before is not None else "removed"
                yield Undone(file.path, True, f"{text}; {problem}" if problem else text)
            elif problem:
                yield Undone(file.path, False, problem)
            else:
                yield Undone(file.path, False, "was changed since: only Memento's entries were taken out")
        for folder in reversed(change.folders):
            with suppress(OSError):  # it holds something else by now, or is gone
                Path(folder).rmdir()
        if not problem:
            self._record.changes.remove(change)

    def _save(self) -> None:
        try:
            if self._record.changes:
                durable.make_private_folder(self._path.parent)
                durable.replace(self._path, msgspec.json.encode(self._record))
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            raise SetupError(f"{self._path}: cannot be written: {error.strerror}; nothing more was changed") from None


def _undo_wiring(change: _Change, wiring: Wiring | None) -> str:
    """Take the wiring out; return why that failed."""
    if wiring is None:
        return f"this version does not know {change.name}: it was left as it is"
    try:
        if not {str(path) for path in wiring.files()} <= {file.path for file in change.files}:
            return "the agent's settings are in another place now: set the environment as it was, and try again"
        wiring.undo()
    except MementoError as error:
        return str(error)
    return ""


def _is_as_left(file: _File) -> bool:
    path = Path(file.path)
    is_there = str(path.resolve()) == file.target and not file.mixed
    return is_there and file.after == _digest(_read(path))


def _put_back(file: _File) -> None:
    target = Path(file.target)
    try:
        if file.before is None:
            target.unlink(missing_ok=True)
        else:
            durable.replace(target, file.before, file.mode)
    except OSError as error:
        raise SetupError(f"{file.path}: cannot be put back: {error.strerror}") from None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}; make it readable, and try again") from None


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777 if path.exists() else 0o600


def _digest(content: bytes | None) -> str:
    return _ABSENT if content is None else sha256(content).hexdigest()


def _missing_folders(path: Path) -> list[str]:
    return [str(one) for one in reversed([*takewhile(lambda one: not one.exists(), path.parents)])]
