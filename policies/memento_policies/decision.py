"""What a policy decided about a message, with the reasons a person can read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Reason(NamedTuple):
    """One feature that spoke for (positive points) or against (negative points) keeping a message."""

    name: str
    points: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Keep or skip, and everything that is written if it is kept."""

    keep: bool
    reason: str
    """One snake_case word under which the decision is counted, `acknowledgement` or `decision` for instance."""
    reasons: tuple[Reason, ...]
    """The features that led there, the weightiest first."""
    text: str
    """The message's text with every secret replaced: the only form that may be written anywhere."""
    tags: tuple[str, ...]
    importance: float
    """In [0, 1]."""
    redactions: Mapping[str, int]
    """How many secrets of each kind were replaced."""
    links: tuple[str, ...] = ()
    """One `kind/hash` per different secret, where the policy has a key: equal secrets have equal links."""
