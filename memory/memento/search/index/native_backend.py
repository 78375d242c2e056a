"""The Rust engine as a vector backend: 1-bit codes are scanned, the best rows scored exactly from the mapped file."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from memento.search.index.accelerator import Kept

if TYPE_CHECKING:
    from pathlib import Path


class Native(Kept):
    """memento_native's Index: no copy of the vectors, 1/30 of their size in codes."""

    name: ClassVar[str] = "native"
    cheap: ClassVar[int] = 4_096

    def __init__(self, dimensions: int) -> None:
        import memento_native

        self._library: Any = memento_native
        self._dimensions = dimensions
        self.index: Any = memento_native.Index(dimensions)

    @property
    def covered(self) -> int:
        """How many rows it holds."""
        return len(self.index)

    def extend(self, vectors: memoryview[float]) -> None:
        """Encode the rows behind those covered: about a microsecond each."""
        with suppress(ValueError):  # a row that is not finite: the file is damaged there, and the scan goes on alone
            self.index.extend(vectors)

    def save(self, path: Path, epoch: str) -> None:
        """Write the codes."""
        self.index.save(path, epoch)

    def load(self, path: Path, epoch: str, rows: int) -> None:
        """Read what `save` wrote for these rows; the engine checks it too, and what it refuses is made anew."""
        with suppress(self._library.NativeError):
            self.index = self._library.Index.load(path, self._dimensions, epoch, rows)
