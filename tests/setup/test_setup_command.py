"""`memento setup` over homes with agents: what it does, what it asks, what it says where it cannot."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.setup.conftest import Agents


def steps(found: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {one["step"]: one["state"] for one in found["steps"]}


def test_one_command_reads_wires_starts_and_recalls(agents: Agents) -> None:
    agents.has_session()
    found = agents.json("setup", "--yes")
    assert {one["agent"]: one["files"] for one in found["agents"]} == {"claude": 1, "codex": 0, "copilot": 0, "pi": 1}
    did = steps(found)
    assert list(did) == [
        "model",
        *(f"{kind} of {name}" for name in ("claude", "codex", "copilot") for kind in ("hooks", "MCP")),
        *("history", "service", "embedding", "recall"),
    ]
    assert did.pop("embedding") in ("done", "already")  # the service may have been faster
    assert did.pop("model") == "already"
    assert set(did.values()) == {"done"}
    assert found["recall"]["query"] == "what did we decide?"
    assert "quay number" in found["recall"]["results"][0]["text"]
    assert {str(Path(one).relative_to(agents.home)) for one in found["changed"]} == {
        ".claude/settings.json",
        ".claude/settings.json.memento-backup",
        ".claude.json",
        ".codex/hooks.json",
        ".codex/config.toml",
        ".copilot/hooks/memento.json",
        ".copilot/mcp-config.json",
        ".config/systemd/user/memento.service",
    }
    assert agents.json("hooks", "status", "claude")["missing"] == []
    assert agents.json("service", "status")["answers"]
    assert len(agents.memories()) == 7


def test_a_second_run_finds_everything_done(agents: Agents) -> None:
    agents.has_session()
    agents.run("setup", "--yes")
    before, memories = agents.picture(), agents.memories()
    found = agents.json("setup", "--yes")
    assert set(steps(found).values()) <= {"already", "done"}
    assert [name for name, state in steps(found).items() if state == "done"] == ["recall"]
    assert agents.picture() == before
    assert agents.memories() == memories


def test_without_a_service_manager_the_rest_is_done_and_watch_is_offered(agents: Agents) -> None:
    found = agents.json("setup", "--yes")
    (service,) = (one for one in found["steps"] if one["step"] == "service")
    assert service["state"] == "left"
    assert "`memento watch`" in service["text"]
    assert steps(found)["hooks of claude"] == steps(found)["history"] == steps(found)["recall"] == "done"


def test_without_a_model_words_alone_are_used_and_that_is_said(agents: Agents) -> None:
    found = json.loads(agents.run("setup", "--yes", code=4, MEMENTO_MODEL_DIR="/dev/null/model").stdout)
    (model,) = (one for one in found["steps"] if one["step"] == "model")
    assert model["state"] == "failed"
    assert "memento model pull" in model["text"]
    assert steps(found)["history"] == "done"
    assert "quay number" in found["recall"]["results"][0]["text"]


@pytest.mark.parametrize("name", ["claude", "claude-code", "Claude"])
def test_only_one_agent_is_set_up_where_one_is_named(agents: Agents, name: str) -> None:
    found = agents.json("setup", "--yes", "--only", name)
    assert [one["agent"] for one in found["agents"]] == ["claude"]
    assert not (agents.home / ".codex" / "hooks.json").exists()
    assert not any("pi" in text.split() for text in agents.memories())


@pytest.mark.parametrize(("flags", "is_read"), [([], True), (["--only", "claude"], False)])
def test_history_that_lies_in_a_project_is_read_once_the_project_is_known(
    agents: Agents, flags: list[str], is_read: bool
) -> None:
    """Aider keeps its history where it works: in the folders that other agents' transcripts name."""
    said = b"# aider chat started at 2026-10-01 10:00:00\n\n#### We decided that aider asks before it commits.\n"
    agents.write("harbor/.aider.chat.history.md", said)
    other = agents.line(7).replace("/home/me/harbor", str(agents.home / "harbor"))
    agents.write(".claude/projects/x/s2.jsonl", other.encode())
    agents.run("setup", "--yes", *flags)
    assert any("aider" in text for text in agents.memories()) is is_read


def test_two_agents_can_be_named(agents: Agents) -> None:
    found = agents.json("setup", "--yes", "--only", "pi", "--only", "codex")
    assert [one["agent"] for one in found["agents"]] == ["codex", "pi"]


def test_an_agent_that_is_not_here_is_said_with_those_that_are(agents: Agents) -> None:
    said = agents.run("setup", "--yes", "--only", "gemini", code=2).stderr.decode()
    assert "gemini was not found on this machine; found: claude, codex, copilot, pi" in said
    assert not agents.memento.joinpath("memory.db").exists()


