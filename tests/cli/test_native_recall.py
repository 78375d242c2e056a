"""`memento recall` in the native engine: the answers of the Python engine, without what that engine loads."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memento.base.native import native_module
from memento.embedding.model_files import TOKENIZER, write_manifest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

pytestmark = pytest.mark.skipif(native_module(None) is None, reason="memento_native is not built: make native")

RECALL = """
import os, sys
from memento_app.cli import main
end = os._exit
os._exit = lambda code: (print(*sys.modules, file=sys.stderr, flush=True), end(code))
sys.argv[1:] = ["recall", *sys.argv[1:]]
main()
"""


def recall(memento: Cli, rust: str, *arguments: str) -> tuple[list[tuple[str, float]], set[str]]:
    """Return the memories that a new process finds, with their scores, and the modules it loaded."""
    command = [sys.executable, "-c", RECALL, *arguments]
    environment = memento.environment | {"MEMENTO_RUST": rust}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    found = [(one["id"], one["score"]) for one in json.loads(ran.stdout)["results"]]
    return found, set(ran.stderr.split())


def test_it_finds_the_same_and_loads_no_numpy(memento_with_model: Cli) -> None:
    memento = memento_with_model
    for day, food in enumerate(("soup", "rice", "bread", "fish", "beans", "eggs", "salad", "cake")):
        memento("remember", f"On day {day} the team of the harbour office had {food} for lunch.")
    for query in (["what did they eat"], ["fish at the port", "--since", "2020-01-01"], ["dessert", "-k", "3"]):
        wanted, loaded = recall(memento, "0", *query)
        assert "numpy" in loaded
        found, loaded = recall(memento, "1", *query)
        assert not loaded & {"numpy", "onnxruntime", "tokenizers", "onnx", "pydantic", "typer"}
        assert [one for one, _ in found] == [one for one, _ in wanted]
        assert [score for _, score in found] == pytest.approx([score for _, score in wanted], abs=1e-4)


def test_embedding_what_waits_loads_no_numpy_either(memento_with_model: Cli) -> None:
    memento = memento_with_model
    model = memento.environment.pop("MEMENTO_MODEL_DIR")
    for text in ("The gate of the north dock opens at six.", "The ferry to the island leaves from the south dock."):
        memento("remember", text)
    memento.environment["MEMENTO_MODEL_DIR"] = model
    found, loaded = recall(memento, "1", "boat to an isle", "-k", "1")
    assert len(found) == 1
    assert "numpy" not in loaded


def test_a_model_it_cannot_run_is_left_to_the_python_engine(memento: Cli, model_dir: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model_dir, tmp_path / "model")
    tokenizer = json.loads((folder / TOKENIZER).read_text())
    # A pattern of Oniguruma's own, which Python's tokenizers use and the native engine does not.
    split = {"type": "Split", "pattern": {"Regex": "(?~x)"}, "behavior": "Isolated", "invert": False}
    tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [tokenizer["pre_tokenizer"], split]}
    (folder / TOKENIZER).write_text(json.dumps(tokenizer))
    write_manifest(folder, "test")
    memento.environment["MEMENTO_MODEL_DIR"] = str(folder)
    memento("remember", "The gate of the north dock opens at six.")
    assert memento("recall", "gate").json["notes"] == []
    for rust, code, level in (("", 4, "advice"), ("1", 1, "broken"), ("0", 4, "ok")):
        memento.environment["MEMENTO_RUST"] = rust
        found = {one["check"]: one for one in memento("doctor", "--json", code=code).json}
        assert found["engine"]["level"] == level
        assert ("cannot run the model" in found["engine"]["text"]) == (rust != "0")
