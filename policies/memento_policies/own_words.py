"""What somebody says themselves, without what they quote: a pasted page gives nobody's standing instructions.

Left out are fenced blocks and what stands between `<tag>` and `</tag>` over several lines: `<document>`, `<file>`,
`<INSTRUCTIONS>` of a repository. Most pages, logs and issues are pasted without either. So of a message of three or
more lines only the first and the last paragraph can be the writer's own, and no line that looks like a log, a quotation
or a document's markup. Whether the last one is depends on what stands around it: it is not where the first introduces
what is pasted ("see this page:"), nor where nobody speaks of themselves, asks, or lays down a rule.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

_OPENING: Final = re.compile(
    r"^[ \t>*-]{0,8}(?:(`{3,}|~{3,})[^\n`]*"
    r"|<(?!(?:rules?|preferences?|instructions?|important)\b)([A-Za-z][\w.:-]{0,40})(?:\s[^<>\n]{0,300})?>.*)$",
    re.MULTILINE,
)
"""A line that begins something quoted. Some people put what they want themselves between tags."""
_CUT: Final = "```"
"""The line that stands for a quotation that was left out."""
_FEW: Final = 2
"""A message of so many lines, and so many lines of a paragraph, are somebody's own."""
_WRAPPED: Final = 40
"""Characters; a longer line that does not end a sentence goes on in the next one, if that begins in lower case."""
_LOOKED_AT: Final = 400
"""Characters of a paragraph."""

_LOG: Final = re.compile(
    r"\s*(?:```|~~~|[>|{}\]]|\$ |❯ |>>> |\+\+\+ |--- |@@ |diff --git|at \S+ ?\(|File \"|Traceback|goroutine \d"
    r"|\W{0,2}\d{4}[-/]\d\d[-/]\d\d|\W{0,2}\d\d:\d\d:\d\d|\W?(?:INFO|WARN(?:ING)?|ERROR|DEBUG|TRACE|FATAL|NOTICE)\b"
    r"|(?:npm|yarn|pnpm|pip|error|warning|hint|fatal|remote)(?:\[\w+\])?[:!] |\w+(?:Error|Exception|Warning)\b)"
)
"""How a line of a log, a diff, a shell or a quotation begins."""
_MARKUP: Final = re.compile(r"\s*(?:#{1,6}\s|!\[|\[!\[|\[[^\]\n]{1,80}\]\(|<[/!]?[A-Za-z]|[-=*_]{3,}\s*$)")
"""How a line of a document begins that is no sentence."""
_OWN_TAG: Final = re.compile(r"\s*<(?:rules?|preferences?|instructions?|important)>")
_LISTED: Final = re.compile(r"\s*(?:[-*•]|\d{1,2}[.)])\s")
_PASTED: Final = (
    r"(?:pages?|articles?|readme|docs?|documents?|documentation|guides?|manuals?|issues?|tickets?|reports?|logs?|output"
    r"|errors?|trace(?:back)?|text|excerpt|e-?mails?|messages?|posts?|threads?|comments?|snippets?|diff|information"
    r"|contributing|changelog|transcript|review)"
)
_REFERS: Final = re.compile(
    r"\b(?:here(?:['’]s| is| are)|(?:this|that|it|these)(?:['’]s| is| are| was)?|see|look at|read|check|summari[sz]e"
    r"|translate|explain|review|consider|got|get|found|following|below|above|attached|pasted?|from the|what does)"
    rf"\W+(?:\w+\W+){{0,3}}?{_PASTED}\b"
    rf"|\b{_PASTED} (?:below|above|says?|said|reads?)\b|\b(?:as follows|tl;?dr|summari[sz]e)\b"
    r"|\b(?:see|look at|read|check|translate|explain|review) (?:this|that|these|what)\b",
    re.IGNORECASE,
)
"""Speaks of what is pasted beside it."""
_PERSONAL: Final = re.compile(
    r"\b(?:i|i['’](?:m|d|ve|ll)|my|me|mine)\b|\b(?:can|could|would) you\b|[?？]\s*$"
    r"|\b(?:ich|mein\w*|mir|je|mon|ma|mes|yo|mis?|eu|meu|minha|я|мне|мой|моя|мои)\b|[我私僕俺]",
    re.IGNORECASE,
)
"""Somebody speaks of themselves, or asks: few pages and no logs do."""
_RULES: Final = re.compile(
    r"\W*(?:(?:ok(?:ay)?|and|also|so|please|pls|hey|btw)[,.!]?\s+)*"
    r"(?:from (?:now|here) on|going forward|always|never|don['’]t|do not"
    r"|(?:my|our|some|a few) (?:\w+ )?(?:rules?|preferences?|conventions?)\b"
    r"|(?:house |ground )?(?:rules?|preferences?|conventions?):"
    r"|(?:follow|stick to|respect|keep to|remember|note) (?:these|the following|this|that|my|our)\b"
    r"|ab jetzt|immer|désormais|toujours|a partir de|siempre|sempre|всегда|以后|始终|今後|常に)",
    re.IGNORECASE,
)
"""How somebody begins who lays down rules, and then may list them."""

