"""What every command shares in the way it speaks: JSON for programs, tables for people, notes on standard error."""

from __future__ import annotations

import json
import sys
import unicodedata
from typing import TYPE_CHECKING, Annotated, Any, TextIO

from memento.cli.options import Option

if TYPE_CHECKING:
    from rich.console import Console

    from memento.config import Config

Db = Annotated[str | None, Option("--db", metavar="FILE", help="The store's file. [default: $MEMORY_DB_PATH, config]")]
AsJson = Annotated[
    bool | None, Option("--json/--table", help="JSON or a table. [default: a table on a terminal, else JSON]")
]


def wants_json(flag: bool | None) -> bool:
    """Tell whether to print JSON: as the flag says, else when the output is no terminal."""
    return not is_terminal(sys.stdout) if flag is None else flag


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a person is at the other end; a standard stream that was closed is None."""
    return stream is not None and stream.isatty()


def say(text: str, *, error: bool = False) -> None:
    """Print a line on standard output or standard error, now: a reader that has gone is met here.

    One that was closed is not printed to: Python would put it on the other.
    """
    stream = sys.stderr if error else sys.stdout
    if stream is not None:
        print(text, file=stream, flush=True)


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output; in ASCII where that is not UTF-8, so that nothing is lost."""
    is_utf8 = sys.stdout is not None and sys.stdout.encoding.lower() in ("utf-8", "utf8")
    say(json.dumps(value, ensure_ascii=not is_utf8, indent=2))


def note(text: str) -> None:
    """Tell the user something that is not the answer."""
    say(f"memento: {plain(text)}", error=True)


def plain(text: str) -> str:
    """Return the text without control and bidirectional characters: what was stored must not steer the terminal."""
    if text.isprintable():
        return text
    return "".join(one for one in text if one in "\n\t" or unicodedata.category(one) not in ("Cc", "Cf", "Cs"))


def one_line(text: str) -> str:
    """Return the text for a person, on one line."""
    return plain(" ".join(text.split()))


def console() -> Console:
    """Return the console of tables; markup is off, since stored text may hold brackets."""
    from rich.console import Console

    class Piped(Console):
        def on_broken_pipe(self) -> None:  # rich would exit with code 1
            raise BrokenPipeError

    return Piped(markup=False, highlight=False, emoji=False, soft_wrap=False)


def configured(db: str | None) -> Config:
    """Return the settings in force, with the `--db` flag above the rest."""
    from memento.config import load_config

    return load_config({"storage.db_path": db})
