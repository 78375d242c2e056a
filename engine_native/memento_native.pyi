"""The native engine of Memento: embedding and vector scan in Rust.

Every call releases the GIL while it works. Buffers are anything with the buffer protocol (numpy arrays, bytes cast by
memoryview, mappings), C-contiguous; nothing may write to one while a call has it. numpy is not needed. Errors:
TypeError and ValueError for an argument, OSError for a file that cannot be read or written, NativeError for the rest.
"""

from os import PathLike
from typing import Any, Protocol, final

from typing_extensions import Buffer

__all__ = ["Embedder", "Index", "NativeError", "describe", "load_runtime"]

class _Array(Protocol):
    """A numpy array: it has the buffer protocol, but declares it from Python 3.12 on only."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...

class NativeError(RuntimeError):
    """The engine could not do what was asked: a model, runtime or file that cannot be used."""

def describe() -> dict[str, str]:
    """Return the `version` of this build, and as `simd` the vector instructions in use.

    Those are `avx512`, `avx2`, `neon` or `portable`.
    """

def load_runtime(library: str | PathLike[str]) -> str:
    """Load ONNX Runtime from a shared library, unless one is loaded; return what it says of its build.

    Raises NativeError for a file that is no ONNX Runtime 1.22 or newer.
    """

@final
class Embedder:
    """all-MiniLM-L6-v2 as Memento installs it: ONNX file and tokenizer.json. Safe to use from several threads."""

    def __new__(
        cls,
        library: str | PathLike[str],
        model: str | PathLike[str],
        tokenizer: str | PathLike[str],
        *,
        dimensions: int,
        threads: int = 1,
        batch: int = 1,
    ) -> Embedder:
        """Load a model. `threads` bounds the cores of a call, `batch` the texts in one (1 with int8 weights).

        Raises NativeError naming the file that cannot be used.
        """

    def embed(self, texts: list[str]) -> tuple[bytearray, list[int]]:
        """Return the unit vectors of all chunks of all texts, float32 in native order, and how many each text has.

        Raises NativeError, and UnicodeEncodeError for a text with a lone surrogate.
        """

    def passages(self, text: str) -> list[tuple[int, int]]:
        """Return the (start, end) character spans of a text's chunks; in order, they tile the whole text."""

@final
class Index:
    """Nearest rows of a matrix that the caller keeps: 1-bit codes are scanned, the best rows scored exactly.

    Row n of the index is row n of the matrix. Not safe for use from several threads at once.
    """

    def __new__(cls, dimensions: int) -> Index:
        """Return an empty index for vectors of 1 to 2,048 dimensions. Raises ValueError for another number."""

    @staticmethod
    def load(path: str | PathLike[str], dimensions: int, epoch: str, rows: int) -> Index:
        """Read what `save` wrote for the same epoch, of at most `rows` rows.

        Raises NativeError if the file is damaged, of another version or belongs to other vectors; OSError if there is
        none.
        """

    def save(self, path: str | PathLike[str], epoch: str) -> None:
        """Write the codes to a file, replacing it as a whole; `epoch` (16 ASCII characters) names their vectors."""

    def __len__(self) -> int:
        """Return the number of rows."""

    @property
    def memory(self) -> int:
        """The bytes that the codes take in memory."""

    def extend(self, vectors: Buffer | _Array) -> None:
        """Encode the rows that `vectors` (float32, all rows from the first on) has behind those of the index.

        Raises ValueError if a new row is not finite, or there are fewer rows than before; nothing is added then.
        """

    def nearest(
        self,
        query: Buffer | _Array,
        count: int,
        vectors: Buffer | _Array,
        allowed: Buffer | _Array | None = None,
        threads: int = 1,
    ) -> tuple[bytearray, bytearray]:
        """Return the nearest rows (int64) and their scalar products with `query` (float32), best first.

        `vectors` is the matrix (float32), `allowed` one byte per row of the index, 0 where a row does not count. Which
        rows are found is exact in all but about one of a thousand; their scores are exact.
        """
