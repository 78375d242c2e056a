"""The status of the vector file for `memento index status`: is it whole, and in step with the database."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from memento.search.index.backends import index_of
from memento.search.index.header import VectorFileUnusable, read_header
from memento.search.index.vector_file import VectorFile
from memento.search.store_index import matches_database, read_watermark
from memento.storage import vectors
from memento.storage.database import Database

NO_MODEL: Final = "no embedding model is installed, so recall goes by words: run `memento model pull`"


class IndexStatus(NamedTuple):
    """The state of a store's vector file."""

    backend: str
    """What answers by `recall.index`."""
    folder: str
    """Where the vector file lies."""
    problem: str
    """Why the file is not used as it is; empty when it is whole. The next recall makes it again."""
    in_step: bool
    """True when it holds every embedding of the database and nothing that was deleted."""
    behind: int
    """Embeddings of the database that are not in it yet."""
    model: str = ""
    """The stamp of the model whose vectors it holds."""
    dimensions: int = 0
    memories: int = 0
    """Memories that can be found in it."""
    rows: int = 0
    """Vectors, dead ones included."""
    dead: int = 0
    bytes: int = 0
    """Of the whole folder, graphs included."""
    epoch: str = ""
    """Names this writing of the file (docs/vector-file.md)."""
    seq: int = 0
    """How far it follows the database's embeddings."""
    deletions: int = 0
    """How many of the database's deletions it has seen."""


def index_status(database: Database, folder: Path, model: str, backend: str) -> IndexStatus:
    """Read the whole file and compare it with the database; changes nothing."""
    size = sum(path.stat().st_size for path in folder.glob("*")) if folder.is_dir() else 0
    if not model:
        return IndexStatus(backend, str(folder), NO_MODEL, False, 0, bytes=size)
    with database.read() as connection:
        try:
            header = read_header(folder)
            file = VectorFile.open(folder, vectors.store_id(connection), model, header.dimensions)
            watermark = read_watermark(connection, model, header.dimensions)
            behind = vectors.count_since(connection, model, file.seq)
            index = index_of(file, backend)
            problem = "" if matches_database(connection, index, watermark) else "it does not fit the database"
        except VectorFileUnusable as error:
            waiting = vectors.count_since(connection, model, 0)
            return IndexStatus(
                backend, str(folder), str(error) if waiting or size else "", not waiting, waiting, bytes=size
            )
    if damaged := file.damaged_blocks():
        problem = f"{damaged} of its {len(file.header.block_checksums)} blocks are damaged: run `memento index rebuild`"
    known = file.header
    return IndexStatus(
        backend, str(folder), problem, not problem and not behind and file.deletions == watermark.deletions, behind,
        known.model, known.dimensions, len(index), known.rows, index.dead, size, known.epoch,
        known.seq, known.deletions,
    )  # fmt: skip
