"""The record of the last repair or restore, as stored and as shown to the user."""

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
"""The reason for a restore when the file was missing."""


class Healing(msgspec.Struct, frozen=True):
    """One recovery."""

    at: int
    """Unix milliseconds."""
    why: str
    """The damage found; empty if the user asked for the restore."""
    backup: str = ""
    """Name of the restored backup; empty if rebuilding was enough."""
    backup_at: int = 0
    aside: str = ""
    """Path of the damaged file."""
    replayed: int = 0
    """Direct writes replayed from the journal."""
    salvaged: int = 0
    """Rows salvaged from the damaged file that the backup did not hold."""
    unreadable: int = 0
    """Rows of the damaged file that could not be read."""
    deleted: bool = False
    """Whether the file was deleted while in use and put back unchanged."""

    @property
    def text(self) -> str:
        """A sentence that says what happened."""
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
    """Return the last repair or restore; None if there was none."""
    text = meta.read_note(connection, meta.HEALED)
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(text, type=Healing) if text else None
    return None


def write_last(connection: apsw.Connection, healing: Healing) -> None:
    """Store a repair or restore as the last one, inside the caller's transaction."""
    meta.write_note(connection, meta.HEALED, msgspec.json.encode(healing).decode())
    if healing.backup:
        meta.write_note(connection, meta.RESTORED, str(healing.backup_at))


def notify_desktop(healing: Healing) -> None:
    """Show a desktop notification, if there is a desktop."""
    command = shutil.which("notify-send")
    if command and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        with suppress(OSError, subprocess.SubprocessError):
            text = html.escape(escape_line(healing.text))  # notifications take markup
            subprocess.run([command, "--", "Memento", text], timeout=2, check=False, capture_output=True)
