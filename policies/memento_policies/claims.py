"""What a sentence claims or denies: English only.

"We deploy on Fridays" and "we no longer deploy on Fridays" are one claim and its denial: the same content words in the
same order. What is asked, considered, quoted or said in part ("not only", "not always") claims nothing; neither does
what refers to another sentence ("it works again") or tells of the moment ("the login does not work").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from memento_policies.words import plain

_MOST_WORDS: Final = 18
_MOST_CHARS: Final = 400
_QUOTED: Final = re.compile(r"\"[^\"]*\"|“[^”]*”|«[^»]*»|(?<!\w)'[^']* [^']*'(?!\w)")
_CORRECTION: Final = (
    "correction|i was wrong|my mistake|my bad|scratch that|strike that|i misspoke|i take that back|that was wrong|"
    "let me correct (?:that|myself)|to correct myself"
)
_OPENING: Final = re.compile(
    rf"(?:(?:{_CORRECTION}|update|edit|note(?: that)?|heads up|reminder|fyi|actually|in fact|"
    "(?:as )?(?:it )?turns out(?: that)?|for the record|just so you know|remember(?: that)?|please|no|wait|sorry|ok|"
    "okay|well|so|and|but|also|oh|hey|right|as of (?:now|today|this week|yesterday)|from now on|starting today|"
    r"as decided|after all|these days|since (?:last|this) \w+|(?:we|the team) decided that)\b[\s,:;.–—-]*)+"
)
"""What a sentence may begin with without saying anything else."""
_CORRECTS: Final = re.compile(rf"\b(?:{_CORRECTION})\b")
_PARTLY: Final = "all|always|because|entirely|just|merely|necessarily|often|only|quite|really|simply|usually"
OPEN: Final = re.compile(
    r"\b(?:if|unless|maybe|perhaps|possibly|probably|could|might|would|wouldn't|couldn't|what|whether|not sure|i think|"
    r"i guess|i hope|i wish|suppose|supposing|imagine|hypothetically|let's say|assume|assuming|pretend|for example|"
    r"e\.g|said|says|say|told|tells|claims|claimed|asked|heard|wrote|thinks|thought|believes|nobody|no one|none of|"
    r"until|except|didn't|did not|wasn't|weren't|was|were|hadn't|haven't|hasn't|almost|nearly|planned|plan to|want to|"
    r"wanted|going to|used to)\b"
    rf"|\bnot? (?:every|everyone|sure|{_PARTLY})\b|n't (?:every|{_PARTLY})\b"
    r"|\b(?:don't|do not) (?:forget|worry|hesitate)\b"
)
"""What leaves open whether something is so, reports it, denies a part of it, or says it of the past."""
_RATHER_THAN: Final = re.compile(r",? (?:instead of|rather than) |, (?:and )?not ")
_CUT: Final = re.compile(
    r"[,;:()–—]|\s-\s|\b(?:because|since|so that|due to|as of|from now on|starting|any ?more|any longer|at the moment|"
    r"for now|these days|nowadays|at all|after all|right now|today|going forward)\b"
)
"""Where a reason, a time or another clause begins."""
NEGATIONS: Final = re.compile(
    r"\b(?:(?P<must>(?:do|does) not|don't|doesn't) (?:have|need) to"
    r"|(?:do|does|is|are|am|will|can|should|must|may|shall|need) not|cannot|no longer|not|never|no"
    r"|(?:do|does|is|are|ca|wo|should|must|need)n't"
    r"|(?P<stopped>(?:have |'ve )?(?:stopped|quit|ceased|gave up)(?= \w+ing\b))"
    r"|(?P<dropped>(?:have |'ve )?(?:dropped|ditched|abandoned|got rid of|moved away from|moved off(?: of)?)))(?=\s|$)"
)
_MUST: Final = re.compile(r"\b(?:must|ha(?:ve|s) to|needs? to)\b")
_AND: Final = re.compile(r"\b(?:and|or|nor)\b")
_OPPOSITES: Final = {
    "disabled": "enabled", "disable": "enable", "off": "on", "forbidden": "allowed", "prohibited": "allowed",
    "banned": "allowed", "disallowed": "allowed", "forbid": "allow", "disallow": "allow", "optional": "required",
    "unsupported": "supported", "inactive": "active", "unused": "used", "unencrypted": "encrypted",
}  # fmt: skip
_DROPPED: Final = frozenset(
    "we you the a an our my your this these those is are am be been being do does will shall can may should must of "
    "now currently still also again just please always already only usually normally generally sometimes often both "
    "that there's there yet".split()
)
"""What changes nothing about a claim."""
_BREAKS: Final = frozenset(
    "for in on at with to when because since as by via from during after before into under over through without "
    "instead while whenever where per using every each".split()
)
"""Where one of these follows, a claim is whole already: "we use Redis" in "we use Redis for the queue"."""
_POINTING: Final = frozenset(
    "it its it's he she they them him her this that these those one ones there here so".split()
)
_MOMENTARY: Final = frozenset(
    "work pass fail crash compile hang build break load start respond help matter exist show appear happen seem look "
    "feel know understand think remember see mean care mind get".split()
)
"""Verbs of the moment."""
_STATES: Final = frozenset(
    "running ready done finished broken fixed green red down up sure clear correct right wrong true happy ok okay fine "
    "good bad possible empty gone back available sick tired busy late online offline".split()
)
"""States of the moment, where nothing follows."""
_SUBJECTS: Final = frozenset(
    "problem issue bug reason question point idea error test tests fix answer result thing build output code change "
    "file weather day weekend time food family".split()
)
"""Things of the moment."""
_SHORTENED: Final = re.compile(r"\b(i|we|you|they)'(?:m|re|ve|ll|d)\b")
_WORD: Final = re.compile(r"[\w+#@/.'-]*\w[+#]*")


class Claim(NamedTuple):
    """A claim or a denial."""

    words: tuple[str, ...]
    """The content words in order, without the s of plurals and of the third person."""
    denied: bool = False
    breaks: tuple[int, ...] = ()
    """Numbers of words after which the claim is complete; what follows only says where, when or for what."""
    corrects: bool = False
    """It is called a correction: it takes the place of the claim from which it differs in one place."""
    said: str = ""
    """The sentence, in plain words."""
    rather_than: tuple[str, ...] = ()
    """What stood in the place of some of its words: `friday` in "we deploy on Mondays, not Fridays"."""

    @property
    def telling(self) -> bool:
        """Whether it can contradict an ordinary claim."""
        return bool(self.denied or self.corrects or self.rather_than)

    def names(self) -> list[int]:
        """Return the hashes of its words, and of those beginnings of them that are whole claims."""
        return [hash(self.words), *(hash(self.words[:length]) for length in self.breaks)]

    def contradicts(self) -> list[int]:
        """Return the hashes of the claims that it denies."""
        return [hash(self.words)] if self.denied else [hash(words) for words in self.alternatives()]

    def alternatives(self) -> Iterator[tuple[str, ...]]:
        """Yield the claims that "X, not Y" denies: Y in the place of as many words of X."""
        size = len(self.rather_than)
        for start in range(len(self.words) - size + 1 if size else 0):
            yield (*self.words[:start], *self.rather_than, *self.words[start + size :])


def spoken(sentence: str) -> str:
    """Return a sentence in plain words without its opening; nothing for a question, what is quoted and long ones."""
    said = plain(sentence[:_MOST_CHARS]).strip().strip("*_`-• ")
    if len(sentence) > _MOST_CHARS or said.startswith(">") or said.endswith("?") or _QUOTED.search(said):
        return ""
    opening = _OPENING.match(said)
    return said[opening.end() :] if opening else said


def claims(sentence: str) -> list[Claim]:
    """Return what a sentence claims or denies; a question and what is left open claim nothing."""
    said = spoken(sentence)
    if not said or len(said.split()) > _MOST_WORDS or OPEN.search(said):
        return []
    corrects = bool(_CORRECTS.search(plain(sentence)))
    if (match := _RATHER_THAN.search(said)) and not NEGATIONS.search(said[: match.start()]):
        instead = words_of(_CUT.split(said[match.end() :].rstrip(" .!"))[0])
        words, breaks = _words(said[: match.start()])
        return [Claim(words, False, breaks, corrects, said, instead)] if instead and _lasts(words) else []
    match = _CUT.search(said, 1)
    body, cut, after = (said[: match.start()], match[0], said[match.end() :]) if match else (said, "", "")
    if after and (_AND.search(" ".join(after.split()[:5])) or (cut == "because" and " but " in after)):
        return []  # "we use Redis, Kafka and Postgres", "not because of speed but because of cost"
    claim = _claim(body, corrects)
    return [claim._replace(said=said)] if claim else []


def words_of(text: str) -> tuple[str, ...]:
    """Return the content words of a text, as those of a claim."""
    return _words(plain(text))[0]


def _claim(body: str, corrects: bool) -> Claim | None:
    match = NEGATIONS.search(body)
    denied = match is not None
    if match:
        verb = "" if not match["dropped"] else "" if body[match.end() :].startswith(" support for ") else "use"
        body = f"{body[: match.start()]} {verb} {body[match.end() :].replace(' support for ', ' support ', 1)}"
        if NEGATIONS.search(body):
            return None  # a denial of a denial
    must = bool(_MUST.search(body) or (match and match["must"]))
    words, breaks = _words(_MUST.sub(" ", body), gerund=bool(match and match["stopped"]))
    for number, word in enumerate(words):
        if word in _OPPOSITE_STEMS:
            words, denied = (*words[:number], _OPPOSITE_STEMS[word], *words[number + 1 :]), not denied
            break
    if not _lasts(words):
        return None
    if must:
        words, breaks = ("must", *words), tuple(one + 1 for one in breaks)
    return Claim(words, denied, breaks, corrects)


def _lasts(words: tuple[str, ...]) -> bool:
    """Tell whether content words are a claim that holds for longer, about things that they name."""
    if not 2 <= len(words) <= 12 or (words[0] == "i" and len(words) < 3):
        return False
    passes = POINTING | _MOMENTARY_STEMS
    return passes.isdisjoint(words) and words[-1] not in _STATE_STEMS and words[0] not in _SUBJECT_STEMS


def _words(body: str, *, gerund: bool = False) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the content words, and after how many of them a word follows that only begins to say where or when.

    `gerund` says that the first verb is one, as in "stopped using".
    """
    words: list[str] = []
    breaks: list[int] = []
    for word in _WORD.findall(_SHORTENED.sub(r"\1", body)):
        if word in _BREAKS and (words or not gerund):
            if len(words) >= 2:
                breaks.append(len(words))
        elif word not in _DROPPED:
            words.append(_stem(word, gerund=gerund))
            gerund = gerund and word == "i"
    return tuple(words), tuple(dict.fromkeys(one for one in breaks if one < len(words)))


def _stem(word: str, *, gerund: bool = False) -> str:
    """Return a word without a final s and e; a gerund without its ing. The past keeps its ed: it is another claim."""
    word = word.strip("'./-").removesuffix("'s") or word
    if gerund and word.endswith("ing") and len(word) >= 5:
        word = word[:-3]
        word = word[:-1] if word[-1] == word[-2:-1] and word[-1] not in "ls" else word
    elif word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith("s") and len(word) > 3 and word[-2] not in "su'i":
        word = word[:-1]
    return word.removesuffix("e") if len(word) >= 3 else word


_OPPOSITE_STEMS: Final = {_stem(one): _stem(other) for one, other in _OPPOSITES.items()}
_MOMENTARY_STEMS: Final = frozenset(map(_stem, _MOMENTARY))
_STATE_STEMS: Final = frozenset(map(_stem, _STATES))
_SUBJECT_STEMS: Final = frozenset(map(_stem, _SUBJECTS))
POINTING: Final = frozenset(map(_stem, _POINTING))
"""Words that stand for something named elsewhere, as they are among a claim's."""
