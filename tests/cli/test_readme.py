"""The README is a test: its Python runs, its commands exist with the options it gives them, and none is left out."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import typer

from memento.config import load_config
from memento_app.cli.app import app

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

ROOT: Final = Path(__file__).resolve().parents[2]
README: Final = ROOT / "README.md"
DOCUMENTS: Final = [README, *sorted((ROOT / "docs").glob("*.md"))]


def blocks(path: Path, *languages: str) -> list[str]:
    """Return the fenced blocks of these languages."""
    found = re.findall(r"^```(\w+)\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [text for language, text in found if language in languages]


def command_lines(path: Path) -> Iterator[str]:
    """Yield what follows `memento` on each line that calls it, without comments."""
    for block in blocks(path, "sh", "console", "bash"):
        console = "$ " in block
        for line in block.replace("\\\n", " ").splitlines():
            if console and not line.startswith("$ "):
                continue
            for part in re.split(r"\s*(?:\||&&|;)\s+", line.removeprefix("$ ")):
                words = shlex.split(part, comments=True)
                if words and words[0] == "memento":
                    yield shlex.join(words[1:])


LINES: Final = [(path.name, line) for path in DOCUMENTS for line in command_lines(path)]
GROUP: Final[Any] = typer.main.get_command(app)


def called(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that the words call, and its arguments."""
    command = GROUP
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize(("document", "line"), LINES, ids=[f"{name}: {line}" for name, line in LINES])
def test_documented_commands_parse(document: str, line: str) -> None:
    command, arguments = called(shlex.split(line))
    shows = command.name in ("backup", "config", "instructions", "jobs", "mcp")
    alone = shows or arguments[:1] in (["--version"], ["-h"], ["--help"])
    assert not getattr(command, "commands", None) or alone, document
    assert alone or not command.allow_extra_args
    command.make_context("memento", arguments, resilient_parsing=False).close()


def names(command: Any = GROUP, path: tuple[str, ...] = ()) -> Iterator[str]:
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join(path)
    else:
        for name in below:
            yield from names(below[name], (*path, name))


@pytest.mark.parametrize("name", list(names()))
def test_every_command_is_documented(name: str) -> None:
    assert any(f"memento {name}" in path.read_text("utf-8") for path in DOCUMENTS)


def test_the_readme_has_snippets() -> None:
    assert blocks(README, "python")
    assert sum(name == "README.md" for name, _ in LINES) > 5


@pytest.mark.parametrize(("path", "snippet"), [(path, one) for path in DOCUMENTS for one in blocks(path, "python")])
def test_python_snippets_run(
    path: Path, snippet: str, tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMENTO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MEMENTO_MODEL_DIR", str(model_dir))
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(snippet, f"{path.name}", "exec"), {"__name__": "__main__"})


def examples(block: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a console block with the lines that it is said to print."""
    for example in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *printed = example.splitlines()
        yield command, printed


def shown(cli: Cli, command: str) -> list[str]:
    """Return the lines that a command prints on a terminal without colours, of 80 columns; progress goes elsewhere."""
    ours, theirs = pty.openpty()
    words = shlex.split(command)
    assert words[0] == "memento"
    environment = {**cli.environment, "TERM": "dumb"}
    done = subprocess.run(
        cli.command(*words[1:]), stdout=theirs, stderr=subprocess.PIPE, env=environment, cwd=ROOT, check=True
    )
    assert done.stderr == b"", done
    os.close(theirs)
    printed = b""
    with contextlib.suppress(OSError):  # Linux says so at the end
        while chunk := os.read(ours, 65_536):
            printed += chunk
    os.close(ours)
    return [line.rstrip() for line in printed.decode().splitlines()]


def same(documented: list[str], printed: list[str]) -> bool:
    """Tell whether these are the lines: `...` stands for any more, a score may be another by 0.1 (memories age)."""
    if not documented or documented[0] == "...":
        return bool(documented) or not printed
    if not printed:
        return False
    score = r"^\d\.\d\d(?=  )"
    told, found = (re.match(score, lines[0]) for lines in (documented, printed))
    if told and found and abs(float(told[0]) - float(found[0])) > 0.1:
        return False
    if re.sub(score, "", documented[0]) != re.sub(score, "", printed[0]):
        return False
    return same(documented[1:], printed[1:])


CONSOLE: Final = [(path.name, block) for path in DOCUMENTS for block in blocks(path, "console")]


@pytest.mark.parametrize(("document", "block"), CONSOLE, ids=[name for name, _ in CONSOLE])
def test_examples_show_what_the_commands_print(document: str, block: str, memento_with_model: Cli) -> None:
    for command, documented in examples(block):
        printed = shown(memento_with_model, command)
        assert same(documented, printed), "\n".join([f"{document}: {command} prints", *printed])


def test_the_readme_shows_an_answer() -> None:
    assert any(document == "README.md" for document, _ in CONSOLE)


def settings_rows() -> dict[str, str]:
    """Return each documented setting with its default, as docs/settings.md has them."""
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z_.]+)` \|[^|]*\| ([^|]*?) ?\|", page, re.MULTILINE)
    return {key: default.strip("`") for key, default in rows}


def test_every_setting_is_documented_with_its_default() -> None:
    documented = settings_rows()
    effective = list(load_config(environment={"MEMENTO_HOME": "~/.memento"}).effective())
    assert documented.keys() == {key for key, _, _ in effective}
    for key, value, _ in effective:
        if isinstance(value, bool | int | float):
            assert documented[key] == json.dumps(value), key


def test_links_lead_somewhere() -> None:
    for path in (*DOCUMENTS, ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), (path.name, target)


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[a-z-]+\.md)\)", README.read_text("utf-8")))
    assert linked == {f"docs/{path.name}" for path in DOCUMENTS if path != README}
