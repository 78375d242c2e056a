"""Every memory as JSON, streamed: the export of a large store needs no more memory than one row."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from memento.base.durable import create_private_file, partial_of, publish
from memento.base.escaping import escape_json
from memento.errors import StoreError
from memento.memory import Memory


def json_text(memories: Iterable[Memory]) -> str:
    """Return one JSON array."""
    return "".join(_array(memories))


def write_json(memories: Iterable[Memory], path: Path) -> str:
    """Write one JSON array into a file (0600), replacing it only when it is whole; return its path."""
    partial = partial_of(path)
    try:
        with os.fdopen(create_private_file(partial), "w", encoding="utf-8") as file:
            file.writelines(_array(memories))
        publish(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"cannot write the export to {path}: {error.strerror}") from None
    return str(path)


def _array(memories: Iterable[Memory]) -> Iterator[str]:
    separator = "[\n"
    for memory in memories:
        yield separator + escape_json(json.dumps(memory.as_dict(), ensure_ascii=False))
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"
