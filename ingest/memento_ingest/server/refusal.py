"""How a request is turned down: a status, what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from memento.base.escaping import escape_line


class Refusal(Exception):
    """A request that is not served. It becomes the answer {"error": ..., "remedy": ...}."""

    def __init__(self, status: int, error: str, remedy: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.remedy = status, error, remedy
        self.headers = dict(headers or {})

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-serialisable form, which repeats what was asked for: escaped, for it is shown to people."""
        return {"error": escape_line(self.error), "remedy": escape_line(self.remedy)}


def unknown(kind: str, name: str, known: Iterable[str]) -> Refusal:
    """Return the refusal of a name that means nothing, with the nearest one that does."""
    known = list(known)
    near = get_close_matches(name, known, n=1, cutoff=0.4)
    remedy = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}" if known else "leave it out"
    return Refusal(400, f"unknown {kind} `{name[:100]}`", remedy)
