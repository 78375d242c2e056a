"""Checks, their findings, and how checks are run on a whole store or a slice of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, Literal, NamedTuple

import apsw

from memento.config import Config
from memento.errors import StoreBusy, StoreCorrupt, StoreError
from memento.storage import integrity, meta, rows
from memento.storage.database import Database

Level = Literal["ok", "advice", "broken"]
SLICES_PER_DAY: Final = 24
"""The hourly check covers one of this many slices, so all rows are checked within a day."""
_MIN_SLICE_ROWS: Final = 20_000


class Remedy(Enum):
    """How the store repairs a finding by itself, the least intrusive first."""

    NONE = ""
    SCHEMA = "what is not of Memento is dropped, and what is missing is made again"
    VECTORS = "the vector file is made anew"
    REEMBED = "the embeddings are made anew"
    TAGS = "the table of tags is rebuilt"
    WORDS = "the full-text index is rebuilt"
    REINDEX = "the indexes are rebuilt"
    RESTORE = "the newest sound backup is restored"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    check: str
    level: Level
    text: str
    advice: str = ""
    """What the user can do; empty if nothing."""
    remedy: Remedy = Remedy.NONE
    rows: tuple[int, ...] = ()
    """Numbers of the affected rows."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-serialisable form."""
        named = {"check": self.check, "level": self.level, "text": self.text, "advice": self.advice}
        return {**named, "remedy": self.remedy.value}


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a check needs: the store and its settings."""

    database: Database
    config: Config
    rows: integrity.RowCheck | None = None
    """The checked slice of the rows; None = check all rows."""


class Check(NamedTuple):
    """A named check."""

    name: str
    run: Callable[[CheckContext], Iterable[Finding]]
    """Yields findings; none means that all is well."""


def run_checks(context: CheckContext, checks: Sequence[Check]) -> list[Finding]:
    """Run the checks and return their findings; a check that fails to run is itself a finding."""
    found: list[Finding] = []
    for check in checks:
        try:
            results = [replace(finding, check=check.name) for finding in check.run(context)]
        except (StoreBusy, BlockingIOError) as error:  # says nothing about the store
            results = [
                replace(advice_finding(f"not examined: {error}", "examine it when less is written"), check=check.name)
            ]
        except (StoreError, apsw.Error, OSError) as error:
            damaged = isinstance(error, apsw.CorruptError | apsw.NotADBError | StoreCorrupt)
            remedy = Remedy.RESTORE if damaged else Remedy.NONE
            results = [broken_finding(str(error), "", remedy, check.name)]
        found += results or [Finding(check.name, "ok", "")]
    return found


def run_checks_on_slice(context: CheckContext, checks: Sequence[Check]) -> list[Finding]:
    """Run the checks on the next slice of the rows, and remember where it ended."""
    with context.database.read() as connection:
        cursor = meta.read_note(connection, meta.HEALTH_CURSOR)
        after = int(cursor) if cursor.isdigit() else 0
        scan = integrity.check_rows(
            connection, after, max(_MIN_SLICE_ROWS, rows.count(connection) // SLICES_PER_DAY + 1)
        )
    found = run_checks(replace(context, rows=scan), checks)
    with context.database.write() as connection:
        meta.write_note(connection, meta.HEALTH_CURSOR, str(scan.last))
    return found


def broken_finding(text: str, advice: str = "", remedy: Remedy = Remedy.NONE, check: str = "") -> Finding:
    """Return a finding of level `broken`: something does not work."""
    return Finding(check, "broken", text, advice, remedy)


def advice_finding(text: str, advice: str) -> Finding:
    """Return a finding of level `advice`: something works and could be better."""
    return Finding("", "advice", text, advice)
