"""What somebody says themselves, without what they quote: a pasted page gives nobody's standing instructions.

Left out are fenced blocks and what stands between `<tag>` and `</tag>` over several lines: `<document>`, `<file>`,
`<INSTRUCTIONS>` of a repository. A page that is pasted without either cannot be told from what is said of it.
"""

from __future__ import annotations

import re
from typing import Final

_OPENING: Final = re.compile(
    r"^[ \t>*-]{0,8}(?:(`{3,}|~{3,})[^\n`]*"
    r"|<(?!(?:rules?|preferences?|instructions?|important)\b)([A-Za-z][\w.:-]{0,40})(?:\s[^<>\n]{0,300})?>.*)$",
    re.MULTILINE,
)
"""A line that begins something quoted. Some people put what they want themselves between tags."""


def own_words(text: str) -> str:
    """Return a text without what it quotes; what never ends is no quotation."""
    if "```" not in text and "~~~" not in text and "</" not in text:
        return text
    kept: list[str] = []
    unclosed: set[str] = set()
    done = place = 0
    while match := _OPENING.search(text, place):
        fence, tag = match.groups()
        closing = f"\n{fence}" if fence else f"</{tag}>"
        end = -1 if closing in unclosed else text.find(closing, match.end())
        if end < 0:
            unclosed.add(closing)
            place = match.end()
            continue
        kept.append(text[done : match.start()])
        done = place = end + len(closing)
    return "\n".join([*kept, text[done:]])
