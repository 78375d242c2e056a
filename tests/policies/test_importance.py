"""Importance between people: what was before a turn counts, and what is least likely to matter is skipped."""

from __future__ import annotations

from functools import reduce

import pytest

from memento_policies import Message, Policy
from memento_policies.before import OPENING, REMEMBERED, Before, after
from memento_policies.measures import Measured
from memento_policies.words import shipped_rarity

PRAISE = "Wow, that's so great! You're amazing!"
NEWS = "Last Friday I adopted two kittens called Luna and Oliver from the shelter in Rotterdam."


def said(text: str, before: Before = OPENING, speaker: str = "Ana") -> Message:
    return Message("user", text, 0, "test", "s", "k", meta={"speaker": speaker}, before=before)


def test_news_matters_more_than_praise(policy: Policy) -> None:
    assert policy.decide(said(NEWS)).importance > 0.8
    assert policy.decide(said(PRAISE)).reason == "unimportant"


def test_a_skipped_turn_names_the_features_that_spoke_against_it(policy: Policy) -> None:
    decision = policy.decide(said(PRAISE))
    assert (decision.keep, decision.importance) == (False, 0.0)
    points = [abs(reason.points) for reason in decision.reasons]
    assert points == sorted(points, reverse=True)
    assert {"told", "you"} & {reason.name for reason in policy.weigh(said(PRAISE)).reasons}


def test_with_an_agent_nothing_is_skipped_as_unimportant(policy: Policy) -> None:
    assert policy.decide(Message("user", PRAISE + " Now deploy it.", 0, "test", "s", "k")).keep


def test_an_order_to_remember_is_kept_however_unimportant(policy: Policy) -> None:
    assert policy.decide(said(f"{PRAISE} #remember")).reason == "remember_this"
    assert policy.decide(said(f"{NEWS} #nomemory")).reason == "opt_out"


def test_an_answer_matters_more_than_a_remark(policy: Policy) -> None:
    answer = "It's a sunset over the harbour."
    asked = after(OPENING, "What is in your painting?", "Ben")
    remarked = after(OPENING, "I saw your painting in here.", "Ben")
    assert (asked.asked, asked.asked_for, remarked.asked) == (True, True, False)
    assert policy.weigh(said(answer, asked)).importance > 1.3 * policy.weigh(said(answer, remarked)).importance


def test_words_said_before_are_no_news() -> None:
    before = after(OPENING, "The kittens are asleep.", "Ben")
    assert Measured("The kittens woke up, Ben.", before, "Ana").new == {"woke", "up"}


def test_what_was_long_ago_is_forgotten() -> None:
    before = reduce(after, ["A harpsichord."] + ["Yes."] * REMEMBERED, OPENING)
    assert len(before.recent) == REMEMBERED
    assert "harpsichord" in Measured("A harpsichord.", before).new


def test_sentences_that_ask_or_address_the_other_tell_nothing() -> None:
    count, words = Measured("Do they bark? You painted that. I sold the violin!").told
    assert (count, words) == (1, {"i", "sold", "the", "violin"})


@pytest.mark.parametrize(("rarer", "commoner"), [("harpsichord", "yoga"), ("yoga", "the")])
def test_rarity_grows_with_the_rank(rarer: str, commoner: str) -> None:
    rarity = shipped_rarity()
    assert rarity.of({rarer})[rarer] > rarity.of({commoner}).get(commoner, 0.0)


def test_weighing_and_deciding_agree(policy: Policy) -> None:
    assert policy.weigh(said(NEWS)).importance == policy.decide(said(NEWS)).importance
