"""Whether the rows are what was written, and what is derived from them fits them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from memento.health.examination import Check, Finding, Patient, Remedy, broken
from memento.storage import integrity

RESTORING: Final = "`memento restore --latest` puts the newest sound backup in its place and reads the sources again"


def _structure(patient: Patient) -> Iterator[Finding]:
    with patient.database.read() as connection:
        problems = integrity.structure(connection) if patient.rows is None else integrity.pages(connection)
    for problem in problems:
        remedy = _remedy(problem)
        yield broken(f"SQLite says: {problem}", RESTORING if remedy is Remedy.RESTORE else "", remedy)


def _remedy(problem: str) -> Remedy:
    """Return what mends what SQLite's check says."""
    if "FTS5 table" in problem:
        return Remedy.WORDS
    indexes = ("missing from index", "wrong # of entries in index", "non-unique entry in index")
    return Remedy.REINDEX if any(text in problem for text in indexes) else Remedy.RESTORE


def _rows(patient: Patient) -> Iterator[Finding]:
    scan = patient.rows
    if scan is None:
        with patient.database.read() as connection:
            scan = integrity.rows(connection)
    if scan.damaged:
        finding = broken(f"{len(scan.damaged):,} rows are not what was written", RESTORING, Remedy.RESTORE)
        yield replace(finding, rows=tuple(scan.damaged))
    if scan.unsound:
        finding = broken(f"{len(scan.unsound):,} embeddings are not what was written", "", Remedy.REEMBED)
        yield replace(finding, rows=tuple(scan.unsound))


def _words(patient: Patient) -> Iterator[Finding]:
    if patient.rows is not None:
        return  # it looks at the whole index, and nothing is written meanwhile
    with patient.database.write() as connection:
        problems = integrity.words(connection)
    yield from (broken(problem, "", Remedy.WORDS) for problem in problems)


def _tags(patient: Patient) -> Iterator[Finding]:
    with patient.database.read() as connection:
        problems = integrity.tags(connection)
    yield from (broken(problem, "", Remedy.TAGS) for problem in problems)


def _references(patient: Patient) -> Iterator[Finding]:
    with patient.database.read() as connection:
        problems = integrity.references(connection)
    yield from (broken(problem, RESTORING, Remedy.RESTORE) for problem in problems)


INTEGRITY: Final = (
    Check("pages", _structure),
    Check("rows", _rows),
    Check("words", _words),
    Check("tags", _tags),
    Check("references", _references),
)
