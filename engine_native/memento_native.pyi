"""The native engine of Memento: embedding and vector scan in Rust.

Calls that take time release the GIL. Buffers are anything with the buffer protocol (numpy arrays, bytes cast by
memoryview, mappings), C-contiguous; nothing may write to one while a call has it. numpy is not needed. Errors:
TypeError and ValueError for an argument, OSError for a file that cannot be read or written, NativeError for the rest.
"""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Protocol, final

from typing_extensions import Buffer

__all__ = ["Directory", "Embedder", "Index", "NativeError", "describe", "likeness", "load_runtime"]

class _Array(Protocol):
    """A numpy array: it has the buffer protocol, but declares it from Python 3.12 on only."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...

class NativeError(RuntimeError):
    """The engine could not do what was asked: a model, runtime or file that cannot be used."""

def describe() -> dict[str, str]:
    """Return the `version` of this build, its `interface`, and as `simd` the vector instructions in use.

    Those are `avx512`, `avx2`, `neon` or `portable`. The interface is another where a call takes or gives other things.
    """

def likeness(words: bytes, documents: Sequence[bytes | None], dimensions: int) -> list[list[float]]:
    """Return for each document, for each of the words, the greatest likeness with one of the document's words.

    All are codes as `Embedder.embed` makes them. The likeness of two is `1 - 2 * differing bits / dimensions`, -1 to 1.
    A document that is None or empty has an empty list. Raises ValueError for bytes that are no whole number of codes,
    and for other than 1 to 2,048 dimensions.
    """

def load_runtime(library: str | PathLike[str]) -> str:
    """Load ONNX Runtime from a shared library, unless one is loaded; return what it says of its build.

    Raises NativeError for a file that is no ONNX Runtime 1.22 or newer.
    """

@final
class Embedder:
    """A model as Memento installs it: ONNX file and tokenizer.json. Safe to use from several threads.

    The ONNX file takes `input_ids` and `attention_mask` (int32) and returns `embedding`: pooling and normalisation are
    part of it. It may return `tokens` as a second output (float32, batch x tokens x dimensions): the last hidden state
    of each token, before pooling. Of that the codes of words are made; without it there are none.
    """

    def __new__(
        cls,
        library: str | PathLike[str],
        model: str | PathLike[str],
        tokenizer: str | PathLike[str],
        *,
        dimensions: int,
        window: int,
        query_prompt: str = "",
        passage_prompt: str = "",
        threads: int = 1,
        batch: int = 1,
        stop_words: Sequence[str] = ...,
    ) -> Embedder:
        """Load a model that takes `window` tokens. The prompts stand before every query and passage.

        `threads` bounds the cores of a call, `batch` the texts in one (1 with int8 weights). `stop_words`, in lower
        case (by default none), get no codes. Raises NativeError naming the file that cannot be used.
        """

    def embed(self, texts: list[str]) -> list[tuple[bytes, bytes]]:
        """Return for each text the unit vectors of its chunks and the codes of its words, both one after the other.

        A vector is float32 in native order. A code has one bit for each dimension, 1 where the token's hidden state is
        above 0, packed as by `numpy.packbits`. Tokens that are words have one: letters and digits alone (behind one
        `##`, `▁` or `Ġ`), no single ASCII letter, no stop word; each token the first time it comes, 64 a text at
        most. Raises NativeError, and UnicodeEncodeError for a text with a lone surrogate.
        """

    def embed_queries(self, texts: list[str]) -> list[tuple[bytes, bytes]]:
        """Return one unit vector for each query, the normalised mean of its chunks, and the codes of its words.

        Both are as `embed` has them; it raises as that does.
        """

    def passages(self, text: str) -> list[tuple[int, int]]:
        """Return the (start, end) character spans of a text's chunks; in order, they tile the whole text."""

@final
class Index:
    """The 1-bit codes of the rows of a matrix that the caller keeps. Not safe for use from several threads at once."""

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
        """Encode the rows that `vectors` (float32, all rows from the first on) has behind those encoded before.

        Raises ValueError if a new row is not finite, or there are fewer rows than before; nothing is added then.
        """

@final
class Directory:
    """Which rows belong to which memory, and which memories are near to a query.

    A memory's rows lie side by side, and it is as near as the best of them. Not safe for use from several threads at
    once.
    """

    def __new__(cls, nums: Buffer | _Array) -> Directory:
        """Take the memory of every row (int64), -1 where it belongs to none."""

    def __len__(self) -> int:
        """Return the number of memories."""

    @property
    def rows(self) -> int:
        """The number of rows that belong to a memory."""

    def spans(self, nums: Sequence[int]) -> list[tuple[int, int]]:
        """Return each memory's first row and count of rows; a count of 0 where it is not known."""

    def put(self, spans: Sequence[tuple[int, int, int]]) -> None:
        """Set where memories' rows lie: number, first row, count of rows; a count of 0 takes one out."""

    def others(self, nums: Sequence[int]) -> list[int]:
        """Return the numbers of the memories that are not among these, ascending."""

    def nearest(
        self,
        index: Index,
        vectors: Buffer | _Array,
        nums: Buffer | _Array,
        query: bytes,
        count: int,
        among: Sequence[int] | None = None,
        threads: int = 1,
    ) -> list[tuple[int, float]]:
        """Return the nearest memories and their scalar products with `query` (the bytes of its float32), best first.

        `vectors` (float32) and `nums` (int64, -1 where a row belongs to none) are all rows; `index` holds codes of the
        first ones, and those behind are scored one by one. `among` names the memories that count. Which are found is
        exact in all but about one of a thousand; their scores are exact. Raises ValueError where lengths do not fit.
        """

    def similarities(
        self, vectors: Buffer | _Array, queries: Sequence[bytes], nums: Sequence[int]
    ) -> list[list[float]]:
        """Return for each query its scalar product with each memory; NaN for one that is not known.

        Raises ValueError where a memory's rows are not in `vectors`.
        """
