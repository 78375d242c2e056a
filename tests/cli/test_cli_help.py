"""Help and usage: every command and option says what it does, and a wrong one ends with exit code 2 and a way out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import typer

from memento.narrowing import Filters
from memento_app.cli.app import SECTIONS, app

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command with the words that call it."""
    command = command or typer.main.get_command(app)
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


ALL = dict(commands())


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_and_option_is_described(path: tuple[str, ...]) -> None:
    command = ALL[path]
    assert command.help
    for parameter in command.params:
        assert parameter.help, (path, parameter.name)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_the_help_begins_with_one_sentence_and_ends_with_the_exit_codes(path: tuple[str, ...]) -> None:
    summary, *rest = ALL[path].help.split("\n\n")
    assert re.fullmatch(r"[A-Z][^.]*\.", summary), summary
    codes = [number for number, paragraph in enumerate(rest, 1) if "Exit code" in paragraph]
    assert codes in ([], [len(rest)]), rest
    assert not codes or rest[-1].startswith("Exit code"), rest


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_what_an_option_takes_is_named_in_words(path: tuple[str, ...]) -> None:
    """typer would say `{PATH...}... <list[str]>` and `<int range>  [1<=x<=100]`."""
    command = ALL[path]
    shown = command.get_help(command.context_class(command, info_name="memento"))
    assert not set("<>{}") & set(shown), shown


@pytest.mark.parametrize("name", ["recall", "recent", "forget"])
def test_what_finds_memories_takes_every_filter(name: str) -> None:
    assert {parameter.name for parameter in ALL[(name,)].params} >= set(Filters.__annotations__)


@pytest.mark.parametrize("path", [path for path in ALL if len(path) < 2], ids=" ".join)
def test_help_lists_every_option(path: tuple[str, ...], memento: Cli) -> None:
    shown = memento(*path, "-h").out
    for parameter in ALL[path].params:
        for flag in parameter.opts:
            assert not flag.startswith("-") or flag in shown, (path, flag)
    for name in getattr(ALL[path], "commands", {}):
        assert name in shown
    assert not memento.home.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ingest"], "Missing argument"),
        (["ingest", "--nope", "x"], "No such option"),
        (["ingest", "x", "--since", "someday"], "give an age such as 7d"),
        (["recal", "x"], "No such command"),
        (["recall"], "Missing argument"),
        (["recall", "timeout", "-redis"], "Put `--` before words that begin with a dash: recall -- ..."),
        (["remember", "-v", "is for verbose"], "Put `--` before words that begin with a dash"),
        (["recall", "x", "-k", "0"], "-k"),
        (["recall", "x", "-k", "9" * 30], "-k"),
        (["recall", "x", "-k", "many"], "-k"),
        (["recall", "x", "--since", "9" * 30 + "d"], "time"),
        (["recall", "x", "--min-importance", "2"], "min-importance"),
        (["recall", "x", "--role", "boss"], "role is one of user, assistant, tool, system"),
        (["recall", "x", "--trust", "blind"], "trust is one of user, assistant, tool, import"),
        (["recent", "--role", "boss"], "role is one of"),
        (["forget", "--role", "boss"], "role is one of"),
        (["forget", "--yes"], "name what to forget"),
        (["remember"], "Missing argument"),
        (["remember", "x", "--importance", "nan"], "importance"),
        (["delete"], "Missing argument"),
        (["recent", "-k", "-1"], "-k"),
        (["model", "push"], "No such command"),
        (["ignore", "--remove"], "--session or --project"),
        (["policy", "check", "nowhere"], "there is no folder"),
        (["policy", "diff", "--policies", "nowhere"], "there is no folder"),
        ([], "Usage"),
        (["model"], "Usage"),
        (["policy"], "Usage"),
        (["index"], "Usage"),
        (["hooks"], "Usage"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], says: str, memento: Cli) -> None:
    ran = memento(*arguments, code=2)
    assert says in ran.err + ran.out


def test_every_command_stands_under_one_heading() -> None:
    listed = " ".join(SECTIONS.values()).split()
    assert sorted(listed) == sorted(path[0] for path in ALL if len(path) == 1)


@pytest.mark.parametrize("path", [path for path in ALL if hasattr(ALL[path], "commands")], ids=" ".join)
def test_summaries_fit_their_line(path: tuple[str, ...], memento: Cli) -> None:
    assert "..." not in memento(*path, "-h").out.partition("Show this message")[2]


def test_version(memento: Cli) -> None:
    from memento import __version__

    assert memento("--version").out == f"memento {__version__}\n"
