"""The two parts of a tool's record: what it was given, and what it returned.

Formats write both as one text, `Bash: git status`, then a line that begins with an arrow. Some write two records, some
know only one part.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from memento_policies.message import Kind, Role

Part = Literal["call", "output"]
ARROW: Final = "→ "
"""What stands before a tool's output, at the beginning of a line."""
_ARROW: Final = ARROW.encode()
_SEAM: Final = b"\n" + _ARROW


class ToolParts(NamedTuple):
    """A tool's record, taken apart; what it lacks is empty."""

    call: bytes
    output: bytes


def tool_parts(text: bytes, role: Role, kind: Kind) -> ToolParts:
    """Return the parts of a tool's record in UTF-8.

    Without an arrow, an agent's record is a call and a tool's turn an output; any other may be either.
    """
    if text.startswith(_ARROW):
        return ToolParts(b"", text[len(_ARROW) :])
    call, seam, output = text.partition(_SEAM)
    if seam:
        return ToolParts(call, output)
    if role != "tool":
        return ToolParts(text, b"")
    return ToolParts(text if kind == "tool_call" else b"", text)
