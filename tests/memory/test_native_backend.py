"""The native backend's file of codes: used when it fits, made again when it does not, whatever happened to it."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from numpy.typing import NDArray

from memento.base.native import native_module
from memento.errors import ConfigError
from memento.search.index import native_index
from memento.search.index.backends import accelerator_class, resolved
from memento.search.index.native_index import NativeIndex
from memento.search.index.rows import MemoryRows

pytestmark = pytest.mark.skipif(native_module(None) is None, reason="memento_native is not built: make native")

DIMENSIONS, ROWS = 32, 6_000
EPOCH = "0123456789abcdef"
Vectors = NDArray[np.float32]


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    rng = np.random.default_rng(1)
    places = rng.standard_normal((60, DIMENSIONS))
    found = places[rng.integers(0, 60, ROWS)] + rng.standard_normal((ROWS, DIMENSIONS))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def flat(vectors: Vectors) -> memoryview[float]:
    return memoryview(vectors.tobytes()).cast("f")


def nearest(codes: native_index.NativeCodes, query: Vectors, k: int, vectors: Vectors) -> list[tuple[int, float]]:
    index = NativeIndex(MemoryRows(DIMENSIONS))
    index.put(range(len(vectors)), [1] * len(vectors), vectors.tobytes())
    index.accelerator = codes
    return index.search(query.tobytes(), k)


def backend() -> native_index.NativeCodes:
    kind = accelerator_class("native", 1)
    assert kind is native_index.NativeCodes
    return kind(DIMENSIONS)


@pytest.fixture
def path(tmp_path: Path, vectors: Vectors) -> Path:
    """The file of the codes of all vectors but the last thousand."""
    one = backend()
    one.extend(flat(vectors[:-1_000]))
    one.save(tmp_path / "codes", EPOCH)
    return tmp_path / "codes"


def test_codes_are_read_again_and_extended(path: Path, vectors: Vectors) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again, fresh = backend(), backend()
    again.load(path, EPOCH, ROWS)
    assert again.covered == ROWS - 1_000
    again.extend(flat(vectors))
    fresh.extend(flat(vectors))
    for query in vectors[:20]:
        found, wanted = nearest(again, query, 10, vectors), np.sort(vectors @ query)[::-1][:10]
        np.testing.assert_allclose([score for _, score in found], wanted, atol=1e-5)
        assert found == nearest(fresh, query, 10, vectors)


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-1],
        lambda raw: raw[:30],
        lambda raw: b"",
        lambda raw: raw + b"\0",
        lambda raw: bytes([raw[0] ^ 1]) + raw[1:],
        lambda raw: raw[:20] + bytes([raw[20] ^ 255]) + raw[21:],
        lambda raw: raw[:100] + bytes([raw[100] ^ 1]) + raw[101:],
        lambda raw: raw[:-1] + bytes([raw[-1] ^ 128]),
        lambda raw: raw.replace(EPOCH.encode(), b"f" * 16),
    ],
)
def test_a_file_that_does_not_fit_is_not_used(path: Path, vectors: Vectors, damage: Any) -> None:
    path.write_bytes(damage(path.read_bytes()))
    again = backend()
    again.load(path, EPOCH, ROWS)
    assert again.covered == 0
    again.extend(flat(vectors))
    assert [num for num, _ in nearest(again, vectors[7], 1, vectors)] == [7]
    again.save(path, EPOCH)
    again.load(path, EPOCH, ROWS)
    assert again.covered == ROWS


def test_a_file_of_more_rows_than_there_are_is_not_used(path: Path) -> None:
    again = backend()
    again.load(path, EPOCH, ROWS - 1_001)
    assert again.covered == 0


def test_a_row_that_is_not_finite_is_left_to_the_scan(vectors: Vectors) -> None:
    index = NativeIndex(MemoryRows(DIMENSIONS))
    damaged = vectors.copy()
    damaged[10, 3] = np.nan
    index.put(range(ROWS), [1] * ROWS, damaged.tobytes())
    index.accelerator.extend(index.rows.vectors)
    assert index.accelerator.covered == 0
    found = [num for num, _ in index.search(vectors[7].tobytes(), ROWS)]
    assert found[0] == 7
    assert sorted(found) == [num for num in range(ROWS) if num != 10]


def test_a_store_saves_codes_beside_its_vectors(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_index.NativeCodes, "cheap", 10)
    made.add(*map(str, range(50)), passages=2)
    made.check(made.open("native"))
    (codes,) = made.folder.glob("native.*.bin")
    assert made.header.epoch in codes.name
    made.delete("7")
    made.add("new", passages=3)
    made.check(made.open("native"))
    codes.write_bytes(codes.read_bytes()[:-5])
    made.check(made.open("native"))
    # Somebody who makes up the codes can make up the stamp of the file, too.
    codes.write_bytes(b"made up")
    stamp = {"bytes": 7, "checksum": crc32(b"made up")}
    codes.with_suffix(".json").write_text(json.dumps(stamp))
    made.check(made.open("native"))


def test_auto_is_native_unless_it_is_refused() -> None:
    assert resolved("auto", None) == resolved("auto", True) == "native"
    assert resolved("auto", False) == "numpy"
    assert resolved("faiss", None) == "faiss"
    with pytest.raises(ConfigError, match="leave one out"):
        resolved("native", False)
