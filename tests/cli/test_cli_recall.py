"""`remember`, `recall`, `recent`, `delete`, `stats`, `export`, `config`, `model`: shapes, tables, exit codes."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

MEMORY = {
    "id", "text", "timestamp", "source", "session_id", "role", "speaker", "trust", "kind", "importance", "tags",
    "collection", "project", "active", "ingested_at", "superseded_by", "meta", "why", "time",
}  # fmt: skip


def test_recall_as_json(ingested: Cli) -> None:
    ran = ingested("recall", "nightly", "import", "-k", "2")
    assert {"query", "partial", "notes", "seconds", "results"} <= set(ran.json)
    assert ran.json["query"] == "nightly import"
    assert ran.json["partial"] is False
    assert 0 < len(ran.json["results"]) <= 2
    assert set(ran.json["results"][0]) >= MEMORY | {"score", "dense", "lexical"}
    assert "by words only" in ran.err


def test_recall_as_a_table(ingested: Cli) -> None:
    code, shown = ingested.on_terminal("recall", "nightly import")
    assert code == 0
    heading = re.sub(r"\x1b\[[0-9;]*m", "", shown.splitlines()[1])
    assert heading.split() == ["score", "id", "when", "who", "what"]
    assert ingested("recall", "nightly import", "--table").out.split()[:2] == ["score", "id"]
    assert ingested.on_terminal("recall", "nightly import", "--json")[1].count('"results"') == 1


def test_operators_on_the_command_line(memento: Cli) -> None:
    for number, text in enumerate(("the pool timed out", "the redis pool timed out", "redis is down")):
        memento("remember", text, "--session", "s", "--tag", f"n{number}")
    assert [one["text"] for one in memento("recall", "pool -redis").json["results"]] == ["the pool timed out"]
    assert [one["text"] for one in memento("recall", "--", "-redis").json["results"]] == ["the pool timed out"]
    assert [one["text"] for one in memento("recall", "tag:n2").json["results"]] == ["redis is down"]
    assert memento("recall", "pool", "--deadline", "inf").json["partial"] is False


def test_a_table_shows_each_neighbour_once_and_what_the_features_add_up_to(memento: Cli) -> None:
    for text in ("the pool", "a timeout", "a pool of connections", "nothing else"):
        memento("remember", text, "--session", "s")
    shown = memento("recall", "pool", "-k", "2", "-C", "2", "--explain", "--table").out
    assert [shown.count(text) for text in ("the pool", "a timeout", "a pool of", "nothing else")] == [1] * 4
    assert [line.split()[0] for line in shown.splitlines() if "·" in line] == ["·"] * 2
    explained = " ".join(shown.split())
    brought = [[float(one) for one in re.findall(r"=([+-]\d+\.\d+)", part)] for part in explained.split("; sum ")[:2]]
    sums = [float(one) for one in re.findall(r"; sum ([+-]\d+\.\d+)", explained)]
    assert [sum(part) for part in brought] == pytest.approx(sums, abs=0.05)


def test_nothing_found_is_exit_code_3(ingested: Cli, memento: Cli) -> None:
    assert ingested("recall", "xyzzy-no-such-word", code=3).json["results"] == []
    assert "nothing found" in ingested("recall", "xyzzy", "--table", code=3).err
    assert "nothing yet" not in ingested("recall", "xyzzy", code=3).err
    for command in (["recall", "anything"], ["recent"]):
        ran = memento(*command, code=3)
        assert ran.json == [] or ran.json["results"] == []
        assert "holds nothing yet: `memento watch` or" in ran.err
    assert ingested("recall", "import", "--source", "no-such-source", code=3).json["results"] == []
    assert ingested("recall", "import", "--since", "2300-01-01", code=3).json["results"] == []


def test_a_passed_deadline_is_exit_code_4(ingested: Cli) -> None:
    ran = ingested("recall", "import", "--deadline", "0", code=4)
    assert ran.json["partial"] is True
    assert "deadline" in ran.err


def test_by_meaning_with_the_model(memento_with_model: Cli) -> None:
    memento = memento_with_model
    memento("remember", "The release train leaves every Thursday at noon.")
    memento("remember", "Grandmother's recipe needs four eggs and a lemon.")
    found = memento("recall", "On which weekday do we deploy?", "-k", "1").json
    assert "release train" in found["results"][0]["text"]
    assert found["results"][0]["dense"] > 0
    assert found["notes"] == []
    assert memento("model", "status").json["installed"]["model"]


def test_remember(memento: Cli) -> None:
    identifier = memento("remember", "We", "deploy on Tuesdays only", "--tag", "deploy", "-t", "ops").json["id"]
    shown = memento("remember", "-", "--table", "--importance", "0.9", stdin=b"from a pipe \xff\n").out
    assert shown.startswith("remembered as ")
    latest = memento("recent", "-k", "5").json
    assert [memory["text"].strip() for memory in latest] == ["from a pipe �", "We deploy on Tuesdays only"]
    assert latest[1]["id"] == identifier
    assert {"deploy", "ops"} <= set(latest[1]["tags"])
    assert latest[0]["importance"] == 0.9
    assert memento("recent", "--tag", "ops").json[0]["id"] == identifier
    assert "nothing to remember" in memento("remember", " ", code=2).err
    assert "nothing to remember" in memento("remember", "-", code=2).err


def test_secrets_are_redacted_first(memento: Cli) -> None:
    secret = "ghp_" + "Zk3vQ9xT7bLw2NpR8sYc5mHd4jFg6aUe1K0o"
    memento("remember", f"the token is {secret}", "--tag", "token")
    memento("recall", "token")
    assert secret.encode() not in b"".join(path.read_bytes() for path in memento.home.rglob("*") if path.is_file())


def test_delete(memento: Cli) -> None:
    first, second = (memento("remember", text).json["id"] for text in ("tea at noon", "coffee at five"))
    ran = memento("delete", first[:10], "ffffffff", code=3)
    assert ran.out == f"forgot {first[:10]}\n"
    assert ran.err == "memento: there is no memory ffffffff\n"
    assert [memory["id"] for memory in memento("recent").json] == [second]


def test_stats(ingested: Cli) -> None:
    figures = ingested("stats").json
    assert figures["memories"] == sum(figures["by_role"].values()) > 20
    assert figures["path"] == str(ingested.database)
    code, shown = ingested.on_terminal("stats")
    assert code == 0
    assert "memento model pull" in shown


def test_export(ingested: Cli, tmp_path: Path) -> None:
    exported = ingested("export").json
    assert len(exported) == ingested("stats").json["memories"]
    assert set(exported[0]) >= MEMORY
    path = tmp_path / "backup.json"
    assert str(path) in ingested("export", path).err
    assert json.loads(path.read_text()) == exported
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "cannot write" in ingested("export", tmp_path / "no" / "x.json", code=1).err


def test_config(memento: Cli) -> None:
    memento.home.mkdir()
    (memento.home / "config.yaml").write_text("recall:\n  limit: 3\n")
    effective = memento("config", "--db", "/elsewhere.db").json
    assert effective["recall.limit"]["value"] == 3
    assert "config.yaml" in effective["recall.limit"]["from"]
    assert effective["storage.db_path"] == {"value": "/elsewhere.db", "from": "flag"}
    assert effective["embedding.model_dir"]["from"] == "$MEMENTO_MODEL_DIR"
    assert effective["echo"]["from"] == "default"
    assert "recall.limit" in memento("config", "--table").out
    (memento.home / "config.yaml").write_text("recall:\n  limt: 3\n")
    assert "did you mean `recall.limit`?" in memento("config", code=2).err
    assert "did you mean `recall.limit`?" in memento("recall", "x", code=2).err


def test_no_model(memento: Cli, tmp_path: Path) -> None:
    assert memento("model", "status", code=1).json["installed"] is None
    assert "memento model pull" in memento("model", "status", "--table", code=1).err
    assert "--source takes" in memento("model", "pull", "--source", str(tmp_path / "nowhere"), code=2).err


def test_a_store_that_cannot_be_used(memento: Cli, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database at all, but a text of more than a hundred bytes " * 20)
    for path in (tmp_path / "text.db", tmp_path, Path("/dev/null/x.db")):
        for command in (["recall", "x"], ["ingest", __file__]):
            assert len(memento(*command, "--db", path, code=1).err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["recall", "\udcff"], ["remember", "no \udcff text"]])
def test_arguments_that_are_no_text(arguments: list[str], memento: Cli) -> None:
    memento(*arguments, code=3 if arguments[0] == "recall" else 0)


@pytest.mark.parametrize(
    "arguments",
    [["recent", "--tag", "\udcff"], ["why", "\udcff"], ["delete", "\udcff"], ["recall", "x", "--source", "\udcff"]],
)
def test_other_arguments_that_are_no_text(arguments: list[str], memento: Cli) -> None:
    memento(*arguments, code=3)


@pytest.mark.parametrize(
    "command", ["recall import -k 1", "recent", "export", "stats", "config", "recall import --table"]
)
def test_a_reader_that_is_gone(command: str, ingested: Cli) -> None:
    process = subprocess.run(
        ["sh", "-c", f'"$0" {command} | true; "$0" {command} | head -c 1 >/dev/null', *ingested.command()],
        env=ingested.environment, capture_output=True, check=False,
    )  # fmt: skip
    assert b"Traceback" not in process.stderr
    assert b"Exception ignored" not in process.stderr
