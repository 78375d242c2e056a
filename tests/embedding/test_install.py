"""`install`: a user's model runs as its folder says, whatever its size, pooling, prompts and export."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from memento.embedding import ModelError, find_model, load_embedder
from memento.embedding.model_files import FP32, INT8, TOKENIZER, WEIGHTS
from memento.embedding.user_model import install

MakeFolder = Callable[..., Path]
TEXT = "The build broke when Anna updated the compiler."


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def test_a_bert_of_other_dimensions(tmp_path: Path, sentence_folder: MakeFolder) -> None:
    folder = sentence_folder(tmp_path / "tiny-bert")
    files = install(folder, tmp_path / "models")
    assert find_model(tmp_path / "models" / "tiny-bert") == files
    assert (files.name, files.dimensions, files.recipe.max_tokens) == ("tiny-bert", 48, 32)
    assert {path.name for path in files.folder.iterdir()} >= {FP32, INT8, TOKENIZER}
    assert not (files.folder / ".pull").exists()
    embedder = load_embedder(files.folder)
    assert embedder.model == files.model
    assert embedder.embed_query(TEXT).shape == (48,)
    (chunks,) = embedder.embed(["A sentence that is told again and again. " * 10])
    assert len(chunks) > 3  # windows of 32 tokens
    np.testing.assert_allclose(np.linalg.norm(chunks, axis=1), 1, atol=1e-5)


def test_the_weights_and_the_recipe_make_the_stamp(tmp_path: Path, sentence_folder: MakeFolder) -> None:
    models = tmp_path / "models"
    first = install(sentence_folder(tmp_path / "a" / "same-name"), models).model
    assert install(tmp_path / "a" / "same-name", models).model == first
    other = install(sentence_folder(tmp_path / "b" / "same-name", pooling="cls_token"), models)
    assert other.model.partition("@")[2] != first.partition("@")[2]
    kept = find_model(models / "same-name")  # a store may hold its vectors still
    assert kept
    assert kept.model == first
    assert other.folder.parent == models
    assert install(tmp_path / "b" / "same-name", models).folder == other.folder


@pytest.mark.parametrize("pooling", ["mean_tokens", "cls_token", "max_tokens"])
def test_an_export_is_pooled_as_its_folder_says(
    tmp_path: Path, model_dir: Path, bag_of_tokens: Callable[..., NDArray[np.float32]], pooling: str
) -> None:
    table = bag_of_tokens(tmp_path / "bag")
    (tmp_path / "bag" / "1_Pooling").mkdir()
    config = {"pooling_mode_mean_tokens": False, f"pooling_mode_{pooling}": True}
    (tmp_path / "bag" / "1_Pooling" / "config.json").write_text(json.dumps(config))
    embedder = load_embedder(install(tmp_path / "bag", tmp_path / "models").folder)
    tokenizer = Tokenizer.from_file(str(model_dir / TOKENIZER))
    tokenizer.no_padding()
    texts = ["short", TEXT]
    for text, found in zip(texts, embedder.embed_queries(texts), strict=True):
        tokens = table[tokenizer.encode(text).ids]
        expected = {"mean_tokens": tokens.mean(axis=0), "cls_token": tokens[0], "max_tokens": tokens.max(axis=0)}
        np.testing.assert_allclose(found, unit(expected[pooling]), atol=1e-5)


def test_prompts_stand_before_queries_and_passages(tmp_path: Path, sentence_folder: MakeFolder) -> None:
    plain = load_embedder(install(sentence_folder(tmp_path / "plain"), tmp_path / "models").folder, precision="fp32")
    folder = sentence_folder(tmp_path / "prompted", query="query: ", passage="passage: ")
    prompted = load_embedder(install(folder, tmp_path / "models").folder, precision="fp32")
    np.testing.assert_allclose(prompted.embed_query(TEXT), plain.embed_query(f"query: {TEXT}"), atol=1e-5)
    (found,), (expected,) = prompted.embed([TEXT]), plain.embed([f"passage: {TEXT}"])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_folder_of_the_published_model_is_that_model(tmp_path: Path, published: Path, model_dir: Path) -> None:
    assert install(published, tmp_path / "models").folder == tmp_path / "models" / "all-MiniLM-L6-v2"


def test_what_cannot_run_is_refused_with_a_remedy(tmp_path: Path, sentence_folder: MakeFolder) -> None:
    models = tmp_path / "models"
    folder = sentence_folder(tmp_path / "other")
    (folder / "config.json").write_text('{"model_type": "mpnet"}')
    with pytest.raises(ModelError, match="export it to ONNX"):
        install(folder, models)
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_lasttoken": true}')
    with pytest.raises(ModelError, match="pools by lasttoken"):
        install(folder, models)
    (folder / TOKENIZER).unlink()
    with pytest.raises(ModelError, match="no tokenizer"):
        install(folder, models)
    broken = sentence_folder(tmp_path / "broken")
    (broken / WEIGHTS).write_bytes(b"x" * 100)
    with pytest.raises(ModelError, match="safetensors"):
        install(broken, models)
    assert not any(find_model(path) for path in models.glob("*"))


def test_sentence_transformers_gives_the_same_vectors(
    tmp_path: Path, sentence_folder: MakeFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sentence_transformers")
    for pooling in ("mean_tokens", "cls_token", "max_tokens"):
        folder = sentence_folder(tmp_path / pooling, pooling=pooling, query="query: ")
        files = install(folder, tmp_path / "models", torch=True)
        torch = load_embedder(files.folder, torch=True)
        built = load_embedder(files.folder, precision="fp32", rust=False)
        assert torch.model == built.model
        np.testing.assert_allclose(torch.embed_query(TEXT), built.embed_query(TEXT), atol=1e-5)
        long = "Many words about the same thing. " * 12
        np.testing.assert_allclose(torch.embed([long])[0], built.embed([long])[0], atol=1e-5)
    assert capfd.readouterr().err == ""
