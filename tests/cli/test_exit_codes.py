"""The exit codes of docs/cli.md: the same for the same trouble, whichever command meets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


@pytest.mark.parametrize(
    "command",
    [
        "ingest absent",
        "ingest absent other/*.jsonl",
        "import absent",
        "policy test absent",
        "policy check absent",
        "why absent:1",
        "backup verify absent",
        "restore absent",
        "model pull --source absent",
    ],
)
def test_a_file_that_is_not_there_is_exit_code_2(command: str, memento: Cli) -> None:
    said = memento(*command.split(), code=2).err
    assert all(line.startswith("memento: ") and ("absent" in line or "other" in line) for line in said.splitlines())


@pytest.mark.parametrize(
    "command",
    [
        "why ffff",
        "delete ffff",
        "forget ffff --yes",
        "forget --session absent --yes",
        "instructions edit ffff text",
        "instructions pin ffff",
        "instructions unpin ffff",
        "instructions",
        "instructions export",
    ],
)
def test_a_memory_that_is_not_there_is_exit_code_3(command: str, memento: Cli) -> None:
    assert len(memento(*command.split(), code=3).err.splitlines()) == 1


def test_sources_of_a_machine_without_agents_is_exit_code_3(memento: Cli) -> None:
    memento.environment["HOME"] = str(memento.home / "nobody")
    for output in ("--json", "--table"):
        assert "name a folder" in memento("sources", output, code=3).err


def test_restore_without_any_backup_says_what_helps(memento: Cli) -> None:
    memento("remember", "The lamp is green.")
    for asked in (["--latest"], ["--at", "2026-01-01"]):
        assert "memento restore --salvage" in memento("restore", *asked, code=3).err
    memento("restore", "--salvage")
    memento("backup")
    assert "is that old" in memento("restore", "--at", "2020-01-01", code=2).err
