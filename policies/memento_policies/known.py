"""What a voice has said, and what of it is no longer so when it says something else."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from memento_policies.claims import Claim, words_of
from memento_policies.instructions import Alternatives, Instruction
from memento_policies.statements import Said, Statement
from memento_policies.undone import Undone

CORRECTABLE: Final = 2_000
"""Claims that are searched for what a correction is about: it was said not long ago."""


class Replaced(NamedTuple):
    """What is no longer so, and who had said it."""

    of: str
    """The thing, or the claim."""
    why: str
    source: str


class Known:
    """What one voice has said last: of each thing, as claims, and of changes."""

    def __init__(self, alternatives: Alternatives | None = None) -> None:
        self._alternatives = alternatives or Alternatives(())
        self._told: defaultdict[str | frozenset[str], list[tuple[Instruction, str]]] = defaultdict(list)
        """Standing instructions that hold, and who gave them, by their frame and by each of their words."""
        self._said: dict[str, tuple[str, str]] = {}
        self._things: defaultdict[str, set[str]] = defaultdict(set)
        self._before: dict[str, list[str]] = {}
        """What was said of a thing before, the oldest first."""
        self._changed: set[str] = set()
        """Things whose latest statement is a change."""
        self._claimed: dict[int, str] = {}
        self._denied: dict[int, str] = {}
        """Who claimed and denied what last, by the hash of its words."""
        self._whole: dict[int, list[str]] = {}
        """Who claimed more than these words, which are a claim already."""
        self._recent: deque[tuple[Claim, str]] = deque(maxlen=CORRECTABLE)

    def hear(self, said: Said | Instruction, source: str) -> list[Replaced]:
        """Take in what was said; return what it replaces, each thing once."""
        if isinstance(said, Instruction):
            replaced = self._hear_instruction(said, source)
        elif isinstance(said, Claim):
            replaced = self._hear_claim(said, source)
        elif isinstance(said, Undone):
            replaced = self._hear_undone(said, source)
        else:
            replaced = self._hear_statement(said, source)
        return [one for one in replaced if one.source != source]

    def _hear_statement(self, statement: Statement, source: str) -> list[Replaced]:
        things = [statement.of] if statement.of else sorted(self._things[statement.was])
        if len(things) > 1 and (not statement.change or _VERSION.fullmatch(statement.was)):
            return []  # "it is 5, not 3": of which of the things that are 3?
        if statement.was and not things:
            things = [f"what was {statement.was}"]  # nothing was said of it before; it can be replaced in its turn
        replaced = []
        for of in things:
            was, who = self._said.get(of, ("", source))
            if was and was != statement.value:
                replaced.append(Replaced(of, _became(of, was, statement.value), who))
            self._set(of, statement.value, source, statement.was)
            (self._changed.add if statement.change else self._changed.discard)(of)
        return replaced

    def _set(self, of: str, value: str, source: str, was: str = "") -> None:
        before = self._said[of][0] if of in self._said else was
        if before and before != value:
            self._before[of] = [*self._before.get(of, [])[-_REMEMBERED:], before]
            self._things[before].discard(of)
        self._things[value].add(of)
        self._said[of] = value, source

    def _hear_claim(self, claim: Claim, source: str) -> list[Replaced]:
        here, why = hash(claim.words), f"then said: {claim.said!r}"
        whose, others = (self._denied, self._claimed) if claim.denied else (self._claimed, self._denied)
        replaced = []
        if who := others.pop(here, ""):
            replaced.append(Replaced(" ".join(claim.words), why, who))
        if claim.denied:
            replaced += [Replaced(" ".join(claim.words), why, who) for who in self._whole.pop(here, ())]
        for words in claim.alternatives():
            if who := self._claimed.pop(hash(words), ""):
                replaced.append(Replaced(" ".join(words), why, who))
        if claim.corrects and (corrected := self._corrected(claim)):
            old, who = corrected
            replaced.append(Replaced(" ".join(old.words), why, who))
        whose[here] = source
        if not claim.denied:
            for length in claim.breaks:
                self._whole.setdefault(hash(claim.words[:length]), []).append(source)
            self._recent.append((claim, source))
        return replaced

    def _corrected(self, claim: Claim) -> tuple[Claim, str] | None:
        """Return the latest claim from which a correction differs in one place, and who claimed it."""
        return next((one for one in reversed(self._recent) if _differ_in_one_place(one[0].words, claim.words)), None)

    def _hear_instruction(self, new: Instruction, source: str) -> list[Replaced]:
        keys: tuple[str | frozenset[str], ...] = (self._alternatives.frame(new), *new.words)
        near = [one for key in (keys[0], *new.instead) for one in self._told[key]]
        outdated = [one for one in dict.fromkeys(near) if self._alternatives.supersedes(new, one[0])]
        for old in outdated:
            known: tuple[str | frozenset[str], ...] = (self._alternatives.frame(old[0]), *old[0].words)
            for key in known:
                self._told[key] = [one for one in self._told[key] if one != old]
        for key in keys:
            self._told[key].append((new, source))
        return [Replaced(" ".join(old.words), f"then asked for: {new.said!r}", who) for old, who in outdated]

    def _hear_undone(self, undone: Undone, source: str) -> list[Replaced]:
        what, back_to = " ".join(undone.what), " ".join(undone.back_to)
        replaced = []
        for of, (value, who) in list(self._said.items()):
            key = _plain_key(value)
            was_before = bool(back_to) and any(_plain_key(one) == back_to for one in self._before.get(of, ()))
            is_changed = of in self._before or of in self._changed
            names_it = bool(what) and (key == what or (_plain_key(of) == what and is_changed))
            if key != back_to and (names_it or (was_before and not what) or _other_version(key, back_to)):
                replaced.append(Replaced(of, _became(of, value, back_to or "undone"), who))
                self._set(of, back_to or next(reversed(self._before.get(of, [])), ""), source)
                self._changed.discard(of)
        for claim, who in reversed(self._recent):
            if _is_undone(claim, undone):
                replaced.append(Replaced(" ".join(claim.words), f"then said: {undone.said!r}", who))
        return replaced


_REMEMBERED: Final = 8
_CHANGES: Final = frozenset(
    "shipped released deployed enabled added introduced merged launched switched migrated moved upgraded adopted "
    "rolled turned changed renamed replaced raised lowered bumped increased decreased updated rewrote refactored "
    "removed dropped disabled set made decided split converted downgraded extended shortened doubled halved".split()
)  # fmt: skip
"""Verbs of what can be taken back, in the past."""
_VERSION: Final = re.compile(r"v?\d[\d.]*")


def _differ_in_one_place(old: Sequence[str], new: Sequence[str]) -> bool:
    """Tell whether two claims are alike but for one or two words in a row, and at least two words are the same."""
    if old == new:
        return False
    least = min(len(old), len(new))
    first = next((place for place in range(least) if old[place] != new[place]), least)
    last = next((place for place in range(least - first) if old[-1 - place] != new[-1 - place]), least - first)
    if len(old) == len(new) == 2:
        return first == 1
    was, now = old[first : len(old) - last], new[first : len(new) - last]
    if all(len(one) == 2 and not _is_number(one[0]) and _is_number(one[1]) for one in (was, now)):
        return False  # "uploads 10", "downloads 20": another thing with another number
    return first + last >= 2 and 1 <= len(was) <= 2 and 1 <= len(now) <= 2


def _is_number(word: str) -> bool:
    return any(map(str.isdigit, word))


def _is_undone(claim: Claim, undone: Undone) -> bool:
    """Tell whether a claim says of a change what was undone: "shipped dark mode", "moved the queue to RabbitMQ"."""
    start = int(claim.words[0] == "i")
    if claim.words[start] not in _CHANGES or len(claim.words) < start + 2:
        return False
    start += 2 if claim.words[start + 1] in ("out", "on", "up") else 1
    changed, what = claim.words[start:], undone.what
    if not what:
        return _other_version(" ".join(changed), " ".join(undone.back_to))
    end = start + len(what)
    is_whole = end in (len(claim.words), *claim.breaks) or bool(_VERSION.fullmatch("".join(claim.words[end : end + 1])))
    ends_so = changed[-len(what) :] == what and len(claim.words) - len(what) in claim.breaks
    return (changed[: len(what)] == what and is_whole) or ends_so


def _became(of: str, was: str, now: str) -> str:
    return f"{of}: {was!r} became {now!r}"


def _other_version(one: str, other: str) -> bool:
    """Tell whether two names are those of one thing in two versions: `postgres 16` and `postgres 15`."""
    (name, _, version), (name_too, _, version_too) = one.rpartition(" "), other.rpartition(" ")
    versions = _VERSION.fullmatch(version) and _VERSION.fullmatch(version_too)
    return bool(name) and name == name_too and version != version_too and bool(versions)


def _plain_key(text: str) -> str:
    """Return a thing or a value in the words of a claim."""
    return " ".join(words_of(text))
