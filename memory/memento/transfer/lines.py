"""The file: one JSON object a line, each with one key that says what it is. `.gz` and `.zst` are compressed.

{"memento": {"version": 1, "store": "...", "at": "2026-11-23T02:00:00.000Z"}}      the first line
{"forgotten": "ID"}               ids (and hashes of texts) that are to stay out, before everything else
{"ignored": {"kind": "session", "value": "..."}}
{"title": {"source", "session_id", "title", "rank"}}
{"memory": {...}}                 every column but the embedding, which is derived; oldest first
{"offset": {...}}                 how far a source was read: only with `--sources`, for a move to the same paths
{"end": {"memories": N}}          the last line: a file without it was cut off
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from memento.durable import partial_of, private, publish
from memento.errors import StoreError, UsageError
from memento.escaping import escape_json

VERSION: Final = 1
SUFFIXES: Final = (".jsonl", ".jsonl.gz", ".jsonl.zst")
LONGEST: Final = 256 * 1024 * 1024
"""Bytes of a line: a compressed file must not be able to fill the memory."""


def is_lines(path: Path) -> bool:
    """Tell by its name whether a file is of this kind."""
    return path.name.endswith(SUFFIXES)


def write(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write records into a file (0600) that appears when it is whole. Raises StoreError."""
    partial = partial_of(path)
    try:
        with os.fdopen(private(partial), "wb") as raw:
            with _compressed(raw, path) as file:
                for record in records:
                    file.write(escape_json(msgspec.json.encode(record).decode()).encode() + b"\n")
            raw.flush()
        publish(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"cannot write the export to {path}: {error.strerror}") from None


def read(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (line number, line). Raises UsageError when the file cannot be read, or is cut off in its compression."""
    import zstandard

    try:
        with path.open("rb") as raw, _decompressed(raw, path) as file:
            number = 0
            while line := file.readline(LONGEST):
                number += 1
                yield number, line
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise UsageError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


@contextmanager
def _compressed(raw: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    if path.suffix == ".gz":
        with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as file:
            yield file  # type: ignore[misc]
    elif path.suffix == ".zst":
        import zstandard

        with zstandard.ZstdCompressor(write_checksum=True).stream_writer(raw, closefd=False) as writer:
            yield writer
    else:
        yield raw


@contextmanager
def _decompressed(raw: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    if path.suffix == ".gz":
        with gzip.GzipFile(fileobj=raw, mode="rb") as file:
            yield file  # type: ignore[misc]
    elif path.suffix == ".zst":
        import io

        import zstandard

        reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
        yield io.BufferedReader(reader)
    else:
        yield raw
