"""The Rust engine as a vector backend: 1-bit codes are scanned, the best rows scored exactly from the mapped file."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from memento.search.index.accelerator import Kept

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class Native(Kept):
    """memento_native's Index: no copy of the vectors, 1/30 of their size in codes."""

    name: ClassVar[str] = "native"
    cheap: ClassVar[int] = 4_096

    def __init__(self, dimensions: int) -> None:
        import memento_native

        self._library: Any = memento_native
        self._dimensions = dimensions
        self._index: Any = memento_native.Index(dimensions)

    @property
    def covered(self) -> int:
        """How many rows it holds."""
        return len(self._index)

    def extend(self, vectors: NDArray[np.float32]) -> None:
        """Encode the rows behind those covered: about a microsecond each."""
        with suppress(ValueError):  # a row that is not finite: the file is damaged there, and the scan goes on alone
            self._index.extend(vectors)

    def nearest(
        self, query: NDArray[np.float32], count: int, vectors: NDArray[np.float32], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the nearest rows and their cosines, nearly always."""
        import numpy as np

        mask = None if allowed is None else allowed.view(np.uint8)
        rows, scores = self._index.nearest(query, count, vectors[: self.covered], mask, self.threads)
        return np.frombuffer(rows, np.int64), np.frombuffer(scores, np.float32)

    def save(self, path: Path, epoch: str) -> None:
        """Write the codes."""
        self._index.save(path, epoch)

    def load(self, path: Path, epoch: str, rows: int) -> None:
        """Read what `save` wrote for these rows; the engine checks it too, and what it refuses is made anew."""
        with suppress(self._library.NativeError):
            self._index = self._library.Index.load(path, self._dimensions, epoch, rows)
