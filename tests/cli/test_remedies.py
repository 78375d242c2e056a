"""Remedies that commands print, followed as they stand: each mends what was wrong.

Damage and rollback are in tests/healing, models in tests/embedding, both with their remedies.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memento.base.identity import memory_id
from memento.config import load_config
from memento.memory import NewMemory
from memento.storage.capture import Batch
from memento.store import MemoryStore

if TYPE_CHECKING:
    from tests.cli.conftest import Cli, Ran

LINE = json.dumps({"role": "user", "content": "We decided to deploy on Tuesdays, remember this."}) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_text(LINE)
    return path


def advised(ran: Ran, *, of: str = "memento ") -> list[str]:
    """Return the arguments of the first command that is quoted in what was printed."""
    (found, *_) = re.findall(rf"`{of}([^`]+)`", ran.err + ran.out)
    return shlex.split(found)


def follow(cli: Cli, ran: Ran, code: int = 0, **values: str | Path) -> Ran:
    """Run the command that was advised, its capital words replaced."""
    return cli(*[values.get(word, word) for word in advised(ran)], code=code)


def test_an_empty_store_is_filled(memento: Cli, log: Path) -> None:
    ran = memento("recent", code=3)
    assert advised(ran) == ["watch"]
    (second,) = re.findall(r"or `memento ([^`]+)`", ran.err)
    memento(*second.replace("PATH", str(log)).split())
    assert len(memento("recent").json) == 1


def test_a_store_that_is_not_there_yet(memento: Cli, log: Path) -> None:
    assert advised(memento("doctor", code=1)) == ["ingest"]
    memento("ingest", log)
    memento("doctor", code=4)


@pytest.mark.parametrize("command", [["backup", "list"], ["backup", "verify"]])
def test_no_backup_yet(command: list[str], memento: Cli, log: Path) -> None:
    memento("ingest", log)
    follow(memento, memento(*command, code=3))
    memento(*command)


def test_a_restore_names_the_list_and_the_list_a_backup(memento: Cli, log: Path) -> None:
    memento("ingest", log)
    memento("backup")
    (listed,) = follow(memento, memento("restore", "nonsense", code=2)).json
    memento("restore", listed["name"])


def test_a_damaged_backup(memento: Cli, log: Path) -> None:
    memento("ingest", log)
    memento("backup")
    (made,) = (memento.home / "backups").glob("*.zst")
    made.write_bytes(made.read_bytes()[:-20])
    ran = memento("backup", "verify", code=1)
    made.unlink()
    follow(memento, ran)
    memento("backup", "verify")


def test_what_was_quarantined_is_listed(memento: Cli, log: Path) -> None:
    log.write_text(LINE + '{"role": "user", "cont\n' + LINE)
    ran = memento("ingest", log, "--table")
    assert [one["path"] for one in follow(memento, ran).json] == [str(log)]


def test_a_secret_that_the_rules_did_not_know(memento: Cli) -> None:
    config = load_config(environment=memento.environment)
    row = NewMemory(memory_id("x", "1"), "The token is ghp_" + "aB3dE6gH9j" * 3 + "aB3dE6", 1, "x")
    with MemoryStore(config=config) as store:
        store.commit(Batch(None, [row]))
    ran = memento("policy", "diff", "--table")
    assert "with a secret     1" in ran.out
    follow(memento, ran)
    assert "with a secret     0" in memento("policy", "diff", "--table").out


def test_words_that_begin_with_dashes(memento: Cli) -> None:
    memento("remember", "The flag no-frozen-lockfile fixed it.")
    ran = memento("recall", "--no-frozen-lockfile", code=2)
    (remedy,) = re.findall(r"dash: (recall -- )\.\.\.", ran.err)
    assert memento(*remedy.split(), "--no-frozen-lockfile").json["results"]


def test_forgetting_without_a_terminal(memento: Cli) -> None:
    memento("remember", "The pier is closed.", "--project", "/pier")
    ran = memento("forget", "--project", "/pier", code=2)
    (remedy,) = re.findall(r"say (--\w+)", ran.err)
    memento("forget", "--project", "/pier", remedy)
    memento("recent", code=3)


def test_hooks_of_a_memento_that_is_gone(memento: Cli, tmp_path: Path) -> None:
    memento.environment["HOME"] = str(tmp_path)
    memento("remember", "x")
    memento("hooks", "install", "claude")
    settings = tmp_path / ".claude" / "settings.json"
    settings.write_text(re.sub(r'"command": "[^"]*"', '"command": "/gone/memento"', settings.read_text()))
    ran = memento("doctor", "--table", code=1)
    (hooks,) = re.findall(r"hooks of claude: .*\n +(.*)", ran.out)
    assert hooks == "run `memento hooks install claude`"
    assert advised(memento("hooks", "status", "claude", "--table", code=4)) == ["hooks", "install", "claude"]
    memento("hooks", "install", "claude")
    memento("hooks", "status", "claude")
    assert "hooks of claude" not in memento("doctor", "--table", code=4).out


def test_hooks_that_are_all_switched_off(memento: Cli, tmp_path: Path) -> None:
    memento.environment["HOME"] = str(tmp_path)
    memento("remember", "x")
    settings = tmp_path / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{"disableAllHooks": true}\n')
    for ran in (
        memento("hooks", "install", "claude", code=4),
        memento("hooks", "install", "claude", code=4),
        memento("hooks", "status", "claude", "--table", code=4),
        memento("doctor", "--table", code=1),
    ):
        assert f"take `disableAllHooks` out of {settings}" in ran.out + ran.err
        assert "memento hooks install" not in ran.out + ran.err
    changed = json.loads(settings.read_text())
    del changed["disableAllHooks"]
    settings.write_text(json.dumps(changed))
    memento("hooks", "status", "claude")
    assert "already" in memento("hooks", "install", "claude").out
    memento("doctor", code=4)


def test_an_agents_settings_that_are_not_json_do_not_end_the_examination(memento: Cli, tmp_path: Path) -> None:
    memento.environment["HOME"] = str(tmp_path)
    memento("remember", "x")
    settings = tmp_path / ".gemini" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{\n  "a": 1 "b": 2\n}\n')
    assert f"{settings}:2: is not JSON" in memento("doctor", "--table", code=4).out
    assert "correct that line" in memento("hooks", "install", "gemini", code=1).err
    settings.write_text('{\n  "a": 1\n}\n')
    memento("hooks", "install", "gemini")


def test_a_project_that_is_captured_again(memento: Cli, tmp_path: Path) -> None:
    folder = tmp_path / ".claude" / "projects" / "-w"
    folder.mkdir(parents=True)
    record = {
        "type": "user", "uuid": "00000000-0000-4000-8000-000000000001", "parentUuid": None, "sessionId": "s",
        "cwd": "/w", "timestamp": "2026-01-01T00:00:00.000Z", "message": json.loads(LINE),
    }  # fmt: skip
    (folder / "s.jsonl").write_text(json.dumps(record) + "\n")
    memento("ignore", "--project", "/w")
    memento("ingest", folder)
    memento("recent", code=3)
    ran = memento("ignore", "--project", "/w", "--remove")
    memento(*advised(ran), folder)
    assert len(memento("recent").json) == 1


def test_a_sidecar_that_does_not_run(memento: Cli, log: Path) -> None:
    memento("ingest", log)
    ran = memento("doctor", "--table", code=4)
    assert "the sidecar does not run" in ran.out
    process = memento.start(*re.findall(r"`memento (watch)` starts it", ran.out), log.parent)
    try:
        wait(lambda: "running" in memento("status", "--table").out.splitlines()[0].replace("not running", ""))
        assert "the sidecar does not run" not in memento("doctor", "--table", code=4).out
        memento("backup")
        assert "stop it first" in memento("restore", "--latest", code=1).err
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    memento("restore", "--latest")


def test_jobs_that_do_not_run_by_themselves(memento: Cli, log: Path) -> None:
    memento("ingest", log)
    name = memento("jobs").json["jobs"][0]["name"]
    ran = memento("jobs", "--table")
    (remedy,) = re.findall(r"cron with `memento ([^`]+)`", ran.err)
    memento(*remedy.replace("NAME", name).split())
    assert memento("jobs").json["jobs"][0]["last"]


def test_an_ending_that_goes_with_sources(memento: Cli, log: Path, tmp_path: Path) -> None:
    memento("ingest", log)
    ran = memento("export", tmp_path / "x.json", "--sources", code=2)
    for suffix in re.findall(r"\.jsonl[.\w]*", ran.err):
        memento("export", tmp_path / f"x{suffix}", "--sources")


def test_a_home_that_cannot_be_one(memento: Cli) -> None:
    del memento.environment["MEMENTO_HOME"]
    memento.environment["HOME"] = ""
    assert "set it to your home folder" in memento("remember", "x", code=2).err
    memento.home.mkdir()
    memento.environment["HOME"] = str(memento.home)
    memento("remember", "x")
    memento.environment["HOME"] = "/nowhere/at/all"
    assert "or set MEMENTO_HOME" in memento("remember", "x", code=2).err
    memento.environment["MEMENTO_HOME"] = str(memento.home / "m")
    memento("remember", "x")


def test_a_store_that_is_a_folder(memento: Cli, tmp_path: Path) -> None:
    ran = memento("stats", "--db", tmp_path, code=1)
    option, variable = re.findall(r"Name a file with (--\w+) or (\w+)", ran.err)[0]
    memento("stats", option, tmp_path / "x.db")
    memento.environment[variable] = str(tmp_path / "y.db")
    memento("stats")
    memento("stats", "--db", "", code=2)


def test_a_misspelt_setting(memento: Cli) -> None:
    memento.home.mkdir()
    (memento.home / "config.yaml").write_text("recall:\n  limits: 3\n")
    (known,) = re.findall(r"did you mean `recall\.(\w+)`", memento("config", code=2).err)
    (memento.home / "config.yaml").write_text(f"recall:\n  {known}: 3\n")
    assert memento("config").json["recall.limit"]["value"] == 3


def wait(holds: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.2)
