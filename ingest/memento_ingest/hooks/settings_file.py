"""An agent's settings file: read and edited so that nothing of the user's is lost, whatever happens in between.

The backup holds the file as it was before Memento's first entry. `taken_out` gives those very bytes back when nothing
but Memento's entries has changed since; otherwise the entries alone are cut out of the text.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from memento.base import durable
from memento.base.escaping import escape_line
from memento_ingest.hooks import json_text
from memento_ingest.hooks.json_text import Dialect
from memento_policies import MementoError

BACKUP_SUFFIX: Final = ".memento-backup"
_MAX_BYTES: Final = 16 * 1024 * 1024
_MARK: Final = "\ufeff"
"""The byte order mark that some editors on Windows begin a file with."""
_HAS_NO: Final = {
    Dialect.PLAIN: "plain JSON ({why}), which has no comments and no trailing commas",
    Dialect.COMMENTS: "JSON ({why}); comments may stand in it, but no trailing commas",
    Dialect.TRAILING_COMMAS: "JSON ({why}); comments and trailing commas may stand in it",
}

Edit = Callable[[bytes | None], bytes]
"""Returns a file's content with an entry put in or taken out; None is a file that does not exist."""


class SettingsError(MementoError):
    """A settings file cannot be read or must not be changed; it is as it was."""


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

    def settings(self, dialect: Dialect = Dialect.PLAIN) -> dict[str, Any]:
        """Return what the file says. Raises SettingsError if that is not one JSON object."""
        return parse(self.content or b"", self.path, dialect)

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

    def taken_out(self, add: Edit, remove: Edit) -> tuple[bytes | None, bool]:
        """Return the content without an entry, and whether it is what was there before the entry was added.

        It is where the present content differs from what `add` made of the backup by nothing but the entry itself.
        Raises SettingsError.
        """
        rest = remove(self.content)
        try:
            original = self.backup.read_bytes()
        except FileNotFoundError:
            original = None
        except OSError as error:
            raise SettingsError(f"{self.backup}: cannot be read: {error.strerror}") from None
        try:
            is_exact = rest == remove(add(original))
        except SettingsError:  # the backup is of a file that was broken, or is no backup of ours
            is_exact = False
        return (original, True) if is_exact else (rest, False)

    def restore(self, content: bytes | None, is_exact: bool) -> None:
        """Write what `taken_out` returned; the backup is then needed no more if that is what it held."""
        self.write(content)
        if is_exact:
            self.backup.unlink(missing_ok=True)


def parse(content: bytes, path: Path, dialect: Dialect = Dialect.PLAIN) -> dict[str, Any]:
    """Return the settings in `content`; an empty file holds none. Raises SettingsError, naming `path`."""
    if not content.removeprefix(_MARK.encode()).strip():
        return {}
    try:
        value = json_text.parse(content.decode().removeprefix(_MARK), dialect)
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not UTF-8 text: it was left as it is; save it as UTF-8") from None
    except json.JSONDecodeError as error:
        reason = _HAS_NO[dialect].format(why=error.msg)
        raise SettingsError(
            f"{path}:{error.lineno}: is not {reason}: it was left as it is; correct that line, or name another file "
            "with --settings"
        ) from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}): it was left as it is") from None
    if not isinstance(value, dict):
        raise SettingsError(f"{path}: holds a {type(value).__name__}, not an object: it was left as it is")
    return value


def edited(content: bytes | None, new: Mapping[str, Any], path: Path, dialect: Dialect = Dialect.PLAIN) -> bytes:
    """Return the content changed to say `new`; all else in it keeps its bytes. Raises SettingsError."""
    whole = (content or b"").decode()
    mark, text = _MARK * whole.startswith(_MARK), whole.removeprefix(_MARK)
    style = json_text.style_of(text)
    if not text.strip():
        return (mark + json.dumps(new, indent=style.indent, ensure_ascii=False) + "\n").encode()
    try:
        return (mark + json_text.edited(text, new, style, dialect)).encode()
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: cannot be edited ({error}): it was left as it is") from None


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
