"""docs/cli.md says what every command prints as JSON: the very keys, and no command is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from typer.main import get_command

from memento_app.cli.app import app

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs" / "cli.md").read_text("utf-8")
SAMPLES: Final = ROOT / "samples"
SESSION: Final = "c2a7be90-13e0-4c61-8a0b-6a2f7f3e9d42"
NAME: Final = re.compile(r"`([^`]+)`")
FIRST: Final = {  # in this order, before the others, which take no argument
    "ingest": f"{SAMPLES} --no-embed",
    "recall": "import -k 1",
    "why": f"{SAMPLES}/claude-code/-home-mira-harbor/{SESSION}.jsonl:2",
    "policy test": f"{SAMPLES}",
    "import": "{home}/all.jsonl",
    "forget --dry-run": "--role user",
    "forget": f"--session {SESSION} --yes",
    "remember": "Always close the pier.",
    "instructions": "",
    "instructions edit": "{memory} Close the pier.",
    "hooks status": "claude",
    "mcp status": "claude",
    "setup": "--dry-run",
}
CODES: Final = {
    "doctor": 4,
    "hooks status": 3,
    "mcp status": 3,
    "index status": 1,
    "model status": 1,
    "service status": 3,
}
NESTED: Final = {"status": "sources", "jobs": "jobs", "consolidate": "steps", "setup": "steps"}


def documented() -> dict[str, set[str]]:
    """Return the names behind each command of the page's table."""
    memory = set(NAME.findall(PAGE.partition("A memory has")[2].partition(";")[0]))
    found = {}
    for line in PAGE.partition("| command | prints |\n|---|---|\n")[2].partition("\n\n")[0].splitlines():
        commands, prints = line.strip("| ").split(" | ", 1)
        names = set(NAME.findall(re.sub(r"\([^)]*\)", "", prints)))
        for command in NAME.findall(commands):
            names |= memory if prints.startswith("a list of memories") else set()
            found[command] = names - {"verify"}
    found["backup list"] = found["backup list"] - {"problem"}
    return found


TABLE: Final = documented()


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory, ingested: Cli) -> dict[str, Any]:
    """Return what every command prints in a store that has one of everything."""
    home = tmp_path_factory.mktemp("json")
    cli = type(ingested)(home / "memento", home / "no-model")
    cli.environment["HOME"] = str(home)
    (home / ".claude" / "projects").mkdir(parents=True)
    (home / "bad.jsonl").write_text('{"role": "user", "content": "We decided on blue."}\n{"role": \n')
    cli("ingest", home / "bad.jsonl", "--format", "generic-jsonl", "--no-embed")
    cli("export", home / "all.jsonl")
    cli("backup")
    done: dict[str, Any] = {}
    for command in (*FIRST, *(TABLE.keys() - FIRST)):
        memory = done.get("remember", {}).get("id", "")
        arguments = FIRST.get(command, "").format(home=home, memory=memory).split()
        done[command] = cli(*command.split(), *arguments, code=CODES.get(command, 0)).json
    return done


@pytest.mark.parametrize("command", TABLE)
def test_what_is_printed_is_what_is_documented(command: str, printed: dict[str, Any]) -> None:
    value = printed[command]
    if command == "config":
        value = list(value.values())
    one = value[0] if isinstance(value, list) else value
    nested = one[NESTED[command]][0] if command in NESTED else {}
    assert one.keys() | nested.keys() == TABLE[command]


def with_json(command: Any, path: str = "") -> Iterator[str]:
    if any(parameter.name == "json_" for parameter in command.params):
        yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from with_json(below, f"{path} {name}".strip())


def test_no_command_is_left_out() -> None:
    assert set(with_json(get_command(app))) == TABLE.keys() - {"export", "forget --dry-run"}
