"""A count and what is counted, in words."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """Return `1 memory`, `2 memories`, `1,000 files`; `many` where `one` does not simply take an s or ies."""
    if number == 1:
        return f"1 {one}"
    return f"{number:,} {many or (one[:-1] + 'ies' if one.endswith('ry') else one + 's')}"
