"""The export format: one JSON object per line, each with one key that names its kind. `.gz` and `.zst` are compressed.

{"memento": {"version": 1, "store": "...", "at": "2026-11-23T02:00:00.000Z"}}      the first line
{"forgotten": "ID"}               ids (and hashes of texts) that are to stay out, before everything else
{"ignored": {"kind": "session", "value": "..."}}
{"title": {"source", "session_id", "title", "rank"}}
{"memory": {...}}                 every column but the embedding, which is derived; oldest first
{"offset": {...}}                 how far a source was read: only with `--sources`, for a move to the same paths
{"end": {"memories": N, "signature": "..."}}    the last line: a file without it was cut off

The signature is a hash of all lines before it, keyed with `redaction.key`: it proves that the file was written in this
store's folder and not changed since (`signing`).
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from memento.base import signing
from memento.base.durable import create_private_file, partial_of, publish
from memento.base.escaping import escape_json
from memento.errors import StoreError, UsageError

VERSION: Final = 1
SUFFIXES: Final = (".jsonl", ".jsonl.gz", ".jsonl.zst")
_KEPT: Final = ("spool", "run")
"""Folders beside a store whose files must not be overwritten."""

Record = dict[str, Any]


def is_export_name(path: Path) -> bool:
    """Tell by its name whether a file is an export."""
    return path.name.lower().endswith(SUFFIXES)


def write_file(path: Path, records: Iterable[Record], key: bytes) -> None:
    """Write signed records to a file (0600) that appears once it is whole. Raises StoreError."""
    partial = partial_of(path)
    try:
        with os.fdopen(create_private_file(partial), "wb") as raw:
            with _compressed(raw, path) as file:
                _write(file.write, records, key)
            raw.flush()
        publish(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"cannot write the export to {path}: {error.strerror}") from None


def write_stdout(records: Iterable[Record], key: bytes) -> None:
    """Write signed records to standard output. Raises StoreError if it is closed."""
    if sys.stdout is None:
        raise StoreError("cannot write the export: standard output is closed")
    _write(sys.stdout.buffer.write, records, key)
    sys.stdout.buffer.flush()


def _write(write: Callable[[bytes], Any], records: Iterable[Record], key: bytes) -> None:
    seal = signing.Seal("export", key)
    for record in records:
        if "end" in record:
            record = {"end": {**record["end"], "signature": seal.hexdigest()}}
        line = escape_json(json.dumps(record, ensure_ascii=False, separators=(",", ":"))).encode() + b"\n"
        seal.update(line)
        write(line)


@contextmanager
def _compressed(raw: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as file:
            yield file  # type: ignore[misc]
    elif suffix == ".zst":
        import zstandard

        with zstandard.ZstdCompressor(write_checksum=True).stream_writer(raw, closefd=False) as writer:
            yield writer
    else:
        yield raw


def refuse_target(path: Path, store: Path, *, force: bool) -> None:
    """Raise UsageError for a target that an export must not replace: a file without `force`, or a file of the store."""
    if _is_of_store(path.resolve(), store):
        raise UsageError(f"{path} is a file of the store itself: name another file for the export")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is not a file: name one for the export, or `-` for standard output")
    if (path.exists() or path.is_symlink()) and not force:
        raise UsageError(f"{path} exists already: name a new file, or replace it with --force")


def _is_of_store(path: Path, store: Path) -> bool:
    """Tell whether a path is one of the store's files, beside its name or beside the link's target."""
    for database in {store.absolute(), store.resolve()}:
        folder = database.parent.resolve()
        if path.parent == folder and path.name.startswith(database.name):
            return True
        if any(path.is_relative_to(folder / name) for name in _KEPT):
            return True
    return False
