"""What the ranking does, through the store's own recall with the real model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from memento import MemoryStore
from memento.config import load_config
from memento.errors import UsageError
from memento.search.ranking.features import FEATURES
from memento.search.ranking.weights import profiles
from memento.storage import rows

DAY = 86_400_000
START = 1_700_000_000_000


@pytest.fixture
def store(tmp_path: Path, model_dir: Path) -> Iterator[MemoryStore]:
    environment = {"MEMENTO_HOME": str(tmp_path), "MEMENTO_MODEL_DIR": str(model_dir)}
    with MemoryStore(tmp_path / "m.db", config=load_config(environment=environment)) as opened:
        yield opened


def _ms(day: str) -> int:
    return round(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def say(store: MemoryStore, speaker: str, text: str, *, at: int = 0, session: str = "s") -> str:
    return store.remember(text, speaker=speaker, session_id=session, timestamp=START + at * 60_000, embed=False)


def test_the_one_who_is_asked_about_comes_first(store: MemoryStore) -> None:
    say(store, "Bob", "I adopted a dog from the shelter last week.", at=1)
    ann = say(store, "Ann", "I adopted a cat from the shelter on Monday.", at=2)
    say(store, "Bob", "That is lovely, Ann. What a cute pet!", at=3)
    assert store.recall("What pet did Ann adopt?")[0].id == ann


def test_an_answer_is_found_by_the_question_before_it(store: MemoryStore) -> None:
    for number, topic in enumerate(("skiing", "cooking", "the garden", "the new car")):
        say(store, "Bob", f"How do you like {topic}?", at=10 * number)
        say(store, "Ann", f"Oh, {number + 2} times a week keeps me happy.", at=10 * number + 1)
    found = store.recall("How often does Ann cook?", k=2)
    assert "3 times a week" in found[0].text


def test_the_named_month_decides_between_equal_texts(store: MemoryStore) -> None:
    for month in (3, 5, 9):
        store.remember(f"I went hiking with friends, trip {month}.", speaker="Ann", session_id=f"{month}",
                       timestamp=f"2023-{month:02}-10T12:00:00+00:00", embed=False)  # fmt: skip
    assert "trip 5" in store.recall("Where did Ann go hiking in May?")[0].text
    assert "trip 9" in store.recall("Where did Ann go hiking in September 2023?")[0].text


def test_a_named_day_finds_what_happened_on_it_among_many_alike(store: MemoryStore) -> None:
    first = datetime(2026, 1, 1, 12, tzinfo=UTC)
    for day in range(260):
        at = round((first + timedelta(day)).timestamp() * 1000)
        store.remember(
            f"We deployed service {day % 7}, checks are green.", session_id=f"{day}", timestamp=at, embed=False
        )
    store.embed_pending()
    found = store.recall("What did we deploy on 24 August 2026?", k=1)
    assert datetime.fromtimestamp(found[0].memory.timestamp / 1000, UTC).date() == date(2026, 8, 24)
    earlier = store.recall("What did we deploy on 24 August 2026?", before="2026-08-01")
    assert all(one.memory.timestamp < _ms("2026-08-01") for one in earlier)


def test_what_the_user_said_comes_before_the_long_answer(store: MemoryStore) -> None:
    said = store.remember("My dashboard API answers in 250 ms on average now.", session_id="s", embed=False)
    store.remember(
        "To make your dashboard API answer faster, here is what you can do. " + "Measure it, cache it, batch it. " * 60,
        role="assistant", session_id="s", embed=False,
    )  # fmt: skip
    assert store.recall("What is the average response time of my dashboard API?")[0].id == said


def test_the_assistant_is_found_when_it_is_asked_about(store: MemoryStore) -> None:
    store.remember("I need a cache for the session data of the web shop.", session_id="s", embed=False)
    answer = store.remember(
        "I suggest Redis as a cache for the session data.", role="assistant", session_id="s", embed=False
    )
    assert store.recall("What did you suggest as a cache for the session data?")[0].id == answer


def test_copies_collapse(store: MemoryStore) -> None:
    for session in "abcd":
        store.remember("We deploy on Fridays.", session_id=session, embed=False)
    store.remember("We deploy on Mondays too.", session_id="e", embed=False)
    found = store.recall("deploy", k=5)
    assert sorted((one.text, one.copies) for one in found) == [
        ("We deploy on Fridays.", 3),
        ("We deploy on Mondays too.", 0),
    ]


def test_equal_texts_of_two_voices_are_two_memories(store: MemoryStore) -> None:
    ann = [say(store, "Ann", "Yes, on Friday.", session=session) for session in "ab"]
    bob = say(store, "Bob", "Yes, on Friday.", session="a", at=1)
    asked = store.remember("Yes, on Friday.", session_id="c", embed=False)
    told = store.remember("Yes, on Friday.", role="assistant", session_id="c", embed=False)
    found = {one.id: one.copies for one in store.recall("on Friday")}
    assert found.keys() - ann == {bob, asked, told}
    assert [found.get(one) for one in ann] in ([1, None], [None, 1])
    assert sum(found.values()) == 1


def test_a_replaced_fact_comes_after_what_replaced_it(store: MemoryStore) -> None:
    old = store.remember("The deploy key of the web shop lies in the vault named alpha.", embed=False)
    new = store.remember("The deploy key is elsewhere now: beta.", embed=False)
    question = "Where does the deploy key of the web shop lie, in which vault?"
    assert [one.id for one in store.recall(question, k=2)] == [old, new]
    with store._database.write() as connection:
        connection.execute("UPDATE memories SET superseded_by = ? WHERE id = ?", (new, old))
    assert [one.id for one in store.recall(question, k=2)] == [new, old]
    assert store.delete(new)
    (left,) = store.recall(question, explain=True)
    assert (left.id, left.memory.superseded_by) == (old, None)
    assert left.features
    assert left.features["superseded"].value == 0


def test_a_session_does_not_crowd_out_the_rest(store: MemoryStore) -> None:
    for number in range(30):
        store.remember(f"The parser fails on line {number} of the log.", session_id="loud", embed=False)
    for session in "abc":
        store.remember(f"A parser of session {session} was slow.", session_id=session, embed=False)
    sessions = [one.memory.session_id for one in store.recall("The parser fails on a line of the log", k=8)]
    assert sessions.count("loud") <= 5
    assert {"a", "b", "c"} <= set(sessions)
    alone = store.recall("The parser fails on a line of the log", k=8, spread=False)
    assert [one.memory.session_id for one in alone] == ["loud"] * 8
    asked = store.recall("The parser fails on a line of the log", k=8, session="loud")
    assert len(asked) == 8


def test_neighbours_come_along(store: MemoryStore) -> None:
    for number in range(7):
        say(store, "Ann", "The lighthouse keeper." if number == 3 else f"Turn {number}.", at=number)
    say(store, "Ann", "Another session.", at=4, session="other")
    found = store.recall("lighthouse keeper", k=1, context=2)[0]
    assert [one.text for one in found.before] == ["Turn 1.", "Turn 2."]
    assert [one.text for one in found.after] == ["Turn 4.", "Turn 5."]
    assert not store.recall("lighthouse keeper", k=1)[0].before
    with pytest.raises(UsageError, match="context must be 0 or more"):
        store.recall("lighthouse", context=-1)


def test_an_abandoned_branch_is_no_context_of_what_replaced_it(store: MemoryStore) -> None:
    said = [say(store, "Ann", text, at=n) for n, text in enumerate(("Hello.", "Use tabs.", "Use spaces.", "Done."))]
    with store.database.write() as connection:
        rows.deactivate(connection, [said[1]])
    spaces, tabs = (store.recall(text, k=1, context=1)[0] for text in ("use spaces", "use tabs"))
    assert [one.text for one in (*spaces.before, *spaces.after)] == ["Hello.", "Done."]
    assert [one.text for one in (*tabs.before, *tabs.after)] == ["Hello.", "Use spaces."]


def test_a_score_is_what_its_features_say(store: MemoryStore) -> None:
    say(store, "Ann", "I bought a boat in spring.", at=1)
    store.remember("We deploy on Fridays.", session_id="x", embed=False)
    from math import exp

    for question in ("What did Ann buy?", "When do we deploy?"):
        for found in store.recall(question, explain=True):
            assert found.features is not None
            assert list(found.features) == list(FEATURES)
            profile = profiles()["people" if found.memory.speaker else "agents"]
            total = sum(one.value * one.weight for one in found.features.values())
            assert found.score == pytest.approx(1 / (1 + exp(-(profile.bias + profile.gain * total))), abs=1e-3)


def test_without_a_model_words_still_rank(tmp_path: Path) -> None:
    environment = {"MEMENTO_HOME": str(tmp_path), "MEMENTO_MODEL_DIR": str(tmp_path / "none")}
    with MemoryStore(tmp_path / "m.db", config=load_config(environment=environment)) as store:
        say(store, "Bob", "I bought a bicycle.", at=1)
        boat = say(store, "Ann", "I bought a boat.", at=2)
        found = store.recall("What did Ann buy, a boat?")
    assert found[0].id == boat
    assert found.notes


def test_the_answer_beside_what_matches_is_found_and_filters_hold_for_it(store: MemoryStore) -> None:
    for number in range(150):
        say(store, "Bob", f"We talked about yoga and the weather, day {number}.", session=f"d{number}")
    say(store, "Bob", "How often do you go to the yoga studio downtown with Kim?", at=1, session="x")
    answer = say(store, "Ann", "Three times, mostly.", at=2, session="x")
    question = "How often does Ann go to the yoga studio downtown with Kim?"
    assert answer in [one.id for one in store.recall(question, k=3)]
    before = store.recall(question, k=3, before=START + 1.5 * 60_000)
    assert before
    assert answer not in [one.id for one in before]
