"""`memento index`: what it says of the vector file, and the backend it chooses."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from memento.base.native import native_module


def test_status_rebuild_and_damage(memento_with_model: Any) -> None:
    cli, default = memento_with_model, "native" if native_module(None) else "numpy"
    empty = cli("index", "status").json
    assert (empty["in_step"], empty["rows"], empty["problem"]) == (True, 0, "")
    cli("remember", "we deploy on Thursdays")
    cli("recall", "when do we deploy?", "--no-sidecar")
    found = cli("index", "status").json
    assert (found["in_step"], found["rows"], found["memories"], found["backend"]) == (True, 1, 1, default)
    assert "in step with the database" in cli("index", "status", "--table").out
    cli("remember", "lunch is at noon")
    cli("recall", "noon", "--no-sidecar")
    assert cli("index", "status").json["rows"] == 2
    (data,) = (cli.home / "memory.db.vectors").glob("*.f32")
    raw = data.read_bytes()
    data.write_bytes(raw[:100] + bytes([raw[100] ^ 1]) + raw[101:])
    damaged = cli("index", "status", code=1).json
    assert "does not fit" in damaged["problem"] or "damaged" in damaged["problem"]
    assert "2 vectors of 2 memories" in cli("index", "rebuild").err
    assert cli("index", "status").json["in_step"]
    shutil.rmtree(cli.home / "memory.db.vectors")
    missing = cli("index", "status", code=1).json
    assert (missing["behind"], missing["problem"]) == (2, "there is no vector file yet")


def test_a_backend_is_chosen_and_used(memento_with_model: Any) -> None:
    cli = memento_with_model
    pytest.importorskip("faiss")
    config = cli.home / "config.yaml"
    cli("remember", "we deploy on Thursdays")
    config.write_text("# mine\nrecall:\n  limit: 3 # few\n")
    assert "recall.index is faiss" in cli("index", "use", "faiss").err
    assert config.read_text() == "# mine\nrecall:\n  index: faiss\n  limit: 3 # few\n"
    found = cli("recall", "release day", "--no-sidecar").json
    assert found["results"][0]["dense"] is not None
    assert cli("index", "status").json["backend"] == "faiss"
    assert "there is no backend annoy: choose auto, numpy, faiss" in cli("index", "use", "annoy", code=2).err
    assert "index: faiss" in config.read_text()
    config.write_text("recall:\n  index: fais\n")
    assert "recall.index" in cli("recall", "x", "--no-sidecar", code=2).err


def test_without_a_model_it_says_that_and_not_that_the_file_is_wrong(memento_with_model: Any, tmp_path: Path) -> None:
    cli = memento_with_model
    cli("remember", "we deploy on Thursdays")
    cli("recall", "when do we deploy?", "--no-sidecar")
    cli.environment["MEMENTO_MODEL_DIR"] = str(tmp_path)
    found = cli("index", "status", code=1).json
    assert found["problem"].startswith("no embedding model is installed")
    assert not found["in_step"]


def test_the_sidecar_takes_a_backend_up(memento: Any, tmp_path: Path) -> None:
    (tmp_path / "sessions").mkdir()
    with memento.start("watch", tmp_path / "sessions") as sidecar:
        while b"follows" not in sidecar.stderr.readline():
            pass
        assert "the running sidecar takes it up" in memento("index", "use", "numpy").err
        assert b"read config and policies again" in sidecar.stderr.readline()
        sidecar.send_signal(signal.SIGTERM)
        sidecar.communicate(timeout=30)
    assert "the running sidecar" not in memento("index", "use", "auto").err
