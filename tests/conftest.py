"""What all tests share: the real embedding model, and the sample files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import pytest

from memento.embedding import ModelError
from memento.embedding.published_model import pull

REPOSITORY = Path(__file__).resolve().parents[1]
FIXTURES = REPOSITORY / "tests" / "fixtures"

pytest_plugins = ["skip_guard"]

# Set before numpy is loaded: workers beside each other with a thread for every core each wait for one another.
for _library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")


def pytest_configure() -> None:
    """Let the processes that tests start hear Ctrl-C: what a shell starts in the background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def model_dir() -> Path:
    """Return the folder of the installed model; pulled once, kept between runs."""
    folder = Path(os.environ.get("MEMENTO_MODEL_DIR") or REPOSITORY / ".model")
    try:
        return pull(folder).folder
    except ModelError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def end_processes() -> Callable[[list[subprocess.Popen[Any]]], None]:
    """Return a function that ends processes and closes their pipes: one left open warns in some later test."""

    def end(started: list[subprocess.Popen[Any]]) -> None:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                with suppress(OSError):  # what was not written any more
                    if pipe:
                        pipe.close()

    return end


@pytest.fixture(scope="session")
def sample_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of `tests/fixtures` in which every `.sql` file is the database that it describes."""
    folder = tmp_path_factory.mktemp("samples") / "fixtures"
    shutil.copytree(FIXTURES, folder)
    for script in folder.rglob("*.sql"):
        connection = apsw.Connection(str(script.with_suffix("")))
        connection.execute(script.read_text("utf-8"))
        connection.close()
        script.unlink()
    return folder


@pytest.fixture(scope="session")
def sentence_folder(model_dir: Path) -> Callable[..., Path]:
    """Return a function that writes a small BERT, its weights random, as sentence-transformers lays a model out."""

    def write(folder: Path, dimensions: int = 48, pooling: str = "mean_tokens", **prompts: str) -> Path:
        (folder / "1_Pooling").mkdir(parents=True)
        (folder / "2_Normalize").mkdir()
        (folder / "model.safetensors").write_bytes(_safetensors(_weights(dimensions)))
        shutil.copyfile(model_dir / "tokenizer.json", folder / "tokenizer.json")
        for name, content in _bert_settings(dimensions, pooling, prompts).items():
            (folder / name).write_text(json.dumps(content), "utf-8")
        return folder

    return write


def _weights(dimensions: int) -> dict[str, Any]:
    """Return random weights of a BERT of two layers, as arrays by name."""
    import numpy as np

    rng = np.random.default_rng(dimensions)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (30_522, dimensions),
        "embeddings.position_embeddings.weight": (64, dimensions),
        "embeddings.token_type_embeddings.weight": (2, dimensions),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(2):
        name = f"encoder.layer.{layer}"
        for part in (*(f"attention.self.{one}" for one in ("query", "key", "value")), "attention.output.dense"):
            shapes |= {f"{name}.{part}.weight": (dimensions, dimensions), f"{name}.{part}.bias": (dimensions,)}
        shapes |= {f"{name}.intermediate.dense.weight": (96, dimensions), f"{name}.intermediate.dense.bias": (96,)}
        shapes |= {f"{name}.output.dense.weight": (dimensions, 96), f"{name}.output.dense.bias": (dimensions,)}
        norms += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
    found = {name: rng.standard_normal(shape) * (1 if "word" in name else 0.1) for name, shape in shapes.items()}
    found |= {f"{name}.weight": np.ones(dimensions) for name in norms}
    return found | {f"{name}.bias": np.zeros(dimensions) for name in norms}


def _safetensors(weights: dict[str, Any]) -> bytes:
    """Return a safetensors file of these arrays, in F32."""
    header, blobs, offset = {}, [], 0
    for name, values in weights.items():
        blob = values.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    head = json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + b"".join(blobs)


def _bert_settings(dimensions: int, pooling: str, prompts: dict[str, str]) -> dict[str, Any]:
    """Return the files that say what the model is, by name."""
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    return {
        "config.json": {
            "model_type": "bert", "architectures": ["BertModel"], "hidden_size": dimensions, "hidden_act": "gelu",
            "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96, "layer_norm_eps": 1e-12,
            "max_position_embeddings": 64, "vocab_size": 30_522, "type_vocab_size": 2,
        },
        "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "do_lower_case": True},
        "sentence_bert_config.json": {"max_seq_length": 32, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": prompts},
        "1_Pooling/config.json": {"word_embedding_dimension": dimensions, f"pooling_mode_{pooling}": True},
        "modules.json": [
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for index, (path, kind) in enumerate(kinds.items())
        ],
    }  # fmt: skip
