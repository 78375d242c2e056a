"""`memento model use FOLDER`: install a user's model for the engines, beside the published one.

The folder is copied, not referenced: a changed file would change the meaning of the store's vectors.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from memento.embedding.hub import Progress
from memento.embedding.model_files import (
    CHECKPOINT,
    FP32,
    INT8,
    MANIFEST,
    MODEL_NAME,
    PINNED,
    TOKENIZER,
    WEIGHTS,
    FileRecord,
    ModelFiles,
    file_record,
    find_model,
    is_published_file,
    publish,
    sha256_of,
    write_manifest_of,
)
from memento.embedding.published_model import pull, staging_folder
from memento.embedding.sentence_folder import SentenceFolder, read_folder
from memento.errors import ModelError

AGREEMENT: Final = 0.97
"""The mean cosine with the exact vectors from which int8 is kept (all-MiniLM-L6-v2 has 0.993)."""
SAMPLES: Final = (
    "The migration failed because of a foreign key.",
    "We meet on Tuesday at noon to talk about the budget for the next quarter, and Anna brings the figures.",
    "def close(self): self.connection.close()",
    "Wie lange dauert die Fahrt nach Hamburg?",
)


def install(folder: Path, models: Path, *, torch: bool = False, progress: Progress | None = None) -> ModelFiles:
    """Install the model in `folder` below `models` and return it; an installed one is kept unchanged.

    `torch` keeps a copy that sentence-transformers can load. `progress` is that of `pull`. Raises ModelError for a
    folder that holds no model Memento can run.
    """
    report: Progress = progress or (lambda done, total, what: None)
    if is_published_file(folder / WEIGHTS, PINNED[WEIGHTS]):
        return pull(models / MODEL_NAME, source=folder, progress=progress)
    try:
        found = read_folder(folder)
        _require_runnable(found, torch)
        model = _with_place(found, models)
        with staging_folder(model.folder, report) as staged:
            return _build_and_publish(found, model, staged, torch, report)
    except OSError as error:
        raise ModelError(f"cannot install {folder} in {models}: {error}") from error


def _with_place(found: SentenceFolder, models: Path) -> ModelFiles:
    """Return the model with its name and folder, avoiding the name of another model, which a store may still need."""
    model = ModelFiles(models / found.name, str(found.folder), sha256_of(found.weights), {}, found.name)
    model = replace(model, recipe=found.recipe)
    held = find_model(model.folder)
    if model.published or (held is not None and not _is_same_model(held, model)):
        name = f"{found.name}-{model.model[-8:]}"
        model = replace(model, folder=models / name, name=name)
    return model


def _is_same_model(one: ModelFiles, other: ModelFiles) -> bool:
    return (one.weights_sha256, one.recipe) == (other.weights_sha256, other.recipe)


def _require_runnable(found: SentenceFolder, torch: bool) -> None:
    if torch and not found.checkpoint:
        raise ModelError(f"{found.folder} holds no modules.json: sentence-transformers cannot load it")
    if not torch and found.export is None and found.architecture is None:
        raise ModelError(
            f"{found.folder} holds neither model.onnx nor the safetensors of a BERT: export it to ONNX, or install "
            "`memento-memory[torch]` and set `embedding.use_onnx: false`"
        )


def _build_and_publish(
    found: SentenceFolder, model: ModelFiles, staged: Path, torch: bool, report: Progress
) -> ModelFiles:
    """Build the model in `staged` and move it to its folder, unless it is installed."""
    folder = model.folder
    known = find_model(folder)
    if known and _is_same_model(known, model) and (not torch or (folder / CHECKPOINT).is_dir()):
        return known
    shutil.copyfile(found.folder / TOKENIZER, staged / TOKENIZER)
    if found.export or found.architecture:
        _build(found, staged, report)
    if torch:
        report(0, 0, "copying what sentence-transformers loads")
        shutil.copytree(found.folder, staged / CHECKPOINT, ignore=shutil.ignore_patterns("onnx", "openvino", ".*"))
    model = replace(model, folder=staged)
    dimensions = _measure_dimensions(_write_manifest(model), torch, report)
    _write_manifest(replace(model, dimensions=dimensions))
    shutil.rmtree(folder / CHECKPOINT, ignore_errors=True)
    if torch:
        (staged / CHECKPOINT).rename(folder / CHECKPOINT)
    publish(staged, folder)
    installed = find_model(folder)
    if installed is None:
        raise ModelError(f"{folder} is not complete: run `memento model use {found.folder}` again")
    return installed


def _build(found: SentenceFolder, staged: Path, report: Progress) -> None:
    """Build the graph for the engines: from a BERT's weights, with an int8 version, or from the export."""
    import onnx

    from memento.embedding.exported_graph import adapt
    from memento.embedding.graph import build_graph, quantize, read_safetensors

    pooling = found.recipe.pooling
    if found.architecture is None:
        assert found.export is not None
        report(0, 1, "taking over the ONNX model")
        onnx.save(adapt(found.export, pooling), staged / FP32)
        report(1, 1, "took over the ONNX model")
        return
    report(0, 2, "building the fp32 model")
    weights = {name.removeprefix("bert."): value for name, value in read_safetensors(found.weights).items()}
    onnx.save(build_graph(weights, found.architecture, pooling), staged / FP32)
    report(1, 2, "building the int8 model")
    quantize(staged / FP32, staged / INT8)
    report(2, 2, "built the models")


def _write_manifest(model: ModelFiles) -> ModelFiles:
    """Write the manifest of the files in the model's folder."""
    folder = model.folder
    names = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
    files: dict[str, FileRecord] = {name: file_record(folder, name) for name in names if name != MANIFEST}
    described = replace(model, files=files)
    write_manifest_of(described)
    return described


def _measure_dimensions(model: ModelFiles, torch: bool, report: Progress) -> int:
    """Run the model and return its dimensions; remove an int8 version that strays too far from the exact vectors."""
    from memento.embedding.loader import load_embedder

    exact = load_embedder(model.folder, precision="fp32", torch=torch, rust=False)
    vectors = [exact.embed_query(text) for text in SAMPLES]
    if not all(0.99 < float(vector @ vector) < 1.01 for vector in vectors):
        raise ModelError(f"{model.origin} gives vectors that are no numbers: it cannot be used")
    if (model.folder / INT8).exists():
        rounded = load_embedder(model.folder, precision="int8", rust=False).embed_queries(SAMPLES)
        agreement = sum(float(one @ other) for one, other in zip(vectors, rounded, strict=True)) / len(SAMPLES)
        if not agreement >= AGREEMENT:
            report(0, 0, f"int8 strays from the exact vectors (mean cosine {agreement:.3f}): fp32 is used")
            (model.folder / INT8).unlink()
    return len(vectors[0])
