"""A question turned into the sentence its answer would be: "What did Ann buy in May?" becomes "I bought in May".

People speak of themselves in the first person. On conversations between two people this raised recall@5 of dense
search by 27 points over the question as it was asked (docs/recall.md): the sentence, not the question, lies near to
what was said.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

_TOKEN: Final = re.compile(r"\w+(?:['’.-]\w+)*|[^\w\s]")
_ASKING: Final = frozenset("what when where who whom whose why how which".split())
_MEASURE: Final = frozenset("long many much often far old kind type sort of ago".split())
"""What follows a question word and asks with it: `how many`, `what kind of`."""
_AUXILIARY: Final = frozenset(
    "did does do has have had is was were are will would can could should might may 's".split()
)
_THEIRS: Final = {
    "his": "my", "her": "my", "their": "my", "hers": "mine", "theirs": "mine", "he": "I", "she": "I", "they": "I",
    "him": "me", "them": "me", "himself": "myself", "herself": "myself", "themselves": "ourselves",
}  # fmt: skip
_PAST: Final = {
    "be": "was", "become": "became", "begin": "began", "break": "broke", "bring": "brought", "build": "built",
    "buy": "bought", "catch": "caught", "choose": "chose", "come": "came", "cost": "cost", "cut": "cut", "do": "did",
    "draw": "drew", "drink": "drank", "drive": "drove", "eat": "ate", "fall": "fell", "feel": "felt", "fight": "fought",
    "find": "found", "fly": "flew", "forget": "forgot", "get": "got", "give": "gave", "go": "went", "grow": "grew",
    "have": "had", "hear": "heard", "hide": "hid", "hit": "hit", "hold": "held", "hurt": "hurt", "keep": "kept",
    "know": "knew", "lead": "led", "learn": "learned", "leave": "left", "lend": "lent", "let": "let", "lose": "lost",
    "make": "made", "mean": "meant", "meet": "met", "pay": "paid", "put": "put", "read": "read", "ride": "rode",
    "ring": "rang", "run": "ran", "say": "said", "see": "saw", "sell": "sold", "send": "sent", "set": "set",
    "shoot": "shot", "show": "showed", "sing": "sang", "sit": "sat", "sleep": "slept", "speak": "spoke",
    "spend": "spent", "stand": "stood", "steal": "stole", "stick": "stuck", "swim": "swam", "take": "took",
    "teach": "taught", "tell": "told", "think": "thought", "throw": "threw", "understand": "understood",
    "wake": "woke", "wear": "wore", "win": "won", "write": "wrote",
}  # fmt: skip
"""The common irregular verbs of English; the regular ones follow from their spelling."""


def first_person(question: str, names: Collection[str]) -> str:
    """Return the question as a statement in the first person; `names` (lower case) are those who may say it."""
    tokens = _tokens(question)
    said = list(_said(tokens, names))
    return " ".join(said) if said and said != tokens else question


def without_names(question: str, names: Collection[str]) -> str:
    """Return the question without the names and their possessive endings."""
    kept = [token for token in _tokens(question) if _bare(token).lower() not in names]
    return " ".join(kept) or question


def past(verb: str) -> str:
    """Return the simple past of an English verb in its base form."""
    if verb in _PAST:
        return _PAST[verb]
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return verb[:-1] + "ied"
    return verb + "ed"


def _tokens(question: str) -> list[str]:
    return [match[0] for match in _TOKEN.finditer(question)]


def _bare(token: str) -> str:
    return token.replace("’", "'").removesuffix("'s").removesuffix("'")


def _said(tokens: list[str], names: Collection[str]) -> Iterator[str]:
    """Yield the statement's words: without what asks, in the first person, the verb after `did` in the past."""
    asking = True
    did = verb_next = False
    speaker = next((_bare(token).lower() for token in tokens if _bare(token).lower() in names), "")
    for token in tokens:
        lower = token.lower()
        if asking and (lower in _ASKING or lower in _MEASURE):
            continue
        if asking and lower in _AUXILIARY:
            did = lower == "did"
            asking = False
            continue
        if lower == "?":
            continue
        if _bare(token).lower() in names:
            possessive = _bare(token) != token
            if _bare(token).lower() == speaker:
                yield "my" if possessive else "I"
            else:
                yield "your" if possessive else "you"
            verb_next, asking = did and not possessive, False
            continue
        if names and lower in _THEIRS:
            yield _THEIRS[lower]
            verb_next = did and _THEIRS[lower] == "I"
            continue
        if lower == "i" and did:
            verb_next = True
            yield "I"
            continue
        if verb_next and lower.isalpha() and not lower.endswith("ly"):
            yield past(lower) if lower not in ("and", "or") else lower
            verb_next = lower in ("and", "or")
            did = did and verb_next
            continue
        yield token
