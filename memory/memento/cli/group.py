"""A group of commands whose options are declared by `memento.cli.options`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from memento.cli.options import as_typer


class Group(typer.Typer):
    """typer's group, told what it needs to know in its own terms."""

    def command(self, *names: Any, **settings: Any) -> Callable[[Any], Any]:
        """Return the decorator that adds a command."""
        register = super().command(*names, **settings)
        return lambda command: register(as_typer(command))
