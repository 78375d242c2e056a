"""Commands and groups of commands, whose options are declared by `memento.cli.options`; how their help looks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import typer
from typer.core import TyperCommand

from memento.cli.options import as_typer

_LAST: Final = ("db", "json_", "help")
"""The options that every command has."""
_TEXTS: Final = ("query", "text")
_RANGE: Final = re.compile(r"([\d.]+)<=x<=([\d.]+)")
_AT_LEAST: Final = re.compile(r"x>=([\d.]+)")


class Command(TyperCommand):
    """A command. Its help names arguments as they were declared, without Python's types, and ranges in words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; where they are a text, say how a word of it may begin with a dash."""
        try:
            return super().parse_args(ctx, args)
        except Exception as raised:
            error: Any = raised  # click's NoSuchOption, which typer has under a name of its own
            takes_text = any(one.name in _TEXTS for one in self.params)
            if takes_text and hasattr(error, "possibilities") and not error.option_name.startswith("--"):
                error.message += f". Put `--` before a text in which words begin with a dash: {ctx.info_name} -- ..."
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what stands behind the command's name in its usage."""
        return ["[OPTIONS]", *(str(one.metavar) for one in self.params if one.param_type_name == "argument")]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """List arguments, then options, those of every command last."""
        declared = sorted(self.get_params(ctx), key=lambda one: one.name in _LAST)
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            if listed := [one for one in declared if one.param_type_name == kind]:
                with formatter.section(title):
                    formatter.write_dl([_record(one, ctx) for one in listed])


def _record(parameter: Any, ctx: Any) -> tuple[str, str]:
    names, text = parameter.get_help_record(ctx)
    text = _AT_LEAST.sub(r"\1 or more", _RANGE.sub(r"\1 to \2", text))
    return (parameter.metavar, text) if parameter.param_type_name == "argument" else (names, text)


class Group(typer.Typer):
    """typer's group, told what it needs to know in its own terms."""

    def command(self, *names: Any, **settings: Any) -> Callable[[Any], Any]:
        """Return the decorator that adds a command."""
        register = super().command(*names, **{"cls": Command, **settings})
        return lambda command: register(as_typer(command))
