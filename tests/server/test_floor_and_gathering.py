"""A minimum score and gathering through the sidecar: setting, options of the command, parameters of HTTP, hook."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.server.conftest import CONFIG, MEMENTO, Server

from memento_ingest.server.client import recall

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMPT = "On which day may we deploy the harbour service?"
FACT = "We decided that what remains to be done is to deploy the harbour service, on Tuesday mornings only."


@pytest.fixture
def filled(tmp_path: Path, model_dir: Path) -> Iterator[Server]:
    server = Server(tmp_path, model_dir, CONFIG + "recall: {min_score: 1.0}\n")
    for text in (FACT, "The lighthouse is painted red."):
        subprocess.run([MEMENTO, "remember", text, "--project", "/w"], env=server.environment, check=True)
    server.start()
    yield server
    server.stop()


def hook(server: Server, event: dict[str, Any]) -> bytes:
    given = json.dumps({"session_id": "s", "cwd": "/w", **event}).encode()
    done = subprocess.run([MEMENTO, "hook"], input=given, env=server.environment, capture_output=True, check=True)
    return done.stdout


def test_every_way_to_ask_has_a_floor(filled: Server) -> None:
    for way in ("--sidecar", "--no-sidecar"):
        nothing = filled.recall(PROMPT, way, code=3)
        assert nothing["results"] == []
        assert "2 results score less than 1, the best 0." in nothing["notes"][0]
        assert len(filled.recall(PROMPT, way, "--min-score", "0")["results"]) == 2
    asked = PROMPT.replace(" ", "+").replace("?", "%3F")
    assert filled.get(f"/v1/recall?q={asked}").json["results"] == []
    assert len(filled.get(f"/v1/recall?q={asked}&min_score=0").json["results"]) == 2
    scores = {"min_score": None}, {"min_score": 0}, {"min_score": 1.0}
    assert [len(recall(filled.database, PROMPT, 5, 5.0, one) or ()) for one in scores] == [0, 2, 0]


def test_a_prompt_is_told_what_reaches_the_setting_and_a_start_what_there_is(filled: Server) -> None:
    prompt = {"hook_event_name": "UserPromptSubmit", "prompt": PROMPT}
    filled.recall(PROMPT, "--min-score", "0")  # the model is loaded now
    assert hook(filled, prompt) == b""
    start = {"hook_event_name": "SessionStart", "source": "startup"}
    filled.eventually(lambda: FACT.encode() in hook(filled, start))
    (filled.home / "config.yaml").write_text(CONFIG + "recall: {min_score: 0.0}\n")
    filled.stop()
    filled.start()
    filled.eventually(lambda: FACT.encode() in hook(filled, prompt))


def test_by_time_over_http(filled: Server) -> None:
    answer = filled.get("/v1/recall?q=harbour+lighthouse&min_score=0&by_time=1").json["results"]
    assert [one["text"] for one in answer] == [FACT, "The lighthouse is painted red."]
    assert len(filled.recall("harbour lighthouse", "--min-score", "0", "--by-time")["results"]) == 2


def test_gathering_through_every_way_to_ask(filled: Server) -> None:
    question = "harbour lighthouse"
    options = ("--cover", "--explain", "--min-score", "0")
    ways = [filled.recall(question, way, *options)["results"] for way in ("--sidecar", "--no-sidecar")]
    assert [[one["adds"] for one in way] for way in ways] == [[one["adds"] for one in ways[0]]] * 2
    assert sorted(word for one in ways[0] for word in one["adds"]["words"]) == ["harbour", "lighthouse"]
    assert ways[0][0]["adds"]["day"]
    over_http = filled.get("/v1/recall?q=harbour+lighthouse&min_score=0&cover=1&explain=1").json["results"]
    assert [one["adds"] for one in over_http] == [one["adds"] for one in ways[0]]
    shown = subprocess.run(
        [MEMENTO, "recall", question, *options, "--table"], env=filled.environment, capture_output=True, check=True
    ).stdout.decode()
    assert "adds the words harbour" in " ".join(shown.split())
