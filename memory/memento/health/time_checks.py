"""Whether the clock and the stamps can be right. A wrong clock is a warning: it damages nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from memento.base.counted import counted
from memento.base.times import EARLIEST_CLOCK, MOST_AHEAD, iso, now_ms
from memento.health.examination import Check, Finding, Patient, advised
from memento.storage import timestamps

_RECENT_MS: Final = 30 * 86_400_000
"""How long a stamp that was ahead is worth a warning; after that it is only counted."""
_SET_CLOCK: Final = "set the clock, or let the system do it: `timedatectl set-ntp true`"


def _clock(patient: Patient) -> Iterator[Finding]:
    from memento.backup import BackupDirectory

    now = now_ms()
    if now < EARLIEST_CLOCK:
        shown = iso(now) or "1970"
        yield advised(f"this machine's clock shows {shown}: stamps and ages are not judged by it", _SET_CLOCK)
    with patient.database.read() as connection:
        early, late = timestamps.count_wrong_clock(connection, now)
    if early and now >= EARLIEST_CLOCK:
        them = counted(early, "memory was", "memories were")
        yield Finding("", "ok", f"{them} stored while the clock showed a time before 2020")
    if late:
        them = counted(late, "memory was", "memories were")
        yield advised(
            f"{them} stored at a time that the clock has not reached: it is slow now, or was fast", _SET_CLOCK
        )
    if fast := [one for one in BackupDirectory(patient.database.path).all() if one.manifest.at > now + MOST_AHEAD]:
        them = counted(len(fast), "backup was", "backups were")
        text = f"{them} taken at a time that the clock has not reached; `restore --latest` goes by their order"
        yield advised(text, _SET_CLOCK)


def _stamps(patient: Patient) -> Iterator[Finding]:
    with patient.database.read() as connection:
        found = timestamps.count_ahead(connection, now_ms() - _RECENT_MS)
    if not found.all:
        return
    text = f"{counted(found.all, 'memory', 'memories')} came with a stamp ahead of the clock"
    if found.unflagged:
        yield advised(f"{text}, {found.unflagged:,} of them stored as it was", "`memento consolidate` sets it right")
        return
    text += ": stored under the time of storing, after all others in `recent`, superseding nothing"
    if found.recent:
        yield advised(text, "set the clock of the machine that wrote the transcript, or of this one")
    else:
        yield Finding("", "ok", text)


TIME: Final = (Check("clock", _clock), Check("stamps", _stamps))
