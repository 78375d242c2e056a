"""`memento setup --check`: the whole way per agent, and each way in which it can be broken."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.setup.conftest import Agents


def by_agent(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["agent"]: one for one in found}


def test_the_whole_way_works_with_the_service_and_leaves_nothing(agents: Agents) -> None:
    agents.has_session()
    agents.run("setup", "--yes")
    before = agents.memories()
    found = by_agent(agents.json("setup", "--check"))
    assert {name: (one["ok"], one["stage"]) for name, one in found.items()} == {
        "claude": (True, "removed"),
        "codex": (True, "removed"),
        "copilot": (True, "removed"),
        "pi": (True, "transcripts"),
    }
    assert "read by the sidecar" in found["claude"]["text"]
    assert agents.memories() == before
    assert not (agents.memento / "setup-check.json").exists()
    spool = b"".join(path.read_bytes() for path in (agents.memento / "spool").glob("*"))
    assert b"we decided on" not in spool


def test_the_whole_way_works_without_a_sidecar(agents: Agents) -> None:
    agents.run("setup", "--yes")
    before = agents.memories()
    found = by_agent(agents.json("setup", "--check"))
    assert found["claude"]["ok"]
    assert "no sidecar runs" in found["claude"]["text"]
    assert agents.memories() == before


@pytest.mark.parametrize("agent", ["claude", "codex", "copilot", "cursor", "gemini"])
def test_every_agent_with_hooks_can_be_checked(agents: Agents, agent: str) -> None:
    (agents.home / f".{agent}").mkdir(exist_ok=True)
    agents.run("setup", "--yes", "--only", agent)
    (found,) = agents.json("setup", "--check", "--only", agent)
    assert found["ok"], found


def test_before_setup_it_says_how_to_install_the_hooks(agents: Agents) -> None:
    found = by_agent(agents.json("setup", "--check", code=1))
    assert (found["claude"]["ok"], found["claude"]["stage"]) == (False, "hook")
    assert found["claude"]["remedy"] == "`memento hooks install claude`"
    assert not found["pi"]["ok"]
    assert "memento setup" in found["pi"]["remedy"]


def test_a_command_that_is_gone_is_found(agents: Agents) -> None:
    agents.run("setup", "--yes")
    text = agents.settings.read_text()
    agents.settings.write_text(text.replace(str(agents.command), "/gone/memento"))
    found = by_agent(agents.json("setup", "--check", code=1))
    assert "/gone/memento" in found["claude"]["text"]
    assert "memento hooks install claude" in found["claude"]["remedy"]
    assert found["codex"]["ok"]


def test_hooks_that_are_switched_off_are_found(agents: Agents) -> None:
    agents.run("setup", "--yes")
    settings = json.loads(agents.settings.read_text())
    agents.settings.write_text(json.dumps({**settings, "disableAllHooks": True}))
    found = by_agent(agents.json("setup", "--check", code=1))
    assert "disableAllHooks" in found["claude"]["remedy"]


def test_a_hook_that_says_nothing_anywhere_is_found(agents: Agents, tmp_path: Path) -> None:
    """A command of the right name that does nothing: all looks installed, and nothing is kept."""
    agents.run("setup", "--yes")
    idle = tmp_path / "idle" / "memento"
    idle.parent.mkdir()
    idle.write_text("#!/bin/sh\ncat >/dev/null\n")
    idle.chmod(0o755)
    agents.settings.write_text(agents.settings.read_text().replace(str(agents.command), str(idle)))
    found = by_agent(agents.json("setup", "--check", code=1))
    assert found["claude"]["stage"] == "hook"
    assert "nothing of it is in the spool" in found["claude"]["text"]


def test_a_sidecar_that_does_not_read_is_found_and_the_mark_is_taken_out_again(agents: Agents) -> None:
    agents.has_session()
    agents.run("setup", "--yes")
    process = agents.json("service", "status")["process"]
    os.kill(process, signal.SIGSTOP)
    try:
        found = by_agent(agents.json("setup", "--check", "--only", "claude", code=1))
    finally:
        os.kill(process, signal.SIGCONT)
    assert found["claude"]["stage"] == "row"
    assert "sidecar did not read it" in found["claude"]["text"]
    assert "memento service logs" in found["claude"]["remedy"]
    time.sleep(3)  # it reads again
    assert not any("for the check of" in text for text in agents.memories())


def test_a_killed_check_is_cleaned_up_by_the_next_one(agents: Agents) -> None:
    agents.run("setup", "--yes")
    before = agents.memories()
    check = subprocess.Popen([agents.command, "setup", "--check"], env=agents.environment, stdout=subprocess.DEVNULL)
    pending = agents.memento / "setup-check.json"
    until = time.monotonic() + 30
    while len(agents.memories()) == len(before):
        assert time.monotonic() < until
        if check.poll() is not None:  # it was too fast for this machine: start another
            check = subprocess.Popen(
                [agents.command, "setup", "--check"], env=agents.environment, stdout=subprocess.DEVNULL
            )
    check.kill()
    check.wait()
    if pending.exists():
        agents.run("setup", "--check")
    assert agents.memories() == before
    assert not pending.exists()


def test_ctrl_c_removes_what_the_check_made(agents: Agents) -> None:
    agents.has_session()
    agents.run("setup", "--yes", "--only", "claude")
    before, process = agents.memories(), agents.json("service", "status")["process"]
    os.kill(process, signal.SIGSTOP)  # so that the check has to wait for the row
    try:
        check = subprocess.Popen(
            [agents.command, "setup", "--check"],
            env=agents.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        until = time.monotonic() + 30
        while not list((agents.memento / "spool").glob("*.jsonl")):
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(0.5)  # the hook has ended, and the check waits
        check.send_signal(signal.SIGINT)
        _, error = check.communicate(timeout=60)
    finally:
        os.kill(process, signal.SIGCONT)
    assert check.returncode == 130
    assert b"Traceback" not in error
    assert not (agents.memento / "setup-check.json").exists()
    time.sleep(3)  # the sidecar looks again
    assert agents.memories() == before
