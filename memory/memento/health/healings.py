"""What was mended or restored, as the store remembers it and the user is told it."""

from __future__ import annotations

import html
import os
import shutil
import subprocess
from contextlib import suppress
from typing import Final

import apsw
import msgspec

from memento.base.counted import counted
from memento.base.escaping import escape_line
from memento.base.times import local
from memento.storage import meta

DELETED: Final = "it was deleted or emptied"
"""Why a backup was restored where no file was."""


class Healing(msgspec.Struct, frozen=True):
    """One recovery."""

    at: int
    """Unix milliseconds."""
    why: str
    """What was found; empty where a user asked for it."""
    backup: str = ""
    """Name of the backup that was restored; empty where rebuilding was enough."""
    backup_at: int = 0
    aside: str = ""
    """Where the damaged file lies now."""
    replayed: int = 0
    """Direct writes taken from the journal."""
    salvaged: int = 0
    """Rows taken from the damaged file that the backup did not hold."""
    unreadable: int = 0
    """Rows of the damaged file that could not be read."""
    deleted: bool = False
    """Whether the file had been deleted while it was in use, and was put back as it was."""

    @property
    def text(self) -> str:
        """What happened, in words."""
        when = local(self.at)
        if self.deleted:
            return f"{when}: the database was deleted or emptied while in use, and put back as it was; nothing was lost"
        if not self.aside and not self.backup and self.why != DELETED:
            return f"{when}: the store had damage that could be rebuilt ({self.why}); nothing was lost"
        source = f"the backup of {local(self.backup_at)}" if self.backup else "an empty store"
        state = "was gone" if self.why == DELETED else "was damaged"
        cause = f"the store {state} ({self.why}). It" if self.why else "the store"
        return (
            f"{when}: {cause} was restored from {source}; {counted(self.salvaged, 'newer row')} "
            f"came from the file before, {counted(self.replayed, 'write')} from the journal"
            + (f"; {counted(self.unreadable, 'row')} of that file cannot be read" if self.unreadable else "")
        )

    @property
    def advice(self) -> str:
        """What the user can do."""
        if self.deleted:
            return "to begin afresh, stop `memento watch` before you delete the database and its backups"
        if not self.aside and not self.backup and self.why != DELETED:
            return "check the disk if it happens again"
        advice = "`memento watch` or `memento ingest` reads the sources again from where the backup left them"
        if self.why:
            advice += "; check the disk"
        return f"{advice}; delete {self.aside} when nothing is missed" if self.aside else advice


def read_last(connection: apsw.Connection) -> Healing | None:
    """Return what was last mended or restored."""
    text = meta.read_note(connection, meta.HEALED)
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(text, type=Healing) if text else None
    return None


def write_last(connection: apsw.Connection, healing: Healing) -> None:
    """Remember it inside the caller's transaction."""
    meta.write_note(connection, meta.HEALED, msgspec.json.encode(healing).decode())
    if healing.backup:
        meta.write_note(connection, meta.RESTORED, str(healing.backup_at))


def notify_desktop(healing: Healing) -> None:
    """Tell the user where a desktop takes notifications; elsewhere nothing happens."""
    command = shutil.which("notify-send")
    if command and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        with suppress(OSError, subprocess.SubprocessError):
            text = html.escape(escape_line(healing.text))  # notifications take markup
            subprocess.run([command, "--", "Memento", text], timeout=2, check=False, capture_output=True)
