"""Setup that is killed between any two of its steps goes on, and can be undone to the byte all the same."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.setup.conftest import Agents

STEPS = [
    "setup.model",
    "setup.recorded",
    "setup.recorded:2",
    "setup.recorded:7",
    "setup.changed",
    "setup.changed:3",
    "setup.changed:7",
    "setup.wired",
    "setup.wired:6",
    "setup.history",
    "setup.service",
    "setup.embedded",
]
"""Every place where setup can be killed; what is recorded and changed seventh is the service."""


def killed(agents: Agents, point: str, *flags: str) -> None:
    agents.run("setup", *flags, code=-signal.SIGKILL, MEMENTO_KILL_AT=point)


@pytest.mark.parametrize("point", STEPS)
def test_a_killed_setup_is_finished_by_the_next_one_and_undone_to_the_byte(agents: Agents, point: str) -> None:
    agents.has_session()
    before = agents.picture()
    killed(agents, point, "--yes")
    found = agents.json("setup", "--yes")
    assert {one["state"] for one in found["steps"]} <= {"done", "already"}
    assert len(agents.memories()) == 7
    assert agents.json("hooks", "status", "claude")["missing"] == []
    undone = agents.json("setup", "--undo")
    assert all(one["exact"] for one in undone["files"]), undone
    assert without_empty_wants(agents) == before


@pytest.mark.parametrize("point", STEPS)
def test_a_killed_setup_is_undone_to_the_byte_at_once(agents: Agents, point: str) -> None:
    agents.has_session()
    before = agents.picture()
    killed(agents, point, "--yes")
    undone = agents.json("setup", "--undo")
    assert all(one["exact"] for one in undone["files"]), undone
    assert without_empty_wants(agents) == before


@pytest.mark.parametrize("point", ["setup.undone", "setup.undone:2", "setup.undone:7"])
def test_a_killed_undo_is_finished_by_the_next_one(agents: Agents, point: str) -> None:
    agents.has_session()
    before = agents.picture()
    agents.run("setup", "--yes")
    killed(agents, point, "--undo")
    agents.run("setup", "--undo")
    assert without_empty_wants(agents) == before
    assert agents.json("setup", "--undo")["files"] == []


def without_empty_wants(agents: Agents) -> dict[str, tuple[int, bytes]]:
    """Return the picture without the folder that `systemctl enable` makes and `disable` leaves."""
    found = agents.picture()
    folders = [".config/systemd/user/default.target.wants", ".config/systemd/user", ".config/systemd", ".config"]
    for folder in folders:
        if folder in found and not any(name.startswith(f"{folder}/") for name in found):
            del found[folder]
    return found


def test_ctrl_c_while_reading_leaves_what_was_read_and_the_next_run_goes_on(agents: Agents) -> None:
    lines = "".join(agents.line(number % 9).replace("u-", f"u-{number}-") for number in range(60_000))
    agents.write(".claude/projects/-home-me-harbor/big.jsonl", lines.encode())
    setup = subprocess.Popen(
        [agents.command, "setup", "--yes", "--only", "claude"],
        env=agents.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    time.sleep(0.2)
    while not agents.database.exists():
        assert setup.poll() is None
        time.sleep(0.05)
    setup.send_signal(signal.SIGINT)
    _, error = setup.communicate(timeout=60)
    assert setup.returncode == 130
    assert b"the next run goes on from there" in error
    assert b"Traceback" not in error
    assert json.loads(agents.settings.read_text())["hooks"]["UserPromptSubmit"]
    agents.write(".claude/projects/-home-me-harbor/big.jsonl", "".join(lines.splitlines(keepends=True)[:100]).encode())
    found = agents.json("setup", "--yes", "--only", "claude")
    assert {one["state"] for one in found["steps"]} <= {"done", "already", "left"}
