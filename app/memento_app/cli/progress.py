"""How far a long command is: bars on a terminal, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from memento_app.cli.output import console, is_terminal, note


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
