"""Importance between people: what was before a turn counts, and what is least likely to matter is skipped."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import pytest

from memento_policies import Message, Policy
from memento_policies.before import EARLIER, OPENING, Before, after, joined
from memento_policies.measures import Measured
from memento_policies.words import read, shipped_rarity

PRAISE = "Wow, that's so great! You're truly amazing!"
MET = joined(OPENING, ["You're so great! Wow, amazing! That's it."])
NEWS = "Last Friday I adopted two kittens called Luna and Oliver from the shelter in Rotterdam."


def said(text: str, before: Before = OPENING, speaker: str = "Ana") -> Message:
    return Message("user", text, 0, "test", "s", "k", meta={"speaker": speaker}, before=before)


def test_news_matters_more_than_praise(policy: Policy) -> None:
    assert policy.decide(said(NEWS, MET)).importance > 0.8
    assert policy.decide(said(PRAISE, MET)).reason == "unimportant"


def test_a_skipped_turn_names_the_features_that_spoke_against_it(policy: Policy) -> None:
    decision = policy.decide(said(PRAISE, MET))
    assert (decision.keep, decision.importance) == (False, 0.0)
    points = [abs(reason.points) for reason in decision.reasons]
    assert points == sorted(points, reverse=True)
    assert {"praise", "you"} <= {reason.name for reason in policy.weigh(said(PRAISE, MET)).reasons}


def test_with_an_agent_what_is_unlikely_to_matter_is_skipped(policy: Policy) -> None:
    turn = Message("user", "now add tests for it", 0, "test", "s", "k")
    assert policy.decide(turn).reason == "unimportant"
    assert policy.decide(replace(turn, text="remember this: now add tests for it")).keep


def test_a_tools_rows_are_kept_by_signals_alone(policy: Policy) -> None:
    row = Message("tool", "Successfully built 3f2a", 0, "test", "s", "k")
    assert policy.decide(row).keep
    assert policy.decide(replace(row, text="x" * 10)).reason == "tool_output"


def test_importance_is_that_of_a_text_without_its_narration(policy: Policy) -> None:
    cause = Message("assistant", "The loader swallows the error because `open()` is inside.", 0, "test", "s", "k")
    told = replace(cause, text=f"Good catch! {cause.text} Let me move it out of there and run the whole suite again:")
    names = {reason.name: reason.points for reason in policy.weigh(told).reasons}
    assert names.pop("narrated") < 0
    assert names == {reason.name: reason.points for reason in policy.weigh(cause).reasons}
    assert policy.decide(told).text == told.text


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
    assert Measured("The kittens woke up, Ben.", before, "Ana").new_words == 2


@pytest.mark.parametrize(("turns", "known"), [(0, True), (EARLIER, True), (2 * EARLIER, False)])
def test_what_was_said_is_known_for_a_while(turns: int, known: bool) -> None:
    before = reduce(after, ["A harpsichord."] + ["Yes."] * turns, OPENING)
    assert Measured("Harpsichord!", before).new_words == (0 if known else 1)


def test_what_somebody_said_in_earlier_sessions_is_known_too(policy: Policy) -> None:
    met = joined(OPENING, ["I sold it.", NEWS])
    assert Measured("I sold the kittens.", met).new_words == 0
    assert policy.weigh(said(NEWS, met)).importance < policy.weigh(said(NEWS)).importance
    assert after(met, "Hello!").said[2] == met.said[2]


def test_where_nothing_is_known_of_what_was_said_a_turn_is_neither_new_nor_old(policy: Policy) -> None:
    unknown = policy.weigh(Message("user", NEWS, 0, "test", "s", "k", meta={"speaker": "Ana"})).importance
    assert policy.weigh(said(NEWS, after(MET, NEWS))).importance < unknown < policy.weigh(said(NEWS, MET)).importance


def test_sentences_that_ask_or_address_the_other_tell_nothing() -> None:
    count, words = Measured("Do they bark? You painted that. I sold the violin!").told
    assert (count, words) == (1, {"i", "sold", "the", "violin"})


def test_words_are_runs_of_letters_with_their_inner_apostrophes() -> None:
    text = "I\u2019ve 'quoted' ''twice'': caf\u00e9, node.js 2nd!\nDogs\u2019 end\ud800"
    assert read(text).words == {"i've", "quoted", "twice", "caf", "node", "js", "nd", "dogs", "end"}


def test_names_are_capitals_inside_a_sentence() -> None:
    assert Measured("Tomorrow I meet Priya, Oliver and Ana. Lunch?", speaker="Ana").names == {"Priya", "Oliver"}


@pytest.mark.parametrize(("rarer", "commoner"), [("harpsichord", "yoga"), ("yoga", "the")])
def test_rarity_grows_with_the_rank(rarer: str, commoner: str) -> None:
    rarity = shipped_rarity()
    assert rarity.total({rarer}) > rarity.total({commoner})


def test_weighing_and_deciding_agree(policy: Policy) -> None:
    assert policy.weigh(said(NEWS)).importance == policy.decide(said(NEWS)).importance