@pytest.mark.parametrize("flags", [["--dry-run"], ["--dry-run", "--yes"], ["--dry-run", "--only", "claude"]])
def test_a_dry_run_shows_the_change_and_writes_nothing(agents: Agents, flags: list[str]) -> None:
    agents.has_session()
    before = agents.picture()
    shown = agents.run("setup", *flags, "--table").stdout.decode()
    assert f"add hooks of claude to {agents.settings}" in shown
    assert '"UserPromptSubmit": [' in shown
    assert "install and start the service" in shown
    assert agents.picture() == before
    assert not agents.memento.exists()


def test_without_a_terminal_consent_must_be_said(agents: Agents) -> None:
    before = agents.picture()
    said = agents.run("setup", code=2).stderr.decode()
    assert "--yes" in said
    assert "--dry-run" in said
    assert agents.picture() == before


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--undo", "--check"], "give one"),
        (["--undo", "--only", "claude"], "--only"),
        (["--check", "--dry-run"], "--check has no dry run"),
        (["--only", ""], "empty"),
        (["--yes", "claude"], "unexpected extra argument"),
        (["--force"], "No such option"),
    ],
)
def test_flags_that_do_not_fit_are_usage_errors(agents: Agents, flags: list[str], says: str) -> None:
    assert says in agents.run("setup", *flags, code=2).stderr.decode()


def test_a_machine_without_agents_is_told_so(agents: Agents) -> None:
    empty = agents.home / "nobody"
    empty.mkdir(mode=0o700)
    said = agents.run("setup", "--yes", code=3, HOME=str(empty)).stderr.decode()
    assert "no agent was found" in said


def test_broken_settings_are_left_alone_and_the_others_are_set_up(agents: Agents) -> None:
    agents.settings.write_bytes(b'{"a": 1, // mine\n}')
    found = agents.json("setup", "--yes", code=4)
    assert steps(found)["hooks of claude"] == "failed"
    assert steps(found)["hooks of codex"] == steps(found)["recall"] == "done"
    assert agents.settings.read_bytes() == b'{"a": 1, // mine\n}'
    agents.run("setup", "--undo")
    assert agents.settings.read_bytes() == b'{"a": 1, // mine\n}'


def test_hooks_that_tell_what_a_database_tells_too_are_left_out(agents: Agents) -> None:
    """Cursor's IDE keeps its conversations in a database; docs/hooks.md says to use one of the two."""
    (agents.home / ".cursor").mkdir()
    agents.write(".config/Cursor/User/globalStorage/state.vscdb", b"")
    found = agents.json("setup", "--dry-run")
    (cursor,) = (one for one in found["agents"] if one["agent"] == "cursor")
    assert cursor["hooks"] is False
    assert "hooks of cursor" not in steps(found)


def test_two_setups_do_not_run_at_once(agents: Agents) -> None:
    import fcntl

    agents.memento.mkdir(mode=0o700)
    with (agents.memento / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert b"another `memento setup` is running" in agents.run("setup", "--yes", code=1).stderr


class Terminal:
    """A command on a terminal, which answers what it asks."""

    def __init__(self, agents: Agents, *arguments: str) -> None:
        self.ours, theirs = pty.openpty()
        environment = {**agents.environment, "TERM": "xterm", "COLUMNS": "200"}
        self.process = subprocess.Popen(
            [agents.command, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""

    def read_until(self, text: str) -> None:
        until = time.monotonic() + 60
        while text not in self.shown:
            assert time.monotonic() < until, self.shown
            self.shown += os.read(self.ours, 65_536).decode("utf-8", "replace")

    def answer(self, text: str) -> None:
        os.write(self.ours, text.encode() + b"\n")

    def end(self) -> int:
        while True:
            try:
                chunk = os.read(self.ours, 65_536)
            except OSError:
                break
            if not chunk:
                break
            self.shown += chunk.decode("utf-8", "replace")
        os.close(self.ours)
        assert "Traceback" not in self.shown, self.shown
        return self.process.wait(60)


def test_on_a_terminal_the_plan_is_shown_before_it_asks_and_no_means_no(agents: Agents) -> None:
    before = agents.picture()
    terminal = Terminal(agents, "setup")
    terminal.read_until("Which agents?")
    assert "add hooks of claude" in terminal.shown
    terminal.answer("")
    terminal.read_until("[Y/n]")
    terminal.answer("n")
    assert terminal.end() == 1
    assert "nothing was done" in terminal.shown
    assert agents.picture() == before


def test_on_a_terminal_agents_can_be_chosen(agents: Agents) -> None:
    terminal = Terminal(agents, "setup")
    terminal.read_until("Which agents?")
    terminal.answer("claude, pi")
    terminal.read_until("Set up claude, pi?")
    terminal.answer("y")
    assert terminal.end() == 0
    assert "what did we decide?" in terminal.shown
    assert str(agents.settings) in terminal.shown
    assert not (agents.home / ".codex" / "hooks.json").exists()


def test_ctrl_c_at_the_question_changes_nothing(agents: Agents) -> None:
    before = agents.picture()
    terminal = Terminal(agents, "setup")
    terminal.read_until("Which agents?")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() in (1, 130)
    assert agents.picture() == before
