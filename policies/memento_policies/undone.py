"""Changes that were taken back: "we rolled back the queue migration", "the switch to pnpm was reverted"."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from memento_policies.claims import NEGATIONS, OPEN, POINTING, spoken, words_of

_ELSEWHERE: Final = re.compile(
    r"\b(?:another|other|different|their|his|her|someone|somebody|former|client's|customer's)\b"
)
_UNDO: Final = re.compile(r"\b(?:rolled|reverted|backed out|undid|undone|took back|pulled|back)\b")
_BACK: Final = re.compile(r"\b(?:back|reverted)\b")
_WAS: Final = re.compile(r"\b(?:was|were)\b")
_WHO: Final = (
    r"^(?:(?:we|i|(?:the )?team|[a-z]+)(?:'ve| have| had)? |we're |)"
    r"(?:just |now |then |since |already |finally |recently |later |had to |)*"
)
_UNDID: Final = r"(?:rolled back|reverted|backed out|undid|took back|pulled)"
_WAS_UNDONE: Final = r" (?:was|were|has been|have been|got|is now) (?:rolled back|reverted|undone|backed out)"
_THE: Final = r"(?:the |our |that |my |a )?"
_CHANGE: Final = (
    r"(?:switch(?:over)?|move|migration|upgrade|change|rename|bump|transition|rollout|update|adoption|release|"
    r"deployment|increase|decrease|raise|refactor(?:ing)?|rewrite|experiment|feature|patch|downgrade|conversion|split)"
)
_NAME: Final = r"[\w.+#/-]+(?: [\w.+#/-]+)"
"""A word; how many may follow it is said where this is used."""
_CHANGE_TO: Final = (
    rf"{_THE}(?:[\w-]+ )?{_CHANGE} (?:of [\w .+#-]{{1,40}}? )?(?:from (?P<back>{_NAME}?) )?"
    rf"to {_THE}(?P<what>{_NAME}{{0,3}}?)"
)
_CHANGE_OF: Final = rf"{_THE}(?P<what>{_NAME}{{0,4}}?)(?: {_CHANGE})?"
_BACK_TO: Final = rf"(?:back )?to {_THE}(?:old |previous )?(?P<back>{_NAME}{{0,3}}?)"
_WENT: Final = r"(?:rolled|went|switched|moved|reverted|changed|migrated|gone)"
_END: Final = (
    r"(?:\s+(?:because|after|since|due to|again|for now|today|yesterday|this \w+|last \w+|on \w+day|in the end|for "
    r"good|it)\b.*|[,;:(–—].*|\s-\s.*|[.!\s]*)$"
)
"""What may follow: anything else, as "in another project", says that something else is meant."""
_PATTERNS: Final = tuple(
    re.compile(pattern + _END)
    for pattern in (
        rf"{_WHO}{_UNDID} {_CHANGE_TO}",
        rf"^{_CHANGE_TO}{_WAS_UNDONE}",
        rf"{_WHO}{_WENT} (?:[\w .+#-]{{1,40}}? )?(?:back )?(?:from (?:the )?(?P<what>{_NAME}?) )?{_BACK_TO}",
        rf"^(?:we're|we are|i'm|i am) (?:now )?back (?:on|to|with) (?P<back>{_NAME}{{0,2}}?)",
        rf"{_WHO}{_UNDID} {_CHANGE_OF}",
        rf"{_WHO}rolled {_CHANGE_OF} back",
        rf"^{_CHANGE_OF}{_WAS_UNDONE}",
    )
)


class Undone(NamedTuple):
    """A change that was taken back, in words as those of a claim."""

    what: tuple[str, ...]
    """What was undone; empty where only the state that came back is named."""
    back_to: tuple[str, ...]
    """What holds again; empty where that is not said."""
    said: str
    """The sentence, in plain words."""


def undone(sentence: str) -> Undone | None:
    """Return the change that a sentence says was taken back, where it names one."""
    said = spoken(sentence) if _UNDO.search(sentence.lower()) else ""
    if not said or OPEN.search(_WAS.sub("", said)) or NEGATIONS.search(said) or _ELSEWHERE.search(said):
        return None
    for pattern in _PATTERNS:
        if match := pattern.search(said):
            groups = match.groupdict()
            if "what" not in pattern.groupindex or groups.get("what") or _BACK.search(said):
                what, back_to = (words_of(groups.get(name) or "") for name in ("what", "back"))
                return (
                    Undone(what, back_to, said) if (what or back_to) and POINTING.isdisjoint(what + back_to) else None
                )
    return None
