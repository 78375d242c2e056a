"""The codes of a text's words: which words have one, and that its bits are the signs of the model's own vectors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from memento.embedding import load_embedder
from memento.embedding.model_files import FP32, MANIFEST, TOKENIZER, find_model
from memento.embedding.published_model import pull
from memento.embedding.token_codes import MAX_CODES, is_word

SIZE = 48
"""Bytes of a code: 384 bits."""
LONG = "We moved the whole archive of letters into another building. " * 40


@pytest.mark.parametrize("token", ["museum", "##ing", "▁Haus", "Ġnode", "7", "2024", "库", "née", "हिन्दी"])
def test_words(token: str) -> None:
    assert is_word(token)


@pytest.mark.parametrize("token", ["[CLS]", "<s>", "the", "▁The", "Ġyour", "s", "##x", ".", "##-", "", "▁", "##", "√"])
def test_what_is_no_word(token: str) -> None:
    assert not is_word(token)


def test_bits_are_the_signs_of_the_tokens(model_dir: Path) -> None:
    import onnxruntime

    text = "Yesterday I took the kids to the museum, and the kids loved it!"
    embedder = load_embedder(model_dir, precision="fp32", rust=False)
    tokenizer = Tokenizer.from_file(str(model_dir / TOKENIZER))
    tokenizer.no_padding()
    ids = tokenizer.encode(text).ids
    session = onnxruntime.InferenceSession(str(model_dir / FP32), providers=["CPUExecutionProvider"])
    given = {"input_ids": np.array([ids], np.int32), "attention_mask": np.ones((1, len(ids)), np.int32)}
    embedding, tokens = session.run(["embedding", "tokens"], given)
    words = [ids.index(word) for word in dict.fromkeys(ids) if is_word(str(tokenizer.id_to_token(word)))]
    found = embedder.embed_to_bytes([text])[0]
    assert [tokenizer.id_to_token(ids[word]) for word in words] == ["yesterday", "took", "kids", "museum", "loved"]
    assert found.codes == np.packbits(tokens[0][words] > 0, axis=1).tobytes()
    assert np.frombuffer(found.vectors, np.float32) == pytest.approx(embedding[0], abs=1e-6)


def test_of_a_long_text_each_of_the_first_words_counts_once(model_dir: Path) -> None:
    embedder = load_embedder(model_dir, rust=False)
    numbers = " ".join(str(number) for number in range(100, 100 + 2 * MAX_CODES))
    once, long, many, nothing = embedder.embed_to_bytes([LONG[:61], LONG, numbers, "?!"])
    assert len(long.vectors) > len(once.vectors)
    assert len(long.codes) == len(once.codes) == 6 * SIZE
    assert len(many.codes) == MAX_CODES * SIZE
    assert nothing.codes == b""


def test_a_question_has_the_codes_of_a_passage(model_dir: Path) -> None:
    embedder = load_embedder(model_dir, rust=False)
    (passage,), (query,) = (
        embed(["the museum"]) for embed in (embedder.embed_to_bytes, embedder.embed_queries_to_bytes)
    )
    assert passage == query


def test_a_model_built_before_is_a_model_and_pull_builds_it_anew(published: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    pull(folder, source=published)
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["build"]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    old = find_model(folder)
    assert old
    assert old.build == 1
    messages: list[str] = []
    assert pull(folder, source=published, progress=lambda _done, _total, what: messages.append(what)).build == 2
    assert "building the fp32 model" in messages
    messages.clear()
    pull(folder, source=published, progress=lambda _done, _total, what: messages.append(what))
    assert messages == []
