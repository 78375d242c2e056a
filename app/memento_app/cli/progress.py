"""How far a long command is: bars on a terminal, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from memento_app.cli.output import console, is_terminal, note

_LINE_SECONDS: Final = 5.0
"""Between two lines of progress where there is no terminal."""


class Bar(NamedTuple):
    """A progress bar's two handles."""

    advance: Callable[[int], None]
    total: Callable[[int], None]


@contextmanager
def progress_of(what: str, *, of_bytes: bool) -> Iterator[Bar]:
    """Show progress on a terminal while the work lasts; nothing elsewhere."""
    if not is_terminal(sys.stderr):
        yield Bar(lambda _: None, lambda _: None)
        return
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    counted = DownloadColumn() if of_bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), counted, TimeRemainingColumn())
    with Progress(*columns, console=console(error=True), transient=True) as bars:
        task = bars.add_task(what, total=None)
        yield Bar(lambda amount: bars.advance(task, amount), lambda total: bars.update(task, total=total))


@contextmanager
def estimated(what: str, *, of_bytes: bool) -> Iterator[Bar]:
    """Show progress as `progress_of` does; where there is no terminal, now and then a line with what is left."""
    if is_terminal(sys.stderr):
        with progress_of(what, of_bytes=of_bytes) as bar:
            yield bar
        return
    lines = _Lines(what)
    yield Bar(lines.advance, lines.add_total)


class _Lines:
    """Progress in lines."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._done = self._total = 0
        self._started = self._said = time.monotonic()

    def add_total(self, total: int) -> None:
        self._total += total

    def advance(self, amount: int) -> None:
        self._done += amount
        now = time.monotonic()
        if self._done and self._total and now - self._said >= _LINE_SECONDS:
            self._said = now
            left = (now - self._started) * max(0, self._total - self._done) / self._done
            note(f"{self._what}: {min(1.0, self._done / self._total):.0%}, about {left:,.0f} s left")


@contextmanager
def steps() -> Iterator[Callable[[int, int, str], None]]:
    """Lend what takes (done, total, step): bytes on a terminal, one line per step elsewhere."""
    if not is_terminal(sys.stderr):
        said: set[str] = set()

        def say(_done: int, _total: int, what: str) -> None:
            if what not in said:
                said.add(what)
                note(what)

        yield say
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(error=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def advance(done: int, total: int, what: str) -> None:
            if not total:
                bars.console.print(what)
                return
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield advance
