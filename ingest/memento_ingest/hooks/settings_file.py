"""An agent's settings file: read and rewritten so that nothing of the user's is lost, whatever happens in between."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from memento.base import durable
from memento.base.escaping import escape_line
from memento_policies import MementoError

BACKUP_SUFFIX: Final = ".memento-backup"
_MAX_BYTES: Final = 16 * 1024 * 1024
_MARK: Final = "\ufeff"
_INDENT: Final = re.compile(r"^[\[{][ \t]*\r?\n([ \t]+)")


class SettingsError(MementoError):
    """A settings file cannot be read or must not be changed; it is as it was."""


class Style(NamedTuple):
    """How a file is written: what `json` can keep of it."""

    indent: str | None
    """None: all on one line."""
    newline: str
    last_newline: bool
    ascii: bool
    mark: bool
    """Whether it begins with a byte order mark, as some editors on Windows write it."""


class SettingsFile:
    """One settings file. Its bytes are read once; writing refuses if they have changed since."""

    def __init__(self, path: Path) -> None:
        """Read the file; one that does not exist is like an empty one. Raises SettingsError."""
        self.path = path
        self._target = path.resolve()
        self.content = _read(self._target)

    @property
    def backup(self) -> Path:
        """Where the file as it was before the first install is kept."""
        return self.path.with_name(self.path.name + BACKUP_SUFFIX)

    def settings(self) -> dict[str, Any]:
        """Return what the file says. Raises SettingsError if that is not one JSON object."""
        return parse(self.content or b"", self.path)

    def diff(self, content: bytes | None) -> str:
        """Return the unified diff from the file to `content` (None: no file)."""
        before, after = ((text or b"").decode().removeprefix(_MARK).splitlines() for text in (self.content, content))
        name = escape_line(str(self.path))
        return "".join(f"{line}\n" for line in difflib.unified_diff(before, after, name, name, lineterm=""))

    def keep_backup(self) -> None:
        """Keep the present content beside the file, in place of what was kept before. Raises SettingsError."""
        try:
            if self.content is None:
                self.backup.unlink(missing_ok=True)
            else:
                durable.replace(self.backup, self.content)
        except OSError as error:
            raise SettingsError(f"{self.backup}: cannot be written: {error.strerror}; nothing was changed") from None

    def write(self, content: bytes | None) -> None:
        """Replace the file in one step, keeping its mode; None removes it. Raises SettingsError."""
        try:
            status = self._target.stat() if self.content is not None else None
            if status and not status.st_mode & 0o222:
                raise SettingsError(
                    f"{self.path}: is read-only: make it writable, or use --dry-run and edit it by hand"
                )
            if _read(self._target) != self.content:
                raise SettingsError(f"{self.path}: was changed by another program just now: try again")
            if content is None:
                self._target.unlink(missing_ok=True)
            else:
                self._target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                durable.replace(self._target, content, status.st_mode & 0o7777 if status else 0o600)
        except OSError as error:
            raise SettingsError(f"{self.path}: cannot be written: {error.strerror}") from None


def parse(content: bytes, path: Path) -> dict[str, Any]:
    """Return the settings in `content`; an empty file holds none. Raises SettingsError, naming `path`."""
    if not content.removeprefix(_MARK.encode()).strip():
        return {}
    try:
        value = json.loads(content.decode().removeprefix(_MARK), object_pairs_hook=_unique)
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not UTF-8 text: it was left as it is; save it as UTF-8") from None
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"{path}:{error.lineno}: is not plain JSON ({error.msg}), which has no comments and no trailing commas: it "
            "was left as it is; correct that line, or name another file with --settings"
        ) from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}): it was left as it is") from None
    if not isinstance(value, dict):
        raise SettingsError(f"{path}: holds a {type(value).__name__}, not an object: it was left as it is")
    return value


def style(content: bytes | None) -> Style:
    """Return how the file is written; a new or empty one gets two spaces."""
    mark = content is not None and content.startswith(_MARK.encode())
    if not content or not content.removeprefix(_MARK.encode()).strip():
        return Style("  ", "\n", True, False, mark)
    text = content.decode().removeprefix(_MARK)
    newline = "\r\n" if "\r\n" in text else "\n"
    match = _INDENT.match(text.lstrip())
    indent = match[1] if match else "  " if "\n" in text.strip() else None
    return Style(indent, newline, text.endswith("\n"), text.isascii(), mark)


def render(settings: Mapping[str, Any], how: Style, path: Path) -> bytes:
    """Return the settings as the file's new content. Raises SettingsError for values that JSON cannot hold."""
    try:
        text = json.dumps(settings, indent=how.indent, ensure_ascii=how.ascii, allow_nan=False)
        return (_MARK * how.mark + (text + "\n" * how.last_newline).replace("\n", how.newline)).encode()
    except ValueError as error:
        raise SettingsError(f"{path}: cannot be written back ({error}): it was left as it is") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > _MAX_BYTES:
        raise SettingsError(f"{path}: is larger than {_MAX_BYTES >> 20} MiB: is it a settings file?")
    return content
