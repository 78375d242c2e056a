"""What ranking reads out of a question: the statement, the names, the days."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given, strategies as st

from memento.search.ranking import dates
from memento.search.ranking.question import understand
from memento.search.ranking.statement import first_person, past, without_names

TODAY = date(2026, 11, 23)  # a Monday


@pytest.mark.parametrize(
    ("question", "statement"),
    [
        ("What did Ann buy in May?", "I bought in May"),
        ("When did Ann go to the beach with her kids?", "I went to the beach with my kids"),
        ("What is Ann's identity?", "my identity"),
        ("How long has Ann been painting?", "I been painting"),
        ("What offer does Ann make to Bob?", "offer I make to you"),
        ("Where did Ann and Bob meet?", "I and you met"),
        ("What did Ann really enjoy?", "I really enjoyed"),
        ("deploy the server", "deploy the server"),
        ("What did I decide?", "I decided"),
        ("", ""),
        ("???", "???"),
    ],
)
def test_a_question_becomes_what_the_answer_says(question: str, statement: str) -> None:
    assert first_person(question, {"ann", "bob"}) == statement


@given(st.text(max_size=200))
def test_any_text_becomes_a_text(question: str) -> None:
    assert bool(first_person(question, {"ann"})) == bool(question)
    assert bool(without_names(question, {"ann"})) == bool(question)


@pytest.mark.parametrize(
    ("verb", "form"), [("try", "tried"), ("play", "played"), ("bake", "baked"), ("think", "thought")]
)
def test_past(verb: str, form: str) -> None:
    assert past(verb) == form


def test_only_those_who_spoke_are_names() -> None:
    question = understand("What did Ann think of Paris?", lambda word: word == "ann")
    assert question.names == {"ann"}
    assert question.words == ("think", "paris")
    assert question.topic == "What did think of Paris ?"
    assert understand("what did ann think", lambda word: word == "ann").names == {"ann"}


def test_a_name_alone_is_still_searched_for() -> None:
    assert understand("Ann", lambda word: True).words == ("ann",)


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("What did you suggest for the cache?", "assistant"),
        ("what was your recommendation for my garden", "assistant"),
        ("What did I say about the cache?", "user"),
        ("when is my sister's birthday", "user"),
        ("How do you tie a knot?", "assistant"),
        ("How was the flaky test fixed?", ""),
        ("iced tea, mistakes", ""),
    ],
)
def test_who_is_asked_about(text: str, who: str) -> None:
    question = understand(text, lambda word: False)
    assert (question.asks_assistant, question.asks_user) == (who == "assistant", who == "user")


@pytest.mark.parametrize(
    ("question", "inside", "outside"),
    [
        ("on 7 May 2023", "2023-05-07", "2023-05-08"),
        ("on May 7, 2023", "2023-05-07", "2023-06-07"),
        ("on 2023-05-07", "2023-05-07", "2023-05-06"),
        ("in June 2023", "2023-06-30", "2024-06-30"),
        ("in June", "2024-06-02", "2024-07-02"),
        ("in may", "2024-05-02", "2024-06-02"),
        ("in 2022", "2022-12-31", "2023-01-01"),
        ("yesterday", "2026-11-22", "2026-11-23"),
        ("two weeks ago", "2026-11-09", "2026-11-20"),
        ("last Friday", "2026-11-20", "2026-11-13"),
        ("last week", "2026-11-17", "2026-11-23"),
        ("last month", "2026-10-15", "2026-11-01"),
        ("last year", "2025-03-03", "2026-03-03"),
        ("this week", "2026-11-23", "2026-11-22"),
        ("the day before yesterday", "2026-11-21", "2026-11-22"),
        ("last weekend", "2026-11-22", "2026-11-23"),
        ("last night", "2026-11-22", "2026-11-24"),
        ("what was said this morning?", "2026-11-23", "2026-11-22"),
        ("a couple of days ago", "2026-11-21", "2026-11-22"),
        ("twelve days ago", "2026-11-11", "2026-11-12"),
        ("at 2024-06-03T10:00", "2024-06-03", "2024-06-04"),
        ("on 2024/06/03", "2024-06-03", "2024-06-04"),
        ("on 29 February 2024", "2024-02-29", "2024-03-01"),
        ("What happened on Sept. 3rd?", "2020-09-03", "2020-09-04"),
    ],
)
def test_days_a_question_names(question: str, inside: str, outside: str) -> None:
    named = dates.spans(question, TODAY)
    assert named
    assert dates.closeness(named, _ms(inside)) == 1
    assert dates.closeness(named, _ms(outside)) < 1


@pytest.mark.parametrize("question", ["may I go?", "it may fail", "the 3rd try", "version 2023.1", "99 May 2023", ""])
def test_what_names_no_day(question: str) -> None:
    assert not [span for span in dates.spans(question, TODAY) if span.start or span.day == 0]


@given(st.text(max_size=200), st.integers(-(1 << 62), 1 << 62))
def test_no_text_and_no_time_is_an_error(text: str, timestamp: int) -> None:
    assert 0 <= dates.closeness(dates.spans(text + " in 2023", TODAY), timestamp, text) <= 1


def test_a_pasted_calendar_is_no_question_of_a_hundred_days() -> None:
    assert 0 < len(understand(" ".join(f"2026-01-{day:02}" for day in range(1, 32)), lambda word: False).spans) <= 4


def test_an_unknown_time_is_on_no_day() -> None:
    assert dates.closeness(dates.spans("in January", TODAY), 0, "in January") == 0


@pytest.mark.parametrize(
    ("text", "told_on", "question"),
    [
        ("We went to a convention last month.", "2023-04-07", "What did Ann attend in March 2023?"),
        ("I ran a race last Saturday", "2023-05-25", "Who ran on 20 May 2023?"),
        ("yesterday we shipped it", "2026-01-01", "What was shipped on 2025-12-31?"),
        ("We will meet on June 5th", "2023-05-01", "What is planned for 5 June 2023?"),
        ("We will meet on June 5th", "2023-05-01", "What is planned for June?"),
        ("That was two years ago", "2024-03-03", "What happened in 2022?"),
    ],
)
def test_a_day_that_is_told_counts_from_the_day_of_telling(text: str, told_on: str, question: str) -> None:
    named = dates.spans(question, TODAY)
    assert dates.closeness(named, _ms(told_on), text) == 1
    assert dates.closeness(named, _ms(told_on), f"{'A market, separately. ' * 40}{text}. {'Done. ' * 40}") == 1
    assert dates.closeness(named, _ms(told_on), "We went there.") < 1


def test_people_tell_of_a_day_soon_after_it() -> None:
    named = dates.spans("on 7 May 2023", TODAY)
    days = ("2023-05-08", "2023-05-12", "2023-05-05", "2023-08-01")
    soon, later, before, long_after = (dates.closeness(named, _ms(day)) for day in days)
    assert 1 > soon > later > before > long_after > 0


@pytest.mark.parametrize("question", ["When did it fail?", "how long does it take", "In which year was that?"])
def test_asks_when(question: str) -> None:
    assert dates.asks_when(question)
    assert not dates.asks_when("What " + question)


def _ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(hour=12).timestamp() * 1000)


@given(st.sampled_from((*dates._TIME_WORDS, "1999", "2023")), st.booleans())
def test_every_time_expression_is_seen(word: str, capital: bool) -> None:
    assert dates.says_when(f"It was {word.title() if capital else word}.")
    assert not dates.says_when("It was fine, maybe.")
