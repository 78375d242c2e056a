"""A graph beside the vector file it was made from: saved, and read back only when it is whole.

`NAME.EPOCH.bin` is the library's own format; `NAME.EPOCH.json` says how long it is and what its CRC-32 is, since the
libraries trust what they read. The epoch in the name ties it to the rows: a rebuilt vector file has another.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from memento import durable
from memento.search.index.accelerator import Graph

_PIECE: Final = 1 << 20


class _Stamp(msgspec.Struct):
    bytes: int
    checksum: int


def save_graph(graph: Graph, folder: Path, epoch: str) -> None:
    """Write a graph. Raises OSError."""
    durable.sync(folder)  # the header that counts the graph's rows must outlive a power cut that the graph outlives
    path, stamp = _paths(graph, folder, epoch)
    staged = path.with_suffix(".new")
    os.close(durable.private(staged))
    graph.save(staged)
    content = msgspec.json.encode(_stamp(staged))
    staged.replace(path)
    handle = durable.private(stamp)
    try:
        os.write(handle, content)
    finally:
        os.close(handle)


def load_graph(graph: Graph, folder: Path, epoch: str) -> bool:
    """Read a saved graph into an empty one; False when there is none, or it is not whole."""
    path, stamp = _paths(graph, folder, epoch)
    try:
        if msgspec.json.decode(stamp.read_bytes(), type=_Stamp) != _stamp(path):
            return False
    except (OSError, msgspec.DecodeError):
        return False
    graph.load(path)
    return True


def _paths(graph: Graph, folder: Path, epoch: str) -> tuple[Path, Path]:
    return folder / f"{graph.name}.{epoch}.bin", folder / f"{graph.name}.{epoch}.json"


def _stamp(path: Path) -> _Stamp:
    length = checksum = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            length += len(piece)
            checksum = crc32(piece, checksum)
    return _Stamp(length, checksum)
