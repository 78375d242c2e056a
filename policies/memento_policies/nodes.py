"""YAML as nodes that remember their file: parsing, and merging a user's file over a shipped one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from memento_policies.errors import PolicyError

# The C loader composes the shipped rules about ten times faster; both are the safe loader.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def compose(content: bytes, name: str) -> Node | None:
    """Parse YAML; every node gets an attribute `file` holding `name`. An empty file gives None.

    Raises PolicyError for anything but plain YAML in UTF-8, and for what YAML would silently swallow: a repeated key,
    a repeated rule name.
    """
    try:
        node: Node | None = _Loader(content.decode()).get_single_node()
    except UnicodeDecodeError as error:
        raise PolicyError(f"{name}: is not UTF-8 (byte {error.start}): save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PolicyError(f"{name}:{line}: is not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise PolicyError(f"{name}: is not valid YAML: {' '.join(str(error).split())}") from error
    if node is not None:
        _stamp(node, name)
    return node


def construct(node: Node) -> Any:
    """Return the plain values of a node, as `yaml.safe_load` would. Raises PolicyError for an unsafe or bad tag."""
    try:
        return yaml.SafeLoader("").construct_document(node)
    except (yaml.MarkedYAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{node.file}:{mark.line + 1}" if mark else node.file  # type: ignore[attr-defined]
        raise PolicyError(f"{where}: is not plain YAML: {getattr(error, 'problem', error)}") from error


def merge(base: Node, over: Node) -> Node:
    """Lay `over` on `base`: mappings by key, lists of named rules by name (new ones first), the rest is replaced."""
    if isinstance(base, MappingNode) and isinstance(over, MappingNode):
        pairs = {key.value: (key, value) for key, value in base.value}
        for key, value in over.value:
            pairs[key.value] = (key, merge(pairs[key.value][1], value) if key.value in pairs else value)
        return _like(over, list(pairs.values()))
    if isinstance(base, SequenceNode) and isinstance(over, SequenceNode) and _all_named(base) and _all_named(over):
        known = {rule_name(rule): rule for rule in base.value}
        changed = {rule_name(rule): rule for rule in over.value}
        new = [rule for name, rule in changed.items() if name not in known]
        return _like(over, new + [merge(r, changed[n]) if n in changed else r for n, r in known.items()])
    return over


def rule_name(node: Node) -> str | None:
    """Return the value of a mapping's key `name`, if it has one."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == "name" and isinstance(value, ScalarNode):
                return str(value.value)
    return None


def _all_named(node: SequenceNode) -> bool:
    return bool(node.value) and all(rule_name(item) is not None for item in node.value)


def _like(node: Node, value: list[Any]) -> Node:
    merged: Node = type(node)(node.tag, value, node.start_mark, node.end_mark)
    merged.file = node.file  # type: ignore[attr-defined]
    return merged


def _stamp(root: Node, name: str) -> None:
    seen: set[int] = set()
    pending = [root]
    while pending:
        node = pending.pop()
        line = node.start_mark.line + 1
        if id(node) in seen:
            raise PolicyError(f"{name}:{line}: aliases are not supported: write the value out")
        seen.add(id(node))
        node.file = name  # type: ignore[attr-defined]
        if isinstance(node, MappingNode):
            _refuse_repeats([key for key, _ in node.value], lambda key: key.value, name)
            pending.extend(child for pair in node.value for child in pair)
        elif isinstance(node, SequenceNode):
            _refuse_repeats(node.value, rule_name, name)
            pending.extend(node.value)


def _refuse_repeats(nodes: list[Node], word_of: Callable[[Any], Any], name: str) -> None:
    words: set[str] = set()
    for node in nodes:
        word = word_of(node)
        if not isinstance(word, str):
            continue
        if word in words:
            raise PolicyError(f"{name}:{node.start_mark.line + 1}: '{word}' is given twice: keep one")
        words.add(word)
