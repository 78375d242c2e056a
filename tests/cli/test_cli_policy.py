"""`policy`, `consolidate`, `audit` and `scrub` as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


TOKEN = "acme_" + "q7w2e9r4t1y8u3i6o5p0"


def transcript(folder: Path) -> Path:
    path = folder / "talk.jsonl"
    lines = [
        ("user", "The port is 5432 and the key is " + TOKEN),
        ("user", "thanks!"),
        ("user", "The port is now 5433."),
        ("user", "From now on we use Ruff for linting, never flake8."),
    ]
    path.write_text("".join(json.dumps({"role": role, "content": text}) + "\n" for role, text in lines))
    return path


def rules(memento: Cli, name: str, text: str) -> None:
    folder = memento.home / "policies"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def test_check_validates_the_rules_in_force(memento: Cli) -> None:
    assert memento("policy", "check").json["rules"]["redaction"] > 300
    assert memento("policy", "check", "--table").out.startswith("sound: ")
    rules(memento, "tags.yaml", "tags:\n  - {name: mine, patern: x}\n")
    assert "tags.yaml:2: tags.mine.patern: unknown key" in memento("policy", "check", code=1).err


def test_test_prints_every_decision_and_writes_nothing(memento: Cli, tmp_path: Path) -> None:
    path = transcript(tmp_path)
    judged = memento("policy", "test", path).json
    assert [one["keep"] for one in judged] == [True, False, True, True]
    assert (judged[1]["reason"], judged[3]["tags"][0]) == ("acknowledgement", "instruction")
    assert 0 <= judged[1]["importance"] < judged[3]["importance"] <= 1
    assert "acknowledgement" in memento("policy", "test", path, "--table").out
    assert not memento.database.exists()
    assert len(memento("policy", "test", path, tmp_path / "absent", code=1).json) == 4


def test_diff_says_what_other_rules_would_change(memento: Cli, tmp_path: Path) -> None:
    memento("ingest", transcript(tmp_path), "--no-embed")
    assert memento("policy", "diff").json["skipped"] == {}
    other = tmp_path / "other"
    other.mkdir()
    (other / "significance.yaml").write_text(
        "signals:\n  - {name: port, always: skip, patterns: ['\\bport\\b']}\n"
        "  - {name: acknowledgement, enabled: false}\n"
    )
    (other / "weights.yaml").write_text("agent: {skip_below: 0}\n")
    found = memento("policy", "diff", "--policies", other).json
    assert (found["skipped"], sum(found["kept"].values()), found["judged"]) == ({"port": 2}, 1, 3)
    assert "would be skipped  2 (port 2)" in memento("policy", "diff", "--policies", other, "--table").out


def test_diff_leaves_out_what_was_forgotten_and_what_is_ignored(memento: Cli, tmp_path: Path) -> None:
    memento("ingest", transcript(tmp_path), "--no-embed")
    first, *rest = memento("recent").json
    memento("delete", first["id"])
    assert memento("policy", "diff").json["kept"] == {}
    memento("ignore", "--session", first["session_id"], "--forget")
    found = memento("policy", "diff").json
    assert (found["kept"], found["examples"], found["judged"]) == ({}, [], 0)
    memento("ignore", "--session", first["session_id"], "--remove")
    assert memento("policy", "diff").json["kept"] == {}, "what was forgotten with it stays out"
    assert rest


def test_consolidate_explains_first_and_then_does_it(memento: Cli, tmp_path: Path) -> None:
    memento("ingest", transcript(tmp_path), "--no-embed")
    dry = memento("consolidate", "--dry-run", "--explain", "--table").out
    assert "(dry run)" in dry
    assert "outdated" in dry
    assert memento("consolidate").json["counts"] == {"outdated": 1, "promote": 1}
    assert memento("consolidate").json["steps"] == []
    older, newer = (one for one in memento("recent").json[::-1] if "port" in one["text"])
    assert memento("why", older["id"]).json[0]["superseded_by"] == newer["id"]
    assert "stands for 1 older" in memento("why", newer["id"], "--table").out


def test_audit_and_scrub(memento: Cli, tmp_path: Path) -> None:
    memento("ingest", transcript(tmp_path), "--no-embed")
    spool = memento.home / "spool" / "20260101-000.jsonl"
    spool.parent.mkdir()
    spool.write_text(json.dumps({"prompt": TOKEN}) + "\n")
    rules(memento, "redaction.yaml", "rules:\n  - {name: acme_key, kind: acme, token: 'acme_[a-z0-9]{20}'}\n")
    rates = {rate["name"]: rate["memories"] for rate in memento("audit").json}
    assert rates["secret"] == 1
    assert "secret " in memento("audit", "--table").out
    assert "1 memory would be redacted (acme 1)" in memento("scrub", "--dry-run", "--table").out
    receipt = memento("scrub").json
    assert (receipt["secrets"], receipt["spool"], receipt["backups"]) == ({"acme": 1}, 1, "there are none")
    assert "[REDACTED:acme]" in spool.read_text()
    assert "0 memories were redacted" in memento("scrub", "--table").out
    assert "[REDACTED:acme]" in memento("export").out
