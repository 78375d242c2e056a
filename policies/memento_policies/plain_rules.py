"""The rules of a `redaction.yaml` as plain tuples: what is known of them without pydantic."""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """A redaction rule as `schema.RedactionRule` states it."""

    name: str
    kind: str
    enabled: bool
    token: str | None
    pattern: str | None
    near: str | None
    value: str | None
    reach: str | None
    scan: str | None
    keywords: tuple[str, ...]
    entropy: float
    check: str | None
    allow: tuple[str, ...]
    unless: tuple[str, ...]


class Placeholders(NamedTuple):
    """What looks like a secret and is none, as in `schema.Placeholders`."""

    exact: tuple[str, ...]
    words: tuple[str, ...]
    patterns: tuple[str, ...]


class Rules(NamedTuple):
    """The rules of one `redaction.yaml`, as `schema.RedactionFile` states them."""

    placeholders: Placeholders
    rules: tuple[Rule, ...]
