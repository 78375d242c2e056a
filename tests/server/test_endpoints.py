"""What the local server answers: shapes, refusals that name the nearest, limits, figures, and its description."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from memento_ingest.server import client, routes
from memento_ingest.server.rate import RateLimit

if TYPE_CHECKING:
    from tests.server.conftest import Server


def test_recall_has_the_shape_of_the_command(running: Server) -> None:
    answer = running.get("/v1/recall?q=nightly+import&k=2&role=user&since=2020-01-01")
    assert answer.status == 200
    assert set(answer.json) == {"query", "partial", "notes", "seconds", "results"}
    assert 0 < len(answer.json["results"]) <= 2
    assert {one["role"] for one in answer.json["results"]} == {"user"}
    assert running.get("/v1/recall?q=profiling+fix&tag=fix&tag=python&min_score=0").json["results"]
    assert running.get("/v1/recall?q=import&source=nobody").json["results"] == []
    assert running.get("/v1/recall?q=import&deadline=0").json["partial"] is True


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("/v1/recall", "q="),
        ("/v1/recall?q=a&sesion=b", "`session`"),
        ("/v1/recall?q=a&q=b", "once"),
        ("/v1/recall?q=a&k=0", "`k`"),
        ("/v1/recall?q=a&k=1.5", "`k`"),
        ("/v1/recall?q=a&k=99999", "`k`"),
        ("/v1/recall?q=a&deadline=nan", "`deadline`"),
        ("/v1/recall?q=a&deadline=31", "`deadline`"),
        ("/v1/recall?q=a&min_importance=2", "`min_importance`"),
        ("/v1/recall?q=a&min_score=-1", "`min_score`"),
        ("/v1/recall?q=a&by_time=2", "`by_time`"),
        ("/v1/recall?q=a&cover=yes", "`cover`"),
        ("/v1/recall?q=a&since=yesteryear", "7d"),
        ("/v1/recall?q=%FF", "UTF-8"),
        ("/v1/stats?verbose=1", "leave it out"),
        ("/v1/instructions?projekt=a", "`project`"),
        ("/v1/instructions?k=0", "`k`"),
        ("/v1/brief", "`project` or `file`"),
        ("/v1/brief?project=/a&file=/b", "`project` or `file`"),
        ("/v1/brief?file=b.py", "whole paths"),
        ("/v1/brief?file=/b&k=0", "`k`"),
        ("/v1/pulse?x=1", "leave it out"),
    ],
)
def test_what_cannot_be_asked(running: Server, target: str, hint: str) -> None:
    answer = running.get(target)
    assert answer.status == 400
    assert hint in f"{answer.json['error']} {answer.json['remedy']}"


def test_paths_and_methods(running: Server) -> None:
    assert "/v1/recall" in running.get("/v1/recal").json["remedy"]
    assert running.get("/v1/recal").status == 404
    answer = running.ask("DELETE", "/v1/recall")
    assert answer.status == 405
    assert "GET" in answer.headers["allow"]


def test_remember_keeps_redacts_and_is_found(running: Server) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    answer = running.post("/v1/remember", {"text": f"The ferry token is {secret}", "tags": ["ferry"], "project": "/p"})
    assert answer.status == 201
    found = running.get("/v1/recall?q=ferry+token&tag=ferry").json["results"]
    assert [one["id"] for one in found] == [answer.json["id"]]
    assert secret not in json.dumps(found)
    for wrong, hint in (
        ({"txt": "x"}, "`text`"),
        ({}, "text"),
        ({"text": " "}, "empty"),
        ({"text": 1}, "str"),
        ({"text": "x", "importance": 2}, "1"),
        ({"text": "x", "role": "king"}, "role"),
        (["x"], "object"),
    ):
        refused = running.post("/v1/remember", wrong)
        assert refused.status == 400, wrong
        assert hint in f"{refused.json['error']} {refused.json['remedy']}", wrong


def test_events_as_one_object_and_as_lines(running: Server) -> None:
    lines = b'{"hook_event_name": "Stop", "session_id": "lines-1"}\n\n{"event": "Stop", "session_id": "lines-2"}\n'
    answer = running.ask("POST", "/v1/events?agent=gemini", lines, content_type="application/x-ndjson")
    assert (answer.status, answer.json) == (202, {"accepted": 2})
    broken = lines + b"{not json\n"
    assert running.ask("POST", "/v1/events", broken, content_type="application/x-ndjson").status == 400


def test_health_and_metrics_tell_outcomes(running: Server) -> None:
    health = running.get("/health").json
    assert health["status"] == "ok"
    assert health["process"] == (running.process.pid if running.process else 0)
    assert tuple(int(part) for part in health["sqlite_version"].split(".")) >= (3, 51, 3)
    assert health["unread_bytes"] == 0
    answer = running.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = [line.split() for line in answer.body.decode().splitlines() if not line.startswith("#")]
    figures = {name: float(value) for name, value in samples}
    assert figures["memento_memories"] >= 26
    assert figures['memento_http_requests_total{status="200"}'] > 0
    assert figures["memento_recall_seconds_count"] == figures['memento_recall_seconds_bucket{le="+Inf"}']


def test_health_names_what_is_wrong(server: Server) -> None:
    server.start()
    health = server.get("/health").json
    assert health["status"] == "degraded"
    assert any("memento model pull" in problem for problem in health["problems"])


def test_requests_on_one_connection(running: Server) -> None:
    request = b"GET /v1/store HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with running.connect() as connection:
        connection.sendall(request * 3)
        received = b""
        give_up = time.monotonic() + 5
        while received.count(b'"version"') < 3 and time.monotonic() < give_up:
            received += connection.recv(65_536)
    assert received.count(b"HTTP/1.1 200") == 3


def test_one_peer_cannot_ask_without_end(server: Server) -> None:
    (server.home / "config.yaml").write_text("server: {requests_per_second: 3}\n")
    server.start()
    answers = [server.get("/v1/store") for _ in range(20)]
    assert 200 in {answer.status for answer in answers}
    refused = next(answer for answer in answers if answer.status == 429)
    assert int(refused.headers["retry-after"]) >= 1


def test_the_rate_limit_is_each_peers_own() -> None:
    now = 0.0
    limit = RateLimit(2, lambda: now)
    assert [limit.wait("a") for _ in range(8)] == [0.0] * 8
    assert limit.wait("a") == 0.5
    assert limit.wait("b") == 0.0
    now = 0.5
    assert limit.wait("a") == 0.0
    assert limit.wait("a") > 0


def test_the_description_fits_the_routes(running: Server) -> None:
    described = running.get("/openapi.json").json
    assert set(described["paths"]) == set(routes.PATHS)
    for path, operations in described["paths"].items():
        for method in ("get", "post"):
            answered = running.ask(method.upper(), path, b"{}" if method == "post" else b"").status
            assert (method in operations) == (answered != 405), (path, method)
    found = running.get("/v1/recall?q=import&context=1&explain=1&cover=1").json["results"]
    keys = {key for one in found for key in one}
    assert set(described["components"]["schemas"]["Found"]["properties"]) == keys
    assert set(described["components"]["schemas"]["Memory"]["properties"]) == set(
        next(one["after"][0] for one in found if "after" in one)
    )
    for path, name in (("/v1/stats", "Stats"), ("/health", "Health"), ("/v1/store", "Store"), ("/v1/pulse", "Pulse")):
        assert set(described["components"]["schemas"][name]["properties"]) == set(running.get(path).json)


def test_a_brief_tells_of_a_project_or_of_a_file(running: Server) -> None:
    for text in ("We decided that lamp.py blinks twice.", "TODO: oil the door of the lighthouse."):
        running.post("/v1/remember", {"text": text, "project": "/lighthouse", "session_id": "s"})
    told = running.get("/v1/brief?project=/lighthouse").json
    assert {one["text"]: one["part"] for one in told["noted"]} == {
        "We decided that lamp.py blinks twice.": "decided",
        "TODO: oil the door of the lighthouse.": "left open",
    }
    assert told["notes"] == []
    assert [one["part"] for one in running.get("/v1/brief?file=/lighthouse/lamp.py").json["noted"]] == ["decided"]
    assert running.get("/v1/brief?project=/lighthouse&session=s").json["noted"] == []
    known = client.brief(running.database, {"project": "/lighthouse", "k": 1}, 5.0)
    assert known is not None
    assert [one.part for one in known.noted] == ["decided", "left open"]
    assert client.brief(running.home / "other.db", {"project": "/lighthouse"}, 5.0) is None
    stored = running.get("/v1/pulse").json["stored"]
    assert abs(stored / 1000 - time.time()) < 600
    assert client.last_stored(running.database, 5.0) == stored


def test_instructions_are_those_that_hold_in_a_folder(running: Server) -> None:
    for text, project in (("Always close the pier.", "/pier"), ("Never feed the gulls.", "/mole")):
        body = json.dumps({"text": text, "project": project}).encode()
        assert running.ask("POST", "/v1/remember", body).status == 201
    held = running.get("/v1/instructions?project=/pier").json
    assert "Always close the pier." in [one["instruction"] for one in held]
    assert "Never feed the gulls." not in [one["instruction"] for one in held]
    assert len(running.get("/v1/instructions?k=1").json) == 1
    described = running.get("/openapi.json").json["components"]["schemas"]["Instruction"]["properties"]
    assert set(described) == set(held[0])
    told = client.instructions(running.database, "/pier", 100, 5.0)
    assert told is not None
    assert [one.as_dict() for one in told] == held
