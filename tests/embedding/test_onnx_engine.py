"""The engines that run ONNX: shapes, order, independence of the batch, odd input, threads, memory, light imports."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, strategies as st

from memento.base.native import native_module
from memento.embedding import Embedder, ModelError, ModelMissing, installed, load_embedder
from memento.embedding.engine import BATCH_TOKENS
from memento.embedding.model_files import FP32, INT8, MANIFEST, TOKENIZER, Precision
from memento.embedding.onnx_engine import batches

LONG = "The backup was restored and compared with the original. " * 80
TEXTS = ["a", LONG, "", "Where is the runbook for restoring a backup?", "a b c", "数据库", "a"]


def installed_natively() -> bool:
    return native_module(None) is not None


NATIVE = pytest.mark.skipif(not installed_natively(), reason="memento_native is not built: make native")


@pytest.fixture(scope="module", params=["onnxruntime-int8", "onnxruntime-fp32", "native-int8", "native-fp32"])
def embedder(request: pytest.FixtureRequest, model_dir: Path) -> Embedder:
    engine, _, name = request.param.rpartition("-")
    if engine == "native" and not installed_natively():
        pytest.skip("memento_native is not built: make native")
    precision: Precision = "int8" if name == "int8" else "fp32"
    made = load_embedder(model_dir, precision=precision, threads=1, rust=engine == "native")
    assert made.engine == request.param
    return made


def test_each_text_gets_its_vectors_in_order(embedder: Embedder) -> None:
    together = embedder.embed(TEXTS)
    for text, vectors in zip(TEXTS, together, strict=True):
        assert vectors.dtype == np.float32
        assert vectors.shape == (len(embedder.passages(text)), embedder.dimensions)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(embedder.embed([text])[0], vectors, atol=1e-6)
    assert embedder.embed([]) == []


@pytest.mark.parametrize("embedder", ["onnxruntime-int8", "native-int8"], indirect=True)
def test_int8_vectors_do_not_depend_on_the_other_texts(embedder: Embedder) -> None:
    together = embedder.embed(TEXTS * 3)
    for text, vectors in zip(TEXTS * 3, together, strict=True):
        assert np.array_equal(embedder.embed([text])[0], vectors)


def test_a_query_is_one_unit_vector(embedder: Embedder) -> None:
    short = "Where is the runbook?"
    assert np.array_equal(embedder.embed_query(short), embedder.embed([short])[0][0])
    mean = embedder.embed([LONG])[0].mean(axis=0)
    np.testing.assert_allclose(embedder.embed_query(LONG), mean / np.linalg.norm(mean), atol=1e-6)


def test_meaning_decides(embedder: Embedder) -> None:
    query = embedder.embed_query("How do I get my data back after a crash?")
    texts = ["Restore the newest snapshot with `restore`.", "Lunch is at noon.", "Use tabs, not spaces."]
    scores = [float(vectors[0] @ query) for vectors in embedder.embed(texts)]
    assert scores[0] == max(scores)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\0", "[SEP]" * 300, "[PAD] [PAD]", "\u0301" * 500, " " * 5000])
def test_odd_text_gives_finite_vectors(embedder: Embedder, text: str) -> None:
    assert np.isfinite(embedder.embed([text, "plain"])[0]).all()


def test_threads_may_share_an_embedder(embedder: Embedder) -> None:
    expected = embedder.embed(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: embedder.embed(TEXTS), range(8)):
            for vectors, wanted in zip(found, expected, strict=True):
                np.testing.assert_allclose(vectors, wanted, atol=1e-6)


def test_the_stamp_names_the_weights_and_not_the_precision(embedder: Embedder) -> None:
    assert embedder.model == "all-MiniLM-L6-v2@53aa5117"
    assert embedder.dimensions == 384


def test_memory_is_capped_after_long_batches(model_dir: Path) -> None:
    embedder = load_embedder(model_dir, precision="fp32", threads=1, rust=False)
    embedder.embed(["word " * 250] * 2)
    process = psutil.Process()
    before = process.memory_info().rss
    lengths = random.Random(3)
    embedder.embed(["word " * lengths.randrange(1, 255) for _ in range(60)])
    assert process.memory_info().rss - before < 40_000_000


@given(lengths=st.lists(st.integers(2, 256), max_size=60), texts=st.integers(1, 8))
def test_batches_hold_every_text_once_and_stay_small(lengths: list[int], texts: int) -> None:
    found = list(batches(lengths, texts))
    assert sorted(index for batch in found for index in batch) == list(range(len(lengths)))
    for batch in found:
        assert 1 <= len(batch) <= texts
        assert len(batch) * max(lengths[index] for index in batch) <= BATCH_TOKENS


def test_no_model_names_the_command(tmp_path: Path) -> None:
    assert not installed(tmp_path)
    with pytest.raises(ModelMissing, match=r"no embedding model in .*: run `memento model pull`"):
        load_embedder(tmp_path / "nothing")


@pytest.mark.parametrize("rust", [False, pytest.param(True, marks=NATIVE)])
@pytest.mark.parametrize("name", [INT8, TOKENIZER])
def test_a_damaged_file_is_an_error_that_names_it(model_dir: Path, tmp_path: Path, name: str, rust: bool) -> None:
    for copied in (FP32, INT8, TOKENIZER, MANIFEST):
        shutil.copyfile(model_dir / copied, tmp_path / copied)
    (tmp_path / name).write_bytes(b"\xff" * (tmp_path / name).stat().st_size)
    with pytest.raises(ModelError, match=f"{name}.*: run `memento model pull`"):
        load_embedder(tmp_path, rust=rust)


def modules_after(statement: str, folder: Path) -> set[str]:
    """Return the modules that a new Python has loaded after the statement; it must not print anything else."""
    code = f"import sys\nfrom pathlib import Path\nfrom memento.embedding import *\n{statement}\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    return set(run.stdout.split())


def test_importing_and_looking_for_the_model_is_light(model_dir: Path) -> None:
    modules = modules_after("assert installed(Path(sys.argv[1]))", model_dir)
    assert modules.isdisjoint({"numpy", "onnxruntime", "onnx", "tokenizers"})


def test_loading_is_silent_and_does_not_import_onnx(model_dir: Path) -> None:
    modules = modules_after("load_embedder(Path(sys.argv[1]), rust=False).embed(['text'])", model_dir)
    assert modules.isdisjoint({"onnx", "torch", "huggingface_hub"})


@NATIVE
def test_the_native_engine_imports_no_other(model_dir: Path) -> None:
    modules = modules_after("load_embedder(Path(sys.argv[1]), rust=True).embed_to_bytes(['text'])", model_dir)
    assert modules.isdisjoint({"numpy", "onnxruntime", "tokenizers", "onnx", "torch", "huggingface_hub"})
