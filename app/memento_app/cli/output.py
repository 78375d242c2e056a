"""What every command shares in the way it speaks: JSON for programs, tables for people, notes on standard error."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, TextIO, cast

from memento.base.escaping import escape, escape_json, escape_line
from memento.errors import UsageError
from memento_app.cli.options import Option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment
    from rich.text import Text

    from memento.config import Config

Db = Annotated[str | None, Option("--db", metavar="FILE", help="The store's file. [default: $MEMORY_DB_PATH, config]")]
_NARROWEST = 72
"""Columns of a table: in fewer, whole columns would be left out; the terminal breaks the lines instead."""
AsJson = Annotated[
    bool | None, Option("--json/--table", help="JSON or a table. [default: a table on a terminal, else JSON]")
]


def wants_json(flag: bool | None) -> bool:
    """Tell whether to print JSON: as the flag says, else when the output is no terminal."""
    return not is_terminal(sys.stdout) if flag is None else flag


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a person is at the other end; a standard stream that was closed is None."""
    return stream is not None and stream.isatty()


class GuardedStream(io.TextIOWrapper):
    """A standard stream that escapes whatever is written to it, also by typer, a warning or a traceback."""

    def write(self, text: str) -> int:
        """Write the text, escaped; what a terminal cannot show becomes `?`."""
        return super().write(escape(text))


class _Unguarded:
    """A guarded stream for rich, which writes control sequences of its own around text that was escaped before."""

    def __init__(self, stream: GuardedStream) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return io.TextIOWrapper.write(self._stream, text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard_streams() -> None:
    """Put guarded streams in the place of standard output and standard error, where those are open."""
    sys.stdout, sys.stderr = _guarded(sys.stdout), _guarded(sys.stderr)


def _guarded(stream: Any) -> Any:
    if not isinstance(stream, io.TextIOWrapper) or isinstance(stream, GuardedStream):
        return stream
    encoding, buffering = stream.encoding, stream.line_buffering
    return GuardedStream(stream.detach(), encoding=encoding, errors="replace", line_buffering=buffering)


def say(text: str, *, error: bool = False) -> None:
    """Print one line, escaped, on standard output or standard error: a newline in a name must not begin another."""
    _print(escape_line(text), sys.stderr if error else sys.stdout)


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output, escaped; in ASCII where that is not UTF-8, so that nothing is lost."""
    is_utf8 = sys.stdout is not None and sys.stdout.encoding.lower() in ("utf-8", "utf8")
    _print(escape_json(json.dumps(value, ensure_ascii=not is_utf8, indent=2)), sys.stdout)


def note(text: str) -> None:
    """Tell the user something that is not the answer, on one line."""
    say(f"memento: {text}", error=True)


def _print(text: str, stream: TextIO | None) -> None:
    """Print now: a reader that has gone is met here. What was closed is not printed to: Python would take the other."""
    if stream is not None:
        print(text, file=stream, flush=True)


def one_line(text: str) -> str:
    """Return the text for a person, on one line, white space collapsed."""
    return escape(" ".join(text.split()))


def console(*, error: bool = False) -> Console:
    """Return the console of tables and bars. Markup is off, since stored text may hold brackets, and text is escaped.

    A cell is escaped before its width is measured, on one line; what comes another way, when it is written.
    """
    from rich.console import Console
    from rich.segment import Segment

    class Escaping(Console):
        def on_broken_pipe(self) -> None:  # rich would exit with code 1
            raise BrokenPipeError

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(escape_line(text), **options)

        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for one in super().render(renderable, options):
                yield one if one.control else Segment(escape(one.text), one.style)

    stream = sys.stderr if error else sys.stdout
    file = _Unguarded(stream) if isinstance(stream, GuardedStream) else stream
    made = Escaping(file=cast("Any", file), markup=False, highlight=False, emoji=False, soft_wrap=False)
    made.width = max(made.width, 1 if error else _NARROWEST)
    return made


def configured(db: str | None) -> Config:
    """Return the settings in force, with the `--db` flag above the rest. Raises ConfigError, UsageError."""
    from memento.config import load_config

    if db == "":  # of a variable that is not set, most often: another store than the one meant must not answer
        raise UsageError("--db is empty: name the store's file, or leave the option out")

    return load_config({"storage.db_path": db})
