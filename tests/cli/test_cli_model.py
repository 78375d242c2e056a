"""`memento model use|embed|status`: another model, by hand and while the sidecar runs."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

MakeFolder = Callable[..., Path]


@pytest.fixture
def cli(memento: Cli, tmp_path: Path, sentence_folder: MakeFolder) -> Cli:
    """A home with a model of its own and three memories embedded by it."""
    del memento.environment["MEMENTO_MODEL_DIR"]
    memento("model", "use", sentence_folder(tmp_path / "first", dimensions=48))
    for text in ("we deploy on Thursdays", "lunch is at noon", "the printer is out of paper"):
        memento("remember", text)
    memento("model", "embed")
    return memento


def test_another_model_by_hand(cli: Cli, tmp_path: Path, sentence_folder: MakeFolder) -> None:
    before = cli("model", "status").json
    assert before["embedded"] == {before["answering"]: 3}
    assert before["following"] == ""
    used = cli("model", "use", sentence_folder(tmp_path / "second", dimensions=32)).err
    assert "embedding.model is second in" in used
    assert "3 memories are to be embedded by it; `memento model embed`" in used
    found = cli("model", "status").json
    assert (found["answering"], found["left"]) == (before["answering"], 3)
    assert found["following"].startswith("second@")
    shown = cli("model", "status", "--table").out
    assert "32 dimensions, verified" in shown
    assert "answers until that is complete" in shown
    best = cli("recall", "lunch is at noon", "--no-sidecar").json["results"][0]
    assert best["text"] == "lunch is at noon"
    assert best["dense"] == pytest.approx(1, abs=0.2)
    assert cli("model", "status").json["answering"] == before["answering"]  # recall alone switches nothing
    assert "embedded 3 memories; second@" in cli("model", "embed").err
    assert cli("recall", "lunch is at noon", "--no-sidecar").json["results"][0]["dense"] == pytest.approx(1, abs=0.2)
    assert cli("index", "status").json["dimensions"] == 32
    assert "3 memories are to be embedded" in cli("model", "use", "first").err
    cli("model", "embed")
    assert cli("model", "status").json["embedded"] == before["embedded"]


def test_what_cannot_be_used(cli: Cli, tmp_path: Path) -> None:
    assert "neither a folder nor the name of a model" in cli("model", "use", "nothing", code=2).err
    (tmp_path / "empty").mkdir()
    assert "holds no tokenizer.json" in cli("model", "use", tmp_path / "empty", code=1).err
    cli.environment["MEMENTO_MODEL_DIR"] = str(tmp_path / "elsewhere")
    assert "set by $MEMENTO_MODEL_DIR and would win" in cli("model", "use", "first", code=2).err
    assert "model: first" in (cli.home / "config.yaml").read_text()


def test_the_sidecar_takes_it_up(cli: Cli, tmp_path: Path, sentence_folder: MakeFolder) -> None:
    (tmp_path / "sessions").mkdir()
    sidecar = cli.start("watch", tmp_path / "sessions")
    try:
        until(lambda: cli("status").json["sidecar"] == sidecar.pid)
        until(lambda: "of this process" not in cli("stats", "--table").out)
        cli("recall", "lunch")
        cli("recall", "lunch")
        assert cli("stats").json["caches"]["working"]["hits"] > 0  # the sidecar's, not this process's
        assert (
            "the sidecar embeds them now"
            in cli("model", "use", sentence_folder(tmp_path / "second", dimensions=32)).err
        )
        until(lambda: cli("model", "status").json["answering"].startswith("second@"))
        assert cli("recall", "lunch is at noon").json["results"][0]["dense"] == pytest.approx(1, abs=0.2)
    finally:
        sidecar.send_signal(signal.SIGTERM)
        sidecar.communicate(timeout=30)


def until(condition: Callable[[], bool], seconds: float = 40) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)
