"""The engines against a forward pass written here in numpy, which shares nothing with the graph but the weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from memento.embedding import Embedder, ModelError, load_embedder
from memento.embedding.graph import read_safetensors
from memento.embedding.model_files import TOKENIZER, WEIGHTS

Array = NDArray[np.float64]
SENTENCES = (Path(__file__).parent / "sentences.txt").read_bytes().decode().split("\n")[:-1]


class ReferenceModel:
    """BERT as its paper and the model's configuration describe it: 6 layers, 12 heads, mean pooling, unit length."""

    def __init__(self, folder: Path) -> None:
        self.weights = {name: value.astype(np.float64) for name, value in read_safetensors(folder / WEIGHTS).items()}
        self.tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)

    def embed(self, text: str) -> Array:
        ids = self.tokenizer.encode(text).ids
        embeddings = [
            self.weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position", "token_type")
        ]
        hidden = embeddings[0][ids] + embeddings[1][: len(ids)] + embeddings[2][0]
        hidden = self.layer_norm(hidden, "embeddings")
        for layer in range(6):
            name = f"encoder.layer.{layer}"
            attended = self.linear(self.attention(hidden, f"{name}.attention.self"), f"{name}.attention.output.dense")
            hidden = self.layer_norm(attended + hidden, f"{name}.attention.output")
            raised = self.linear(hidden, f"{name}.intermediate.dense")
            lowered = self.linear(raised * 0.5 * (1 + erf(raised / np.sqrt(2))), f"{name}.output.dense")
            hidden = self.layer_norm(lowered + hidden, f"{name}.output")
        mean: Array = hidden.mean(axis=0)
        return mean / np.linalg.norm(mean)

    def attention(self, hidden: Array, name: str) -> Array:
        query, key, value = (
            self.linear(hidden, f"{name}.{part}").reshape(-1, 12, 32).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(32)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        context: Array = weights / weights.sum(axis=-1, keepdims=True) @ value
        return context.transpose(1, 0, 2).reshape(-1, 384)

    def linear(self, values: Array, name: str) -> Array:
        return values @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def layer_norm(self, values: Array, name: str) -> Array:
        centred = values - values.mean(axis=-1, keepdims=True)
        scaled: Array = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
        return scaled * self.weights[f"{name}.LayerNorm.weight"] + self.weights[f"{name}.LayerNorm.bias"]


def erf(values: Array) -> Array:
    """Error function to 1.5e-7: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26."""
    t = 1 / (1 + 0.3275911 * np.abs(values))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    result: Array = np.sign(values) * (1 - series * np.exp(-values * values))
    return result


@pytest.fixture(scope="module")
def reference(published_folder: Path) -> Array:
    model = ReferenceModel(published_folder)
    return np.array([model.embed(sentence) for sentence in SENTENCES])


def cosines(embedder: Embedder, reference: Array) -> Array:
    vectors = np.array([chunks[0] for chunks in embedder.embed(SENTENCES)], np.float64)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    product: Array = (vectors * reference).sum(axis=1)
    return product


def test_there_are_two_hundred_sentences_that_fit_the_window(model_dir: Path) -> None:
    embedder = load_embedder(model_dir)
    assert len(SENTENCES) == 200
    assert all(len(embedder.passages(sentence)) == 1 for sentence in SENTENCES)


def test_fp32_equals_the_reference_on_every_sentence(model_dir: Path, reference: Array) -> None:
    assert cosines(load_embedder(model_dir, precision="fp32", rust=False), reference).min() >= 0.99999


def test_int8_stays_near_the_reference(model_dir: Path, reference: Array) -> None:
    found = cosines(load_embedder(model_dir, precision="int8", rust=False), reference)
    assert found.mean() >= 0.99
    assert found.min() >= 0.95


@pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None, reason="the extra [torch] is not installed"
)
@pytest.mark.filterwarnings("default")  # torch and transformers warn about themselves.
def test_sentence_transformers_gives_the_same_vectors(model_dir: Path, reference: Array) -> None:
    embedder = load_embedder(model_dir, torch=True)
    assert cosines(embedder, reference).min() >= 0.99999
    assert embedder.model == load_embedder(model_dir).model
    long, odd = embedder.embed(["A sentence. " * 200, "\ud800"])
    assert long.shape == (len(embedder.passages("A sentence. " * 200)), 384)
    assert odd.shape == (1, 384)
    assert embedder.embed([]) == []


@pytest.mark.skipif(importlib.util.find_spec("sentence_transformers") is not None, reason="the extra is installed")
def test_without_the_extra_the_error_names_it(model_dir: Path) -> None:
    with pytest.raises(ModelError, match=r"memento-memory\[torch\]"):
        load_embedder(model_dir, torch=True)
