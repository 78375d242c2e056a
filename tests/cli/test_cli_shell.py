"""What a shell needs: completion, settings by command, options before the command, a question of another time."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memento_app.cli import command_first

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def completions(memento: Cli, words: str, at: int) -> list[str]:
    asked = {**memento.environment, "_MEMENTO_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}
    done = subprocess.run(memento.command(), env=asked, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_shell_completes_commands_and_options(memento: Cli) -> None:
    assert completions(memento, "memento rec", 1) == ["recall", "recent"]
    assert completions(memento, "memento hooks ins", 2) == ["install"]
    assert "--context" in completions(memento, "memento recall --co", 2)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_every_shell_has_a_script_that_names_the_command(memento: Cli, shell: str) -> None:
    script = memento("completion", shell).out
    assert "memento" in script
    assert "_MEMENTO_COMPLETE" in script


def test_bash_takes_the_script(memento: Cli, tmp_path: Path) -> None:
    (tmp_path / "complete.sh").write_text(memento("completion", "bash").out)
    shown = subprocess.run(
        ["bash", "-c", f"source {tmp_path}/complete.sh; complete -p memento"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "_memento_completion memento" in shown.stdout


def test_another_shell_is_refused_with_those_that_are_known(memento: Cli) -> None:
    assert "bash, zsh, fish, powershell" in memento("completion", "tcsh", code=2).err


def test_a_setting_is_changed_and_the_rest_of_the_file_stays(memento: Cli) -> None:
    path = memento.home / "config.yaml"
    memento("config", "set", "recall.limit", "7")
    path.write_text(f"# mine\n{path.read_text()}server: {{tcp: false}}  # off\n")
    memento("config", "set", "recall.limit", "12")
    memento("config", "set", "server.tcp", "true")
    assert path.read_text() == "# mine\nrecall:\n  limit: 12\nserver: {tcp: true}  # off\n"
    assert memento("config").json["recall.limit"]["value"] == 12


@pytest.mark.parametrize("value", ["x", "-1", "[1, 2]", "a: b", ""])
def test_a_value_that_is_not_taken_leaves_the_file_as_it_was(memento: Cli, value: str) -> None:
    path = memento.home / "config.yaml"
    memento("config", "set", "recall.limit", value, code=2)
    assert not path.exists()
    memento("config", "set", "recall.limit", "7")
    before = path.read_bytes()
    memento("config", "set", "recall.limit", value, code=2)
    assert path.read_bytes() == before


def test_an_unknown_setting_is_refused(memento: Cli) -> None:
    assert "`memento config` lists them" in memento("config", "set", "recall.limitt", "7", code=2).err


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--json", "recall", "x"], ["recall", "x", "--json"]),
        (["--db", "f", "--json", "jobs", "run"], ["jobs", "run", "--db", "f", "--json"]),
        (["--db=f", "recall", "--", "--db"], ["recall", "--db=f", "--", "--db"]),
        (["recall", "--db", "f"], ["recall", "--db", "f"]),
        (["--version"], ["--version"]),
        (["--json"], ["--json"]),
    ],
)
def test_options_may_stand_before_the_command(given: list[str], meant: list[str]) -> None:
    assert command_first(given) == meant


def test_a_question_of_another_time(memento: Cli) -> None:
    memento("remember", "The marker is green.")
    yesterday = memento("recall", "the marker yesterday", "--at", "2020-05-02", "--explain", "--min-score", "0").json
    assert yesterday["results"][0]["features"]["date"]["value"] == 0
    assert memento("--json", "recall", "marker").json["results"]
    assert "cannot read" in memento("recall", "marker", "--at", "someday", code=2).err
