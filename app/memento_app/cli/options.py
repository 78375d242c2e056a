"""Options of commands, declared without typer: importing it takes longer than a running sidecar to answer.

A command's signature is the one place where its options are declared. typer reads it through `as_typer`, for whatever
a user may type; `parse` reads the plain cases from the same signature. Options that several commands share are a
TypedDict, which a command takes as `**name: Unpack[TheDict]`; those that were not given are None, or not in it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from types import NoneType
from typing import Annotated, Any, Final, NamedTuple, Unpack, get_args, get_origin, get_type_hints

_INTEGER: Final = re.compile(r"[0-9]{1,9}")
_NUMBER: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class Option:
    """What typer.Option takes: names, of which `--a/--b` turns a flag on and off, and settings: help, min, max, ..."""

    def __init__(self, *names: str, **settings: Any) -> None:
        self.names, self.settings = names, settings


class Argument:
    """What typer.Argument takes; `parse` reads one that is a list of words."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings


class _Flag(NamedTuple):
    """One spelling of an option."""

    parameter: str
    kind: type
    option: Option
    switch: bool | None
    """What it sets, where it takes no value."""


def as_typer(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command with a signature in which the declarations are typer's own."""
    signature = inspect.signature(command)
    given = {name: one.default for name, one in signature.parameters.items() if one.kind is not one.VAR_KEYWORD}
    command.__dict__["__signature__"] = signature.replace(
        parameters=[
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=given.get(name),
                annotation=_typer_annotation(hint),
            )
            for name, hint in _hints(command).items()
        ]
    )
    return command


def parse(command: Callable[..., Any], arguments: Sequence[str]) -> dict[str, Any] | None:
    """Return what to call the command with; None for all but the plain cases, which are typer's."""
    words: list[str] = []
    given: dict[str, Any] = {}
    argument, flags = _declared(command)
    rest = iter(arguments)
    for one in rest:
        if not one.startswith("-"):
            words.append(one)
            continue
        name, equals, text = one.partition("=")
        flag = flags.get(name)
        if flag is None or (equals and (flag.switch is not None or not name.startswith("--"))):
            return None
        if flag.switch is not None:
            given[flag.parameter] = flag.switch
            continue
        value = _value(flag, text if equals else next(rest, "-"), bool(equals))
        if value is None:
            return None
        given[flag.parameter] = [*given.get(flag.parameter, ()), value] if get_origin(flag.kind) is list else value
    return {argument: words, **given} if words else None


def _value(flag: _Flag, text: str, attached: bool) -> Any:
    """Return the text as the option's value; None if that takes more thought."""
    if not text or (text.startswith("-") and not attached):
        return None
    if flag.kind not in (int, float):
        return text
    if not (_INTEGER if flag.kind is int else _NUMBER).fullmatch(text):
        return None
    value = flag.kind(text)
    least, most = flag.option.settings.get("min", value), flag.option.settings.get("max", value)
    return value if least <= value <= most else None


def _declared(command: Callable[..., Any]) -> tuple[str, dict[str, _Flag]]:
    """Return the name of the parameter that takes the words, and every spelling of every option."""
    words, flags = "", dict[str, _Flag]()
    for name, hint in _hints(command).items():
        if get_origin(hint) is Annotated:
            of, declared = get_args(hint)
            if isinstance(declared, Argument):
                words = name
            else:
                flags.update(_spellings(name, _without_none(of), declared))
    return words, flags


def _hints(command: Callable[..., Any]) -> dict[str, Any]:
    """Return what is declared of each parameter; of an unpacked dictionary, each of its entries."""
    hints: dict[str, Any] = {}
    for name, hint in get_type_hints(command, include_extras=True).items():
        if get_origin(hint) is Unpack:
            hints |= get_type_hints(get_args(hint)[0], include_extras=True)
        elif name != "return":
            hints[name] = hint
    return hints


def _spellings(parameter: str, kind: Any, option: Option) -> Iterator[tuple[str, _Flag]]:
    for name in option.names or (f"--{parameter.replace('_', '-')}",):
        on, _, off = name.partition("/")
        yield on, _Flag(parameter, kind, option, True if kind is bool else None)
        if off:
            yield off, _Flag(parameter, kind, option, False)


def _without_none(hint: Any) -> Any:
    """Return `X` of `X | None`."""
    kinds = [one for one in get_args(hint) if one is not NoneType]
    return kinds[0] if len(kinds) == 1 and NoneType in get_args(hint) else hint


def _typer_annotation(hint: Any) -> Any:
    import typer

    if get_origin(hint) is not Annotated:
        return hint
    of, declared = get_args(hint)
    if isinstance(declared, Option):
        return Annotated[of, typer.Option(*declared.names, **declared.settings)]
    return Annotated[of, typer.Argument(**declared.settings)] if isinstance(declared, Argument) else hint
