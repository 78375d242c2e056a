"""At work on a project, what answers comes before what only asks: causes, outcomes and rules before complaints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from memento import MemoryStore
from memento.config import load_config
from memento.memory import INSTRUCTION
from memento.search.ranking.acts import names_place, read_acts, shows_how
from memento.search.ranking.question import understand
from memento.storage import turns
from memento_ingest.server.client import from_wire, to_wire

START = 1_700_000_000_000
PROJECT = "/home/ada/harbour"


@pytest.fixture
def store(tmp_path: Path, model_dir: Path) -> Iterator[MemoryStore]:
    environment = {"MEMENTO_HOME": str(tmp_path), "MEMENTO_MODEL_DIR": str(model_dir)}
    with MemoryStore(tmp_path / "m.db", config=load_config(environment=environment)) as opened:
        yield opened


def work(store: MemoryStore, *said: tuple[str, str], session: str = "s", project: str = PROJECT) -> list[str]:
    """Remember a session at work on a project."""
    return [
        store.remember(text, role=role, session_id=session, project=project, timestamp=START + 60_000 * at, embed=False)
        for at, (role, text) in enumerate(said)
    ]


LINT = (
    ("user", "lint fail"),
    ("assistant", "Let me look at the lint output:"),
    ("user", "lint still fails on the build, why?"),
    (
        "assistant",
        "I see the issue: the pinned ruff is older than the config, so `select` holds rules it does not know.",
    ),
    ("user", "ok fix lint please"),
    ("assistant", "Done. I've raised ruff to 0.6 in requirements-dev.txt and the build passes."),
    ("user", "the lint build failed again"),
)


def test_the_cause_comes_before_the_complaints(store: MemoryStore) -> None:
    ids = work(store, *LINT)
    work(store, ("user", "why is the test build failing?"), ("assistant", "Let me run the build:"), session="other")
    found = store.recall("why is lint failing on the build?", 10, min_score=0)
    assert found[0].id == ids[3]
    places = [one.id for one in found]
    assert places.index(ids[5]) < min(places.index(one) for one in (ids[0], ids[2], ids[6]) if one in places)


def test_what_answers_is_shown_with_what_it_answers(store: MemoryStore) -> None:
    ids = work(store, *LINT)
    found = {one.id: one for one in store.recall("why is lint failing on the build?", 10, min_score=0)}
    assert [one.request and one.request.id for one in found.values() if one.id == ids[3]] == [ids[2]]
    assert found[ids[2]].request is None
    assert not found[ids[2]].unanswered
    assert found[ids[6]].unanswered


def test_the_request_survives_the_way_through_the_sidecar(store: MemoryStore) -> None:
    work(store, *LINT)
    answer = store.recall("why is lint failing on the build?", 10, min_score=0)
    assert [(one.request, one.unanswered) for one in from_wire(to_wire(answer))] == [
        (one.request, one.unanswered) for one in answer
    ]


def test_a_chat_has_no_requests(store: MemoryStore) -> None:
    work(store, *LINT, project="")
    found = store.recall("why is lint failing on the build?", 10)
    assert [one.request for one in found] == [None] * len(found)
    assert not any(one.unanswered for one in found)


def test_a_rule_of_the_user_is_the_answer(store: MemoryStore) -> None:
    ids = work(
        store,
        ("user", "add colours to the theme files"),
        ("assistant", "Now let me add the colours to both theme files:"),
        ("user", "no, the theme colours must always be rgb values, never indices"),
        ("assistant", "Let me read the theme files:"),
        ("user", "can you open the theme files for me?"),
    )
    assert store.recall("Should the theme colours be rgb or indices?")[0].id == ids[2]


def test_going_ahead_answers_nothing(store: MemoryStore) -> None:
    ids = work(
        store,
        ("user", "sorry, continue"),
        ("user", "We continue the release on Friday, once the database is migrated."),
    )
    assert store.recall("continue")[0].id == ids[1]


@pytest.mark.parametrize(
    ("role", "text", "does"),
    [
        ("assistant", "Let me check the config file:", {"narrates"}),
        ("assistant", "Perfect! Now let me read the tests", {"narrates"}),
        ("assistant", "Here are the imports:", {"narrates"}),
        ("assistant", "The config is wrong: the path lacks a slash.", set()),
        ("assistant", "The path is relative to utils now. Let me fix it:", set()),
        ("assistant", "Done. Both tests pass now.", {"reports"}),
        ("assistant", "It hangs because the lock is held by the watcher.", {"names_cause"}),
        ("user", "never use tabs in this repository", {"lays_down"}),
        ("user", "the tabs in the tables are broken", {"asks"}),
        ("user", "why does the build hang?", {"asks"}),
        ("user", "ok, now fix the tests and push them", {"orders"}),
        ("user", "The parser returns None for empty lines, so the tests of the lexer see no tokens.", set()),
        ("user", "sorry, continue", {"orders", "says_nothing"}),
        ("user", "Yes, merge it!", {"orders", "says_nothing"}),
        ("user", "use pnpm", set()),
        ("user", "継続してください。よろしくお願いします、チームのみなさん。", set()),
    ],
)
def test_what_a_message_does(role: str, text: str, does: set[str]) -> None:
    assert {name for name, value in read_acts(role, text)._asdict().items() if value} == does


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("Run `make docs` first.", {"shows_how"}),
        ("1. Open the valve.\n2. Wait.", {"shows_how"}),
        ("It lies in src/core/tools.", {"names_place"}),
        ("See themes.ts for the rest.", {"names_place"}),
        ("The sky is blue.", set()),
    ],
)
def test_what_a_text_holds(text: str, tells: set[str]) -> None:
    assert {tell.__name__ for tell in (shows_how, names_place) if tell(text)} == tells


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("Why does the build fail?", {"asks_why"}),
        ("What caused the glitches?", {"asks_why"}),
        ("How do I start the recorder?", {"asks_how"}),
        ("Which file holds the themes?", {"asks_where"}),
        ("Did we keep the old recorder?", {"asks_rule"}),
        ("Indexed or rgb colours?", set()),
        ("When did I say that I moved?", {"asks_user"}),
        ("How can I reset my password?", {"asks_how"}),
    ],
)
def test_what_a_question_asks_for(text: str, asks: set[str]) -> None:
    question = understand(text, lambda _: False)
    names = ("asks_why", "asks_how", "asks_where", "asks_rule", "asks_user")
    assert {name for name in names if getattr(question, name)} == asks


def test_exchanges_end_at_the_next_words_of_the_user(store: MemoryStore) -> None:
    said = [("assistant", "a"), ("user", "b"), ("tool", "c"), ("assistant", "d"), ("assistant", "e"), ("user", "f")]
    ids = work(store, *said)
    with store._database.read() as connection:
        num = {str(name): int(row) for row, name in connection.execute("SELECT num, id FROM memories")}
        place = {num[one]: text for one, (_, text) in zip(ids, said, strict=True)}
        found = turns.exchanges(connection, num.values())
    told = {
        place[one]: (place.get(each.opening or 0), [place[by] for by in each.answers]) for one, each in found.items()
    }
    assert told == {
        "a": (None, ["a"]), "b": ("b", ["d", "e"]), "c": ("b", ["d", "e"]), "d": ("b", ["d", "e"]),
        "e": ("b", ["d", "e"]), "f": ("f", []),
    }  # fmt: skip


def test_an_instruction_is_found_by_what_it_bears_on(store: MemoryStore) -> None:
    """It shares hardly a word with the question, and others do: it comes along since the question asks for help."""
    for number in range(60):
        store.remember(f"The login page of customer {number} shows a blue form.", session_id=f"{number}", embed=False)
    rule = store.remember(
        "Always format code with syntax highlighting when I ask how to implement something.",
        session_id="rules",
        tags=[INSTRUCTION],
        embed=False,
    )
    assert rule in [one.id for one in store.recall("Could you show me how to implement a login page with a form?", 3)]
    assert rule not in [one.id for one in store.recall("which login page shows a blue form", 3)]


def test_the_default_floor_spares_what_holds_every_word_looked_for(store: MemoryStore) -> None:
    asked = work(store, ("user", "why does the nightly import fail again?"))[0]
    assert [one.id for one in store.recall("nightly import")] == [asked]
    assert [one.unanswered for one in store.recall("why does the nightly import fail?")] == [True]
    work(store, ("assistant", "Let me look at the log of the import:"), session="s2")
    work(store, ("user", "why does the nightly export fail?"), ("assistant", "Let me look:"), session="s3")
    assert list(store.recall("why does the nightly export fail?")) == []
    assert list(store.recall("nightly import", min_score=0.9)) == []


def test_what_holds_the_words_does_not_hide_what_answers(store: MemoryStore) -> None:
    ids = work(store, *LINT)
    found = [one.id for one in store.recall("lint failing")]
    assert found[0] == ids[3]
    assert ids[0] in found


@pytest.mark.parametrize(
    ("said", "asked", "answer"),
    [
        ("the token lives 15 min", "how long does the token live?", "15 min"),
        ("Run `make seed` before the e2e tests, otherwise they fail: no tenant", "why do e2e tests fail?", "make seed"),
        ("Check the flag is off in prod until legal signs, it's tied to VAT", "why is the flag off in prod?", "legal"),
        (
            "Do we need it? Because the gateway limits to 100 rps, I'd skip it",
            "what rate limit has the gateway?",
            "100",
        ),
        ("Sessions aren't in Redis, they live in Postgres table user_sessions", "where are sessions stored?", "table"),
        ("the mobile app still uses API v1, web is on v2", "which API version does the mobile app use?", "v1"),
        (
            "is it true that prod runs postgres 14? I checked, it does. The upgrade is planned for march",
            "when is the postgres upgrade planned?",
            "march",
        ),
    ],
)
def test_what_a_user_tells_besides_an_order_reaches_the_floor(
    store: MemoryStore, said: str, asked: str, answer: str
) -> None:
    work(store, *LINT)
    work(store, ("user", said), ("assistant", "Understood, I've taken note of that."), session="told")
    assert any(answer in found.memory.text for found in store.recall(asked, 5))


def test_acts_of_short_and_of_long_messages() -> None:
    for text in (
        "login doesn't respond",
        "still red",
        "login can't be reached, please look",
        "why is it red? it was green",
        "lint fail",
        "ok fix lint please",
        "merge to main",
        "same there too",
    ):
        acts = read_acts("user", text)
        assert not acts.may_answer, text
    for text in (
        "the token lives 15 min",
        "port 8080",
        "we settled on Zod",
        "\u7f13\u5b58\u7528Redis",
        "because of DNS",
    ):
        assert read_acts("user", text).may_answer, text
    assert read_acts("assistant", "I'll replace moment with dayjs, which saves 2.8MB.").may_answer
    assert read_acts("user", "Implement this plan:\n" + "- the mailer keeps what it could not send.\n" * 20).may_answer


def test_a_script_without_spaces_has_no_floor_of_the_settings(store: MemoryStore) -> None:
    """No word of it is found and no model reads it: every score is low."""
    work(store, ("user", "\u90e8\u7f72\u65f6\u95f4\u5b9a\u5728\u5468\u4e8c\u51cc\u6668"))
    asked = "\u4ec0\u4e48\u65f6\u5019\u90e8\u7f72\uff1f"
    assert store.recall(asked)
    assert not store.recall(asked, min_score=0.99)
    assert understand(asked, lambda _: False).is_unspaced
    assert not understand("\u4ec0\u4e48 does the deployment mean?", lambda _: False).is_unspaced


def test_what_a_user_only_tells_is_not_unanswered(store: MemoryStore) -> None:
    work(store, ("user", "the token lives 15 min"))
    work(store, ("user", "why does the token expire?"), session="other")
    found = {one.memory.text: one.unanswered for one in store.recall("token", min_score=0)}
    assert found == {"the token lives 15 min": False, "why does the token expire?": True}


def test_urging_on_finds_nothing_even_where_it_was_said(store: MemoryStore) -> None:
    work(
        store,
        ("user", "add the ferry table"),
        ("assistant", "Done. The ferry table is there."),
        ("user", "yes, merge it"),
    )
    assert list(store.recall("yes, merge it")) == []


def test_a_project_may_end_in_a_slash(store: MemoryStore) -> None:
    ids = work(store, *LINT)
    assert store.recall("why is lint failing on the build?", project=f"{PROJECT}/")[0].id == ids[3]
    rule = work(store, ("user", "Always run the linter before you commit."), session="rule")[0]
    assert [one.id for one in store.instructions("harbour/")] == [rule]
