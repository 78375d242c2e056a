"""Commands and groups of commands, whose options are declared by `memento_app.cli.options`; how their help looks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import typer
from typer.core import TyperCommand

from memento_app.cli.options import as_typer

_LAST: Final = ("db", "json_", "help")
"""The options that every command has."""
_TEXTS: Final = ("query", "text", "payload")
"""The arguments that are no names: their command says what it makes of an empty one."""
_RANGE: Final = re.compile(r"([\d.]+)<=x<=([\d.]+)")
_AT_LEAST: Final = re.compile(r"x>=([\d.]+)")


class Command(TyperCommand):
    """A command. Its help names arguments as they were declared, without Python's types, and ranges in words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; say how one may begin with a dash.

        An empty name or option is refused: most often it is a variable that is not set, and `forget` with a filter less
        than was meant would take too much.
        """
        given = list(args)
        try:
            rest = super().parse_args(ctx, args)
        except Exception as raised:
            error: Any = raised  # click's own, which typer has under a name of its own
            takes_words = any(one.param_type_name == "argument" for one in self.params)
            if takes_words and "--" not in given and _is_about_dashes(error, given):
                remedy = f"Put `--` before words that begin with a dash: {ctx.info_name} -- ..."
                error.message = f"{error.message.rstrip('.')}. {remedy}" if error.message else remedy
            raise
        for one in self.params:
            value = ctx.params.get(one.name)
            if one.param_type_name == "argument" and one.name not in _TEXTS and "" in _texts(value):
                raise typer.BadParameter(f"{str(one.metavar).strip('[].')} is empty: give one", ctx=ctx)
            if one.param_type_name == "option" and _was_given(ctx, one.name) and "" in _texts(value):
                raise typer.BadParameter(f"{one.opts[0]} is empty: give a value, or leave it out", ctx=ctx)
        return rest

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


def _is_about_dashes(error: Any, arguments: list[str]) -> bool:
    """Tell whether a usage error is about an option that does not exist or has no value, or words taken for options."""
    is_missing_words = getattr(getattr(error, "param", None), "param_type_name", "") == "argument"
    return hasattr(error, "option_name") or (is_missing_words and any(one.startswith("-") for one in arguments))


def _was_given(ctx: Any, name: str) -> bool:
    return getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"


def _texts(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [None if value is None else str(value)]


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
