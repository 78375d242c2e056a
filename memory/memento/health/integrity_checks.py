"""Integrity checks: are the rows intact, and does derived data match them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from memento.base.counted import counted
from memento.health.checks import Check, CheckContext, Finding, Remedy, broken_finding
from memento.storage import integrity, schema, snapshot
from memento.storage.connection import read_transaction
from memento.storage.database import Database

if TYPE_CHECKING:
    from memento.search.index.vector_file import VectorFile

RESTORE_ADVICE: Final = (
    "`memento restore --latest` puts the newest sound backup in its place and reads the sources again; "
    "without a backup, `memento restore --salvage` begins anew with what can be read"
)

_SHOWN: Final = 20


def _schema(context: CheckContext) -> Iterator[Finding]:
    with context.database.read() as connection, read_transaction(connection):
        differing = schema.differences(connection)
    remedy = Remedy.SCHEMA if all(one.is_derived for one in differing) else Remedy.RESTORE
    for one in differing[:_SHOWN]:
        yield broken_finding(f"{one}", RESTORE_ADVICE if remedy is Remedy.RESTORE else "", remedy)


def _structure(context: CheckContext) -> Iterator[Finding]:
    with context.database.check_connection() as connection:
        problems = integrity.check_structure(connection) if context.rows is None else integrity.check_pages(connection)
    for problem in problems:
        remedy = _remedy_for(problem)
        yield broken_finding(f"SQLite says: {problem}", RESTORE_ADVICE if remedy is Remedy.RESTORE else "", remedy)


def _remedy_for(problem: str) -> Remedy:
    """Return the remedy for a problem that SQLite's check reports."""
    if "fts5" in problem.lower():
        return Remedy.WORDS
    indexes = ("missing from index", "wrong # of entries in index", "non-unique entry in index")
    return Remedy.REINDEX if any(text in problem for text in indexes) else Remedy.RESTORE


def _rows(context: CheckContext) -> Iterator[Finding]:
    scan = context.rows
    if scan is None:
        with context.database.check_connection() as connection:
            scan = integrity.check_rows(connection)
    if scan.damaged:
        text = f"{counted(len(scan.damaged), 'row is', 'rows are')} not what was written"
        finding = broken_finding(text, RESTORE_ADVICE, Remedy.RESTORE)
        yield replace(finding, rows=tuple(scan.damaged))
    if scan.unsound:
        text = f"{counted(len(scan.unsound), 'embedding is', 'embeddings are')} not what was written"
        finding = broken_finding(text, "", Remedy.REEMBED)
        yield replace(finding, rows=tuple(scan.unsound))


def _words(context: CheckContext) -> Iterator[Finding]:
    if context.rows is not None:
        return  # it reads the whole index and blocks writers
    with context.database.check_connection(exclusive=True) as connection:
        problems = integrity.check_fulltext(connection)
    yield from (broken_finding(problem, "", Remedy.WORDS) for problem in problems)


def _tags(context: CheckContext) -> Iterator[Finding]:
    with context.database.check_connection() as connection:
        problems = integrity.check_tags(connection)
    yield from (broken_finding(problem, "", Remedy.TAGS) for problem in problems)


def _tables(context: CheckContext) -> Iterator[Finding]:
    """Read every table completely: SQLite's check skips overflow pages."""
    if context.rows is None:
        with context.database.check_connection() as connection:
            snapshot.read_contents(connection)  # raises an error that counts as damage
            problems = integrity.check_states(connection)
        yield from (broken_finding(problem, RESTORE_ADVICE, Remedy.RESTORE) for problem in problems)


def _references(context: CheckContext) -> Iterator[Finding]:
    with context.database.check_connection() as connection:
        problems = integrity.check_references(connection)
    yield from (broken_finding(problem, RESTORE_ADVICE, Remedy.RESTORE) for problem in problems)


def _vectors(context: CheckContext) -> Iterator[Finding]:
    from memento.search.index.vector_file import locked
    from memento.search.store_index import REBUILD_SECONDS, vector_folder

    if context.rows is not None or not _damaged_blocks(context.database):
        return
    with locked(vector_folder(context.database.path), REBUILD_SECONDS):  # a file being written differs for a moment
        blocks = _damaged_blocks(context.database)
    if blocks:
        text = f"{counted(blocks, 'block differs', 'blocks differ')} from the checksums in the vector file"
        yield broken_finding(text, "", Remedy.VECTORS)


def _damaged_blocks(database: Database) -> int:
    file = open_vector_file(database)
    return file.damaged_blocks() if file else 0


def open_vector_file(database: Database) -> VectorFile | None:
    """Return the store's vector file; None if it is missing or would be rebuilt anyway."""
    from memento.search.index.header import VectorFileUnusable, read_header
    from memento.search.index.vector_file import VectorFile
    from memento.search.store_index import vector_folder
    from memento.storage import vectors

    folder = vector_folder(database.path)
    with database.read() as connection:
        store = vectors.store_id(connection)
    with suppress(VectorFileUnusable):
        header = read_header(folder)
        return VectorFile.open(folder, store, header.model, header.dimensions)
    return None


INTEGRITY_CHECKS: Final = (
    Check("schema", _schema),
    Check("pages", _structure),
    Check("rows", _rows),
    Check("words", _words),
    Check("tags", _tags),
    Check("tables", _tables),
    Check("references", _references),
    Check("vectors", _vectors),
)
