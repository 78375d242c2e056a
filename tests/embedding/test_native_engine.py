"""The native engine gives what the Python engine gives, and is refused with a reason where it cannot be had."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from memento import __version__
from memento.base import native
from memento.embedding import Embedder, load_embedder
from memento.embedding.model_files import Precision
from memento.embedding.user_model import install
from memento.errors import ConfigError

SENTENCES = (Path(__file__).parent / "sentences.txt").read_bytes().decode().split("\n")[:-1]
ODD = [
    "", " ", "\n\n", "\0", "\x1c\x1d\x85\u2028", "\x07\x1b[31mred\x1b[0m", "\ud800", "a\udfffb", "[SEP] [CLS]",
    "x" * 5_000, "e\u0301" * 400, "😀👩\u200d👧" * 50, "我们决定迁移到新的数据库。" * 60, "これはテストです。" * 40,
    "한국어 문장입니다. " * 40, "Ελληνικά, русский и עברית. " * 40, "word " * 10_000, "one line\n" * 600,
    'He said: "No." ' * 300, "ab-" * 900,
]  # fmt: skip

pytestmark = pytest.mark.skipif(native.native_module(None) is None, reason="memento_native is not built: make native")


def thousand_texts() -> list[str]:
    """The odd ones, the sentences, and pieces of them put together at random."""
    chance = random.Random(5)
    mixed = [
        "".join(chance.choice([*SENTENCES, *ODD[:12], "\n", "。", "?! "]) for _ in range(chance.randrange(1, 5)))
        for _ in range(1_000 - len(SENTENCES) - len(ODD))
    ]
    return [*ODD, *SENTENCES, *(text[:2_000] for text in mixed)]


def both(model_dir: Path, precision: Precision) -> tuple[Embedder, Embedder]:
    return tuple(load_embedder(model_dir, precision=precision, threads=1, rust=rust) for rust in (False, True))  # type: ignore[return-value]


def test_a_thousand_texts_have_the_same_vectors(model_dir: Path) -> None:
    reference, engine = both(model_dir, "int8")
    texts = thousand_texts()
    assert len(texts) == 1_000
    for text, wanted, found in zip(texts, reference.embed(texts), engine.embed(texts), strict=True):
        assert wanted.shape == found.shape, text[:80]
        assert (wanted * found).sum(axis=1).min() >= 0.9999, text[:80]


def test_fp32_batches_have_the_same_vectors(model_dir: Path) -> None:
    reference, engine = both(model_dir, "fp32")
    texts = [*ODD[:13], *SENTENCES[:60]]
    for wanted, found in zip(reference.embed(texts), engine.embed(texts), strict=True):
        assert (wanted * found).sum(axis=1).min() >= 0.9999


@pytest.fixture(scope="module")
def engines(model_dir: Path) -> tuple[Embedder, Embedder]:
    return both(model_dir, "int8")


PIECES = st.sampled_from(
    [
        "word ",
        "end. ",
        "really?! ",
        '"Stop." ',
        "\n",
        "\n \n",
        "  ",
        "漢字",
        "終わり。」",
        "x" * 120,
        "😀",
        "\x1f",
        "\u0301",
        "\ud800",
        "\r\n",
        "\x85",
    ]
)


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_another_model_with_prompts_and_small_windows(
    tmp_path: Path, sentence_folder: Callable[..., Path], precision: Precision
) -> None:
    folder = sentence_folder(tmp_path / "other", pooling="cls_token", query="query: ", passage="a passage: ")
    files = install(folder, tmp_path / "models")
    reference, engine = both(files.folder, precision)
    assert engine.engine == f"native-{precision}"
    assert (engine.model, engine.dimensions) == (reference.model, reference.dimensions)
    texts = [*ODD[:15], *SENTENCES[:20]]
    assert [engine.passages(text) for text in texts] == [reference.passages(text) for text in texts]
    for wanted, found in zip(reference.embed(texts), engine.embed(texts), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    for wanted, found in zip(reference.embed_queries(texts), engine.embed_queries(texts), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def trained(kind: str) -> Tokenizer:
    """A tokenizer of another family, trained on the sentences: RoBERTa's bytes, or SentencePiece's unigrams."""
    if kind == "bytes":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel()
        trainer: Any = trainers.BpeTrainer(vocab_size=600, special_tokens=["<s>", "</s>"], show_progress=False)
    else:
        made = Tokenizer(models.Unigram())
        made.normalizer, made.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
        special = ["<unk>", "<s>", "</s>"]
        trainer = trainers.UnigramTrainer(
            vocab_size=600, special_tokens=special, unk_token="<unk>", show_progress=False
        )
    made.train_from_iterator(SENTENCES, trainer)
    ends = [(one, made.token_to_id(one)) for one in ("<s>", "</s>")]
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return made


@pytest.mark.parametrize("kind", ["bytes", "unigrams"])
def test_an_export_with_another_kind_of_tokenizer(
    tmp_path: Path, bag_of_tokens: Callable[..., object], kind: str
) -> None:
    trained(kind).save(str(tmp_path / "tokenizer.json"))
    bag_of_tokens(tmp_path / "bag", tmp_path / "tokenizer.json")
    (tmp_path / "bag" / "tokenizer_config.json").write_text('{"model_max_length": 20}')
    reference, engine = both(install(tmp_path / "bag", tmp_path / "models").folder, "int8")
    assert engine.engine == "native-fp32"
    texts = thousand_texts()[:150]
    for text in texts:
        assert engine.passages(text) == reference.passages(text), text[:80]
    for wanted, found in zip(reference.embed(texts), engine.embed(texts), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


@given(st.lists(st.tuples(st.lists(PIECES | st.text(max_size=5), max_size=6), st.integers(1, 90)), max_size=6))
@settings(max_examples=150, deadline=None)
def test_passages_are_cut_at_the_same_places(
    engines: tuple[Embedder, Embedder], groups: list[tuple[list[str], int]]
) -> None:
    text = "".join("".join(pieces) * times for pieces, times in groups)
    assert engines[1].passages(text) == engines[0].passages(text)


def test_the_engine_is_described() -> None:
    about = native.describe()
    assert about.problem == ""
    assert about.version
    assert about.simd in {"avx512", "avx2", "neon", "portable"}
    assert "onnxruntime" in about.runtime
    assert "Build" in about.runtime_build


def test_a_library_that_is_no_onnx_runtime_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "libonnxruntime.so.1"
    broken.write_bytes(b"not a library")
    call = "memento_native.load_runtime(sys.argv[1])"
    code = f"import sys, memento_native\ntry: {call}\nexcept memento_native.NativeError as error: print(error)"
    run = subprocess.run([sys.executable, "-c", code, str(broken)], capture_output=True, text=True, check=True)
    assert str(broken) in run.stdout


def test_what_makes_no_sense_is_refused() -> None:
    module = native.native_module(True)
    assert module is not None
    vectors = np.ones((3, 16), np.float32)
    index, nums, query = module.Index(16), np.arange(3), vectors[0].tobytes()
    index.extend(vectors)
    directory = module.Directory(nums)
    refused: list[tuple[type[Exception], object]] = [
        (ValueError, lambda: module.Index(0)),
        (ValueError, lambda: index.extend(np.ones((4, 15), np.float32))),
        (ValueError, lambda: index.extend(np.full((4, 16), np.nan, np.float32))),
        (TypeError, lambda: index.extend(np.ones((4, 16)))),
        (TypeError, lambda: index.extend(np.ones((16, 4), np.float32).T)),
        (TypeError, lambda: index.extend([1.0] * 64)),
        (TypeError, lambda: module.Directory(np.ones(3))),
        (ValueError, lambda: directory.nearest(index, vectors, nums, query[:32], 1)),
        (ValueError, lambda: directory.nearest(index, vectors, nums, query[:7], 1)),
        (ValueError, lambda: directory.nearest(index, vectors, nums[:2], query, 1)),
        (ValueError, lambda: directory.nearest(index, vectors[:2], nums[:2], query, 1)),
        (OverflowError, lambda: directory.nearest(index, vectors, nums, query, -1)),
        (TypeError, lambda: directory.nearest(index, vectors, nums, query, 1, ["1"])),
        (ValueError, lambda: directory.similarities(vectors[:2], [query], [2])),
        (ValueError, lambda: index.save("codes", "short")),
        (ValueError, lambda: module.likeness(b"123", [], 16)),
        (ValueError, lambda: module.likeness(b"12", [None, b"12345"], 16)),
        (ValueError, lambda: module.likeness(b"", [], 0)),
        (TypeError, lambda: module.likeness(b"12", ["12"], 16)),
        (OSError, lambda: index.load("nowhere/codes", 16, "0" * 16, 3)),
    ]
    for kind, call in refused:
        with pytest.raises(kind):
            call()  # type: ignore[operator]
    assert len(index) == len(directory) == 3


@pytest.mark.parametrize("about", [{"version": "0.0.1"}, {"version": __version__}], ids=["version", "interface"])
def test_an_older_build_is_refused_before_it_is_called(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch, about: dict[str, str]
) -> None:
    older = ModuleType("memento_native")
    monkeypatch.setattr(older, "describe", lambda: about, raising=False)
    monkeypatch.setitem(sys.modules, "memento_native", older)
    native._load_module.cache_clear()
    try:
        with pytest.raises(ConfigError, match=r"memento_native .*make native"):
            load_embedder(model_dir, rust=True)
        assert load_embedder(model_dir).engine == "onnxruntime-int8"
        assert native.describe().problem.startswith("memento_native ")
    finally:
        native._load_module.cache_clear()


@pytest.mark.parametrize("rust", [True, None, False])
def test_without_the_package_it_is_missed_only_when_demanded(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch, rust: bool | None
) -> None:
    monkeypatch.setitem(sys.modules, "memento_native", None)
    native._load_module.cache_clear()
    try:
        if rust:
            with pytest.raises(ConfigError, match=r"memento_native.*make native"):
                load_embedder(model_dir, rust=rust)
        else:
            assert load_embedder(model_dir, rust=rust).engine == "onnxruntime-int8"
        assert native.describe().problem
    finally:
        native._load_module.cache_clear()
