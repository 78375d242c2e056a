"""Errors of policy files in a person's words: `file:line: key.path: problem; did you mean 'x'?`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from inspect import isclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from yaml.nodes import MappingNode, Node, SequenceNode

from memento_policies.nodes import rule_name

Location = Sequence[str | int]
"""The way to a value: keys and list indexes, as pydantic gives it."""

_MAX_SHOWN = 10


def describe(root: Node, location: Location, problem: str) -> str:
    """Return `file:line: key.path: problem`; list items are called by their rule's name."""
    marked, node, path = root, root, list[str]()
    for step in location:
        if isinstance(node, MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == step), None)
            if pair is None:
                break
            marked, node = pair
            path.append(str(step))
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            marked = node = node.value[step]
            path.append(rule_name(node) or str(step))
        else:
            break
    where = f"{marked.file}:{marked.start_mark.line + 1}"  # type: ignore[attr-defined]
    return ": ".join(part for part in (where, ".".join(path), problem) if part)


def describe_all(root: Node, model: type[BaseModel], invalid: ValidationError) -> str:
    """Return one line for each of pydantic's complaints, the first ten."""
    errors = invalid.errors(include_url=False, include_input=False)
    lines = [describe(root, error["loc"], _problem(model, error)) for error in errors[:_MAX_SHOWN]]
    if len(errors) > _MAX_SHOWN:
        lines.append(f"... and {len(errors) - _MAX_SHOWN} more")
    return "\n".join(lines)


def nearest(word: str, valid: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the valid word closest to a misspelt one, or an empty string."""
    close = difflib.get_close_matches(word, list(valid), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""


def _problem(model: type[BaseModel], error: Any) -> str:
    *parents, key = error["loc"] or ("",)
    if error["type"] == "extra_forbidden":
        return f"unknown key{nearest(str(key), _keys_at(model, parents))}"
    if error["type"] == "missing":
        return f"the key '{key}' is required"
    if error["type"] == "literal_error":
        return str(error["msg"]).removeprefix("Input ")
    return str(error["msg"]).removeprefix("Value error, ")


def _keys_at(model: type[BaseModel], location: Location) -> list[str]:
    """Return the keys the schema allows in the mapping at `location`."""
    for step in location:
        if isinstance(step, str):
            annotation = model.model_fields[step].annotation
            candidates = (annotation, *get_args(annotation))
            model = next(c for c in candidates if isclass(c) and issubclass(c, BaseModel))
    return list(model.model_fields)