_Paragraph = Sequence[str]
"""Its lines; those of one wrapped sentence are one."""


def own_words(text: str) -> str:
    """Return a text without what it quotes; what never ends between marks is no quotation by them."""
    lines = _unquoted(text)
    said = [line for line in lines if line != _CUT]
    if sum(1 for line in said if line.strip()) <= _FEW or _OWN_TAG.match(text):
        return "\n".join(said)
    return "\n".join(_around_pasted(_paragraphs(lines)))


def _unquoted(text: str) -> list[str]:
    """Return the lines that no marks enclose, and _CUT for those that some do."""
    if "```" not in text and "~~~" not in text and "</" not in text:
        return text.split("\n")
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
        kept += [*text[done : match.start()].split("\n"), _CUT]
        done = place = end + len(closing)
    return [*kept, *text[done:].split("\n")]


def _paragraphs(lines: Sequence[str]) -> list[_Paragraph]:
    """Return what blank lines and quotations separate; where there is one only, each of its lines."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line == _CUT:
            found += [[line], []]
        elif not line.strip():
            found.append([])
        elif found[-1] and _goes_on(found[-1][-1], line):
            found[-1][-1] += "\n" + line
        else:
            found[-1].append(line)
    told: list[_Paragraph] = [one for one in found if one]
    return told if len(told) > 1 else [[line] for one in told for line in one]


def _goes_on(before: str, line: str) -> bool:
    last = before[before.rfind("\n") + 1 :]
    return len(last) >= _WRAPPED and last.rstrip()[-1] not in ".!?:;`{}" and line[:1].islower() and not _is_pasted(last)


def _around_pasted(paragraphs: Sequence[_Paragraph]) -> list[str]:
    """Return the lines of the first and the last paragraph that are somebody's own."""
    first, rest = paragraphs[0], paragraphs[1:]
    kept = [] if rest and _is_pasted_before(first, rest[-1]) else _outer(first)
    if kept and _RULES.match(first[0]):
        listed = list(takewhile(lambda one: all(map(_LISTED.match, one)), rest))
        kept += [line for one in listed for line in one]
        rest = rest[len(listed) :]
    if rest and _is_said_after(first, rest[:-1], rest[-1]):
        kept += _outer(rest[-1][::-1])[::-1]
    return kept


def _is_pasted_before(first: _Paragraph, last: _Paragraph) -> bool:
    """Tell whether the last paragraph speaks of the first as of something pasted."""
    return not _speaks(first) and bool(_REFERS.search(_text(last)))


def _is_said_after(first: _Paragraph, between: Sequence[_Paragraph], last: _Paragraph) -> bool:
    """Tell whether somebody says the last paragraph of what stands before it; else it is the end of that."""
    logged = [bool(_LOG.match(line)) for one in between for line in one]
    if logged and all(logged):
        return True
    if _is_pasted(first[0]):
        return _speaks(last) or all(map(_LOG.match, first))
    if _introduces(_text(first)):
        return False
    return _speaks(first) or _speaks(last) or bool(_RULES.match(first[0]))


def _outer(lines: _Paragraph) -> list[str]:
    """Return the lines of a paragraph that are somebody's own, from its outer end on."""
    kept: list[str] = []
    for line in takewhile(lambda one: not _is_pasted(one), lines):
        kept.append(line)
        if _introduces(line) and not _RULES.match(line):
            break
    is_own = len(kept) <= _FEW or _speaks(kept) or any(map(_RULES.match, (kept[0], kept[-1])))
    return kept if is_own else kept[:1]


def _is_pasted(line: str) -> bool:
    return bool(_LOG.match(line) or _MARKUP.match(line))


def _introduces(text: str) -> bool:
    return text.rstrip().endswith((":", "：")) or bool(_REFERS.search(text[:_LOOKED_AT]))


def _speaks(lines: Sequence[str]) -> bool:
    return bool(_PERSONAL.search(text := _text(lines)) or _REFERS.search(text))


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines)[:_LOOKED_AT]
