"""Arguments and homes that make no sense: a clear error, nothing written, or the right answer."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memento.auto import AutoMemory
from memento.base.home import expand_user, user_home
from memento.errors import ConfigError, StoreError, UsageError
from memento.store import MemoryStore

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

EMPTY = [
    "recall", "recall --json", "recall --no-sidecar", "remember", "why", "forget", "delete", "ingest", "policy test",
    "export", "import", "restore", "backup verify", "watch", "jobs run", "model use", "hooks install", "index use",
]  # fmt: skip


@pytest.mark.parametrize("argument", ["", " ", " \t\n "])
@pytest.mark.parametrize("command", ["recall", "remember"])
def test_an_empty_text_is_refused(command: str, argument: str, memento: Cli) -> None:
    assert "is empty" in memento(command, argument, code=2).err
    assert not memento.home.exists()


@pytest.mark.parametrize("command", EMPTY)
def test_an_empty_name_is_refused(command: str, memento: Cli) -> None:
    assert "is empty" in memento(*command.split(), "", code=2).err
    assert not memento.home.exists()


OPTIONS = [
    "recall x --project", "recall x --tag", "recall x --json --since", "recent --session", "remember x --session",
    "ignore --project", "ignore --session", "ingest x --format",
    *(f"forget --before 2090-01-01 --yes --{one}" for one in ("session", "project", "source", "collection", "query")),
    "forget --role user --yes --tag", "forget --role user --dry-run --trust",
]  # fmt: skip


@pytest.mark.parametrize("attached", [True, False])
@pytest.mark.parametrize("command", OPTIONS)
def test_an_empty_option_is_refused(command: str, attached: bool, memento: Cli) -> None:
    """`forget --session "$UNSET" --before 7d --yes` would forget what other sessions hold too."""
    *words, option = command.split()
    given = [f"{option}="] if attached else [option, ""]
    assert f"{option} is empty" in memento(*words, *given, code=2).err
    assert not memento.home.exists()


@pytest.mark.parametrize("command", ["stats", "recall x", "remember x", "forget --role user", "doctor"])
def test_an_empty_store_is_not_the_default_one(command: str, memento: Cli) -> None:
    assert "--db is empty" in memento(*command.split(), "--db", "", code=2).err
    assert not memento.home.exists()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--", "--no-frozen-lockfile"], True),
        (["--json", "--", "--no-frozen-lockfile"], True),
        (["no-frozen-lockfile"], True),
        (["--no-frozen-lockfile"], False),
        (["-no-frozen-lockfile"], False),
        (["--no-frozen-lockfile is", "nightly"], False),
        (["--no-frozen-lockfile=nightly"], False),
        (["--tag"], False),
        (["--plain"], False),
        (["nightly", "--frozen"], False),
    ],
)
def test_words_that_begin_with_dashes_are_found_or_the_way_is_told(words: list[str], found: bool, memento: Cli) -> None:
    memento("remember", "--", "The flag --no-frozen-lockfile fixed the nightly build")
    ran = memento("recall", *words, code=0 if found else 2)
    if found:
        assert "--no-frozen-lockfile" in json.loads(ran.out)["results"][0]["text"]
    else:
        assert "Put `--` before words that begin with a dash: recall -- ..." in ran.err


def test_the_way_is_told_only_where_it_leads_somewhere(memento: Cli) -> None:
    for command in ("stats --frozen", "recall", "recall x --limit many", "recall x -- --limit"):
        done = subprocess.run(
            memento.command(*command.split()), env=memento.environment, capture_output=True, text=True, check=False
        )
        assert "Put `--`" not in done.stderr, command


@pytest.mark.parametrize("path", ["/", ".", "", "folder/", "a\0b", "/etc/passwd/memory.db", "/proc/memory.db"])
def test_what_is_no_file_is_no_store(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMENTO_HOME", str(tmp_path / "home"))
    with pytest.raises(StoreError, match="cannot open the store"):
        MemoryStore(path)
    with pytest.raises(StoreError, match="store"):
        AutoMemory(path).observe("We decided to deploy on Tuesdays, remember this.")
    assert list(tmp_path.iterdir()) == []


def test_a_user_who_does_not_exist(memento: Cli, tmp_path: Path) -> None:
    name = "~nobody-of-this-name/x"
    with pytest.raises(UsageError, match="there is no user nobody-of-this-name"):
        MemoryStore(name)
    for command in ("ingest", "export", "watch", "why", "import"):
        place = f"{name}:1" if command == "why" else name
        ran = subprocess.run(
            memento.command(command, place), env=memento.environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert ran.returncode == 2, ran
        assert "there is no user nobody-of-this-name" in ran.stderr + ran.stdout
        assert "Traceback" not in ran.stderr
    assert not (tmp_path / "~nobody-of-this-name").exists()


HOMES = {"": "HOME is empty", "folder": "HOME is folder, which is not an absolute path", "/nowhere/at/all": "not there"}


@pytest.mark.parametrize("home", list(HOMES))
@pytest.mark.parametrize("command", ["remember x", "recall x", "watch", "ingest f.jsonl", "hooks install codex"])
def test_a_home_that_cannot_be_one(home: str, command: str, memento: Cli, tmp_path: Path) -> None:
    memento.environment["HOME"] = home
    del memento.environment["MEMENTO_HOME"]
    ran = memento(*command.split(), code=2, cwd=tmp_path)
    assert HOMES[home] in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("home", list(HOMES))
def test_no_settings_of_an_agent_are_written_without_a_home(home: str, memento: Cli, tmp_path: Path) -> None:
    memento.environment["HOME"] = home
    ran = memento("hooks", "install", "gemini", code=2, cwd=tmp_path)
    assert HOMES[home] in ran.err
    assert not list(tmp_path.rglob("settings.json"))


@pytest.mark.parametrize("home", list(HOMES))
def test_a_hook_without_a_home_writes_nothing(home: str, memento: Cli, tmp_path: Path) -> None:
    memento.environment["HOME"] = home
    del memento.environment["MEMENTO_HOME"]
    payload = json.dumps({"hook_event_name": "UserPromptSubmit", "session_id": "s", "prompt": "We decided on x."})
    ran = memento("hook", stdin=payload.encode(), cwd=tmp_path)
    assert (ran.out, ran.err, list(tmp_path.iterdir())) == ("", "", [])


def test_without_home_the_user_database_answers(memento: Cli) -> None:
    del memento.environment["HOME"], memento.environment["MEMENTO_HOME"]
    recorded = pwd.getpwuid(os.getuid()).pw_dir
    assert f"folder {recorded}/.memento" in memento("config", "--table").out


def test_a_user_of_no_database_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    with pytest.raises(ConfigError, match="set HOME or MEMENTO_HOME"):
        user_home({})
    assert expand_user("/x/~y", {}) == Path("/x/~y")


def test_the_package_is_a_command(memento: Cli) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "memento", "--version"], env=memento.environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.split()[0], done.stderr) == (0, "memento", "")
