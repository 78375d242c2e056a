"""The codes of words that the native engine makes: which tokens have one, and that its bits are the model's signs."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from memento.base import native
from memento.embedding import load_embedder
from memento.embedding.model_files import TOKENIZER
from memento.embedding.token_codes import MAX_CODES

pytestmark = pytest.mark.skipif(native.native_module(None) is None, reason="memento_native is not built: make native")

DIMENSIONS = 20
STOP_WORDS = ["the", "and", "of"]
TEXTS = [
    "",
    "?! ...",
    "The mice of Köln: 7 mice and a cat, unbelievably.",
    "我们决定迁移到新的数据库。",
    "[SEP] zebra " + "tiny words of a long text, and the rest of it. " * 9,
]

Graph = Callable[..., tuple[Path, NDArray[np.float32]]]


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    """Return a function that writes a model whose tokens are the rows of a table, and returns the table."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def write(tokens: bool) -> tuple[Path, NDArray[np.float32]]:
        table = np.random.default_rng(4).standard_normal((30_522, DIMENSIONS)).astype(np.float32)
        names = ("input_ids", "attention_mask")
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT32, ["b", "t"]) for name in names]
        outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["b", DIMENSIONS])]
        if tokens:
            outputs.append(helper.make_tensor_value_info("tokens", TensorProto.FLOAT, ["b", "t", DIMENSIONS]))
        nodes = [
            helper.make_node("Gather", ["table", "input_ids"], ["tokens"]),
            helper.make_node("ReduceMax", ["tokens"], ["most"], axes=[1], keepdims=0),
            helper.make_node("LpNormalization", ["most"], ["embedding"], axis=1),
        ]
        made = helper.make_graph(nodes, "table", inputs, outputs, [numpy_helper.from_array(table, "table")])
        file = tmp_path / f"{tokens}.onnx"
        onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
        return file, table

    return write


def engine(model_dir: Path, graph: Path, **options: Any) -> Any:
    module = native.native_module(True)
    assert module is not None
    return module.Embedder(
        native.runtime_library(), graph, model_dir / TOKENIZER, dimensions=DIMENSIONS, window=16, batch=4, **options
    )


def is_word(token: str) -> bool:
    word = token.removeprefix("##").lower()
    letters = all(unicodedata.category(one)[0] in "LMN" for one in word)
    return letters and (len(word) > 1 or not word.isascii() or word.isdigit()) and word not in STOP_WORDS


def test_codes_are_the_signs_of_words(model_dir: Path, graph: Graph) -> None:
    file, table = graph(True)
    options = {"stop_words": STOP_WORDS, "passage_prompt": "a passage: ", "query_prompt": "query: "}
    embedder = engine(model_dir, file, **options)
    tokenizer = Tokenizer.from_file(str(model_dir / TOKENIZER))
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    found = embedder.embed(TEXTS)
    for text, (_, codes) in zip(TEXTS, found, strict=True):
        ids = dict.fromkeys(tokenizer.encode(text, add_special_tokens=False).ids)
        words = [token for token in ids if is_word(str(tokenizer.id_to_token(token)))]
        assert codes == np.packbits(table[words] > 0, axis=1).tobytes(), text[:40]
    assert [len(codes) // 3 for _, codes in found][:2] == [0, 0]
    # Mice, k, ##ol, ##n and so on: a query's words are those of the same passage.
    assert [codes for _, codes in embedder.embed_queries(TEXTS)] == [codes for _, codes in found]


def test_a_text_has_so_many_codes_at_most(model_dir: Path, graph: Graph) -> None:
    file, table = graph(True)
    numbers = " ".join(str(number) for number in range(100, 300))
    [(_, codes)] = engine(model_dir, file).embed([numbers])
    tokenizer = Tokenizer.from_file(str(model_dir / TOKENIZER))
    tokenizer.no_truncation()
    ids = list(dict.fromkeys(tokenizer.encode(numbers, add_special_tokens=False).ids))
    assert codes == np.packbits(table[ids[:MAX_CODES]] > 0, axis=1).tobytes()


def test_a_model_without_tokens_has_none_and_the_same_vectors(model_dir: Path, graph: Graph) -> None:
    (with_tokens, _), (without, _) = graph(True), graph(False)
    found = engine(model_dir, without).embed(TEXTS)
    assert {codes for _, codes in found} == {b""}
    assert [vectors for vectors, _ in found] == [vectors for vectors, _ in engine(model_dir, with_tokens).embed(TEXTS)]
    [(query, codes)] = engine(model_dir, without).embed_queries(TEXTS[-1:])
    assert (len(query), codes) == (DIMENSIONS * 4, b"")


def test_both_engines_give_the_same_codes(model_dir: Path) -> None:
    sentences = (Path(__file__).parent / "sentences.txt").read_text("utf-8").splitlines()
    native_engine, python_engine = (load_embedder(model_dir, rust=rust) for rust in (True, False))
    found, expected = (one.embed_to_bytes(sentences) for one in (native_engine, python_engine))
    assert [one.codes for one in found] == [one.codes for one in expected]
    assert any(one.codes for one in found)


def test_likeness_is_the_best_of_each_word() -> None:
    module = native.native_module(True)
    assert module is not None
    chance = np.random.default_rng(6)
    words, *documents = (chance.integers(0, 256, (count, 48), np.uint8) for count in (6, 0, 1, 16, 128))
    differing = [np.bitwise_count(words[:, None] ^ codes).sum(2, dtype=int) for codes in documents]
    wanted = [(1 - 2 * found / 384).max(1).tolist() if found.size else [] for found in differing]
    found = module.likeness(words.tobytes(), [*(codes.tobytes() for codes in documents), None], 384)
    assert found == [*wanted, []]
