"""The named ways in which a secret goes on from where a rule's pattern recognised it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from memento_policies import key_blocks, values

Reach = Callable[[bytes, int, int], tuple[int, int] | None]
"""From the text and the span of the pattern's match to the span of the secret."""

REACHES: Mapping[str, Reach] = {
    "value": values.value_at,
    "key_block": key_blocks.from_begin,
    "key_end": key_blocks.to_end,
    "key_lines": key_blocks.lines_from,
    "key_body": key_blocks.bare_lines,
}
