"""Which standing instruction takes the place of which: what is about the same thing, and what only looks like it."""

from __future__ import annotations

import pytest

from memento_policies.instructions import instructions
from memento_policies.known import Known
from memento_policies.retention import load_retention

ALTERNATIVES = load_retention().alternatives


def outdated(*texts: str) -> list[str]:
    """Return those of these texts that a later one supersedes."""
    known = Known(ALTERNATIVES)
    return [one.source for text in texts for told in instructions(text) for one in known.hear(told, text)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Always use tabs.", "From now on use spaces."),
        ("always use tabs", "from now on use 2 spaces please"),
        ("I prefer Postgres", "prefer SQLite over Postgres"),
        ("prefer Postgres over MySQL", "I prefer SQLite over Postgres now, can you change it?"),
        ("We only use npm here", "use pnpm, not npm in this repo"),
        ("Always add comments", "No comments please!"),
        ("no emojis please", "From now on use emojis"),
        ("Answer in German", "respond in English from now on"),
        ("Keep functions under 30 lines", "From now on keep functions under 50 lines."),
        ("please keep your answers short", "From now on give long answers"),
        ("Always use single quotes", "use double quotes from now on"),
        ("never push to main", "From now on always push to main"),
        ("Always use Jest for new tests", "use Vitest instead of Jest for new tests everywhere"),
        ("I prefer bullet points", "From now on I prefer prose"),
    ],
)
def test_a_newer_instruction_about_the_same_thing_supersedes(old: str, new: str) -> None:
    assert outdated(old, new) == [old]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Always use tabs", "From now on use spaces in Python"),
        ("Always use tabs in Makefiles", "Always use spaces in YAML files"),
        ("Always use tabs", "From now on use pytest"),
        ("Never use tabs", "From now on use spaces"),
        ("Always include version numbers when I ask about tools", "Always include prices when I ask about tools"),
        ("Keep functions under 30 lines", "Keep files under 300 lines"),
        ("I prefer Postgres for analytics", "prefer SQLite over Postgres"),
        ("Always run the tests", "Never run the tests without asking me"),
        ("Always use tabs", "always use tabs"),
        ("Always use tabs", "Should we use spaces from now on?"),
        ("I prefer React", "I prefer Postgres"),
    ],
)
def test_what_is_about_something_else_supersedes_nothing(old: str, new: str) -> None:
    assert outdated(old, new) == []


def test_of_three_each_supersedes_the_one_before() -> None:
    first, second, third = "Always use tabs", "From now on use spaces", "From now on use tabs again please"
    assert outdated(first, second) == [first]
    assert first not in outdated(second, "Always use tabs.")
    assert outdated(second, third.replace(" again", "")) == [second]


@pytest.mark.parametrize("text", ["use , not , over  for " * 500, "prefer over over over", "no", "i prefer", ", " * 9])
def test_what_says_nothing_supersedes_nothing(text: str) -> None:
    assert outdated(text, text) == []
