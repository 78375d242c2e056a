"""Export of a store as lines, in one read transaction, one row in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from memento.base.link_key import load_key
from memento.base.times import iso, now_ms
from memento.errors import UsageError
from memento.storage import ignored, transfer, vectors
from memento.storage.connection import read_transaction
from memento.storage.stored_json import mapping, texts
from memento.store import MemoryStore
from memento.transfer import lines


def export(store: MemoryStore, path: Path | None, *, sources: bool = False, force: bool = False) -> int:
    """Write the store to a new file, or to standard output; return the number of memories.

    The suffix chooses the compression: `.jsonl`, `.jsonl.gz` or `.jsonl.zst`. `sources` adds the offset of each source;
    `force` replaces an existing file. Raises UsageError for an existing file, another suffix and a file of the store
    itself, StoreError if the file cannot be written.
    """
    if path and not lines.is_export_name(path):
        raise UsageError(f"{path} has none of the endings {', '.join(lines.SUFFIXES)}")
    if path:
        lines.refuse_target(path, store.path, force=force)
        path = path.resolve()  # a link to a file stays one
    written = 0

    def counted(connection: apsw.Connection) -> Iterator[dict[str, Any]]:
        nonlocal written
        for record in _records(connection, sources):
            written += "memory" in record
            yield record
        yield {"end": {"memories": written}}

    with store.database.read() as connection, read_transaction(connection):
        if path:
            lines.write_file(path, counted(connection), load_key(store.path.parent))
        else:
            lines.write_stdout(counted(connection), load_key(store.path.parent))
    return written


def _records(connection: apsw.Connection, sources: bool) -> Iterator[dict[str, Any]]:
    head = {"version": lines.VERSION, "store": vectors.store_id(connection), "at": iso(now_ms())}
    yield {"memento": head}
    yield from ({"forgotten": key} for key in transfer.all_tombstones(connection))
    out = ignored.load(connection)
    yield from ({"ignored": {"kind": "session", "value": value}} for value in sorted(out.sessions))
    yield from ({"ignored": {"kind": "project", "value": value}} for value in sorted(out.projects))
    for source, session, title, rank in transfer.all_titles(connection):
        yield {"title": {"source": source, "session_id": session, "title": title, "rank": rank}}
    for row in transfer.all_memories(connection):
        decoded = {"tags": texts(row["tags"]), "meta": mapping(row["meta"]), "why": mapping(row["why"])}
        yield {"memory": {**row, **decoded, "active": bool(row["active"])}}
    if sources:
        yield from ({"offset": {**row, "state": json.loads(row["state"])}} for row in transfer.all_offsets(connection))
