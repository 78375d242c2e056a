"""What users find out themselves answers their question, a denied cause does not, and filters hold for context too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memento import MemoryStore
from memento.config import load_config
from memento.search.ranking.acts import read_acts
from memento.search.ranking.refutation import denied_causes
from memento.storage import turns
from memento_ingest.server.client import from_wire, to_wire

START = 1_700_000_000_000
MINUTE = 60_000
PROJECT = "/home/ada/harbour"
ASKED = "why is the download of the assets so slow from the office?"
LATER = "why was the download of the assets slow in the office?"
Work = Callable[..., list[str]]


@pytest.fixture
def store(tmp_path: Path, model_dir: Path) -> Iterator[MemoryStore]:
    environment = {"MEMENTO_HOME": str(tmp_path), "MEMENTO_MODEL_DIR": str(model_dir)}
    with MemoryStore(tmp_path / "m.db", config=load_config(environment=environment)) as opened:
        yield opened


@pytest.fixture
def work(store: MemoryStore) -> Work:
    """Return a function that remembers a session; in the store is another one that asks nearly the same."""

    def say(*said: tuple[str, str], session: str = "s", project: str = PROJECT) -> list[str]:
        return [
            store.remember(
                text, role=role, session_id=session, project=project, timestamp=START + MINUTE * at, embed=False
            )
            for at, (role, text) in enumerate(said)
        ]

    say(("user", "why is the download of the images slow?"), ("assistant", "Let me look:"), session="other")
    say(("user", "add the ferry table"), ("assistant", "Done. I've added the ferry table."), session="third")
    return say


@pytest.mark.parametrize("between", ["", "Let me check the logs:", "It can be many things. Try it with curl -v first."])
@pytest.mark.parametrize(
    "answer",
    [
        "found it, ipv6 was preferred by the resolver",
        "turned out to be the proxy",
        "it was dns",
        "nvm, my firewall dropped the packets",
        "solved: the mirror was down",
        "I forgot to connect the VPN",
    ],
)
def test_the_users_own_answer_comes_first_and_with_its_question(
    store: MemoryStore, work: Work, answer: str, between: str
) -> None:
    said = [("user", ASKED), ("assistant", between), ("user", answer), ("assistant", "Good to know.")]
    work(*[one for one in said if one[1]])
    first = store.recall(LATER)[0]
    assert (first.memory.text, first.request and first.request.text) == (answer, ASKED)
    again = from_wire(to_wire(store.recall(LATER)))
    assert again[0].request == first.request


def test_a_statement_right_after_the_question_answers_it(store: MemoryStore, work: Work) -> None:
    work(("user", ASKED), ("user", "The proxy strips the header."))
    first = store.recall(LATER)[0]
    assert first.memory.text == "The proxy strips the header."
    assert first.request is not None


def test_a_question_that_its_user_answered_is_not_unanswered(store: MemoryStore, work: Work) -> None:
    work(("user", ASKED), ("user", "found it, ipv6 was preferred by the resolver"))
    unanswered = {one.text: one.unanswered for one in store.recall(LATER, min_score=0)}
    assert not unanswered[ASKED]
    work(("user", "why is the upload of the maps slow?"), ("user", "any idea?"), session="open")
    assert [one.unanswered for one in store.recall("why is the upload of the maps slow?")][:1] == [True]


def test_a_rule_and_a_new_request_answer_no_earlier_question(store: MemoryStore, work: Work) -> None:
    rule, order = work(
        ("user", ASKED),
        ("assistant", "Let me look:"),
        ("user", "Always use the mirror in Oslo."),
        ("assistant", "I will use the mirror."),
        ("user", "ok, now add the table"),
    )[2::2]
    found = {one.id: one for one in store.recall("download of the assets, mirror in Oslo, table", min_score=0)}
    assert found[rule].request is None
    assert found[order].request is None


@pytest.mark.parametrize("role", ["user", "assistant"])
@pytest.mark.parametrize("project", [PROJECT, ""])
@pytest.mark.parametrize(
    ("named", "denied"),
    [
        (
            "It's the cache: sessions are read from disk since the cache is cold.",
            "no, it was not the cache, it was DNS",
        ),
        ("I think it's the cache.", "wasn't the cache. DNS lookups of the login host time out"),
        ("The problem is the cache, which is cold.", "The cache was not the cause: DNS drops every second query."),
        ("It looks like the cache is why the login is slow.", "It's DNS, not the cache"),
        ("The login is slow because of the cache.", "the cache has nothing to do with it, DNS is slow"),
    ],
)
def test_a_denied_cause_comes_after_the_right_one(
    store: MemoryStore, work: Work, named: str, denied: str, project: str, role: str
) -> None:
    wrong, right = work(
        ("user", "why is the login slow?"),
        ("assistant", named),
        (role, denied),
        session="login",
        project=project,
    )[1:]
    for asked in ("why was the login slow?", "what was the cause of the slow login?"):
        order = [one.id for one in store.recall(asked, min_score=0)]
        assert order.index(right) < order.index(wrong)


def test_a_cause_that_is_denied_elsewhere_or_earlier_stays(store: MemoryStore, work: Work) -> None:
    named = "It's the cache: sessions are read from disk since the cache is cold."
    work(("user", "is it the cache?"), ("assistant", "No, it was not the cache, it was DNS."), session="tests")
    (_, held) = work(("user", "why is the login slow?"), ("assistant", named), session="login")
    found = {one.id: one for one in store.recall("why was the login slow?", min_score=0, explain=True)}
    features = found[held].features
    assert features is not None
    assert features["refuted"].value == 0
    assert store.recall("why was the login slow?")[0].id == held


@pytest.mark.parametrize(
    ("text", "causes"),
    [
        ("no, it was not the cache, it was DNS", {"cache"}),
        ("Not the cache but DNS", {"cache"}),
        ("es war nicht der Cache, sondern DNS", {"cache"}),
        ("The pool size was a red herring.", {"pool size"}),
        ("I ruled out the firewall", {"firewall"}),
        ("is it not the cache?", set()),
        ("that's not it", set()),
        ("the test is not being covered", set()),
        ("We do not use the cache.", set()),
        ("pass a number, not the object", set()),
    ],
)
def test_which_causes_a_text_denies(text: str, causes: set[str]) -> None:
    assert denied_causes(text) == {frozenset(one.split()) for one in causes}


@pytest.mark.parametrize(
    ("role", "text", "does"),
    [
        ("user", "found it", set()),
        ("user", "was it the proxy in the end?", {"asks"}),
        ("user", "it's the colour of the box that doesn't change", {"asks"}),
        ("user", "fixed it by restarting the resolver", {"resolves", "names_cause"}),
        ("assistant", "OK, noted.", {"narrates"}),
        ("assistant", "It wasn't the cache, the resolver is slow.", {"names_cause"}),
    ],
)
def test_what_resolves_and_what_only_acknowledges(role: str, text: str, does: set[str]) -> None:
    assert {name for name, value in read_acts(role, text)._asdict().items() if value} - {"orders"} == does


def test_exchanges_know_what_the_user_said_before_and_after(store: MemoryStore, work: Work) -> None:
    said = [("user", "a"), ("assistant", "b"), ("user", "c"), ("user", "d"), ("tool", "e"), ("user", "f")]
    ids = work(*said)
    with store.database.read() as connection:
        num = {str(name): int(row) for row, name in connection.execute("SELECT num, id FROM memories")}
        place = {num[one]: text for one, (_, text) in zip(ids, said, strict=True)}
        found = turns.exchanges(connection, list(place))
    told = {place[n]: ([place[by] for by in one.earlier], place.get(one.later or 0)) for n, one in found.items()}
    assert told == {
        "a": ([], "c"), "b": ([], "c"), "c": (["a"], "d"), "d": (["c", "a"], "f"), "e": (["c", "a"], "f"),
        "f": (["d", "c", "a"], None),
    }  # fmt: skip
    assert [place[n] for n, one in found.items() if one.continues] == ["d", "f"]


@pytest.mark.parametrize(
    "narrowed",
    [
        {"since": START + MINUTE // 2},
        {"trust": "assistant"},
        {"project": "/home/ada/ferry"},
        {"query": "the lint build -secret"},
    ],
)
def test_what_a_filter_leaves_out_does_not_come_back_as_context(
    store: MemoryStore, narrowed: dict[str, str | int]
) -> None:
    asked, answer = "why does the secret lint build fail?", "The lint build fails because the pinned ruff is too old."
    store.remember(asked, session_id="s", project=PROJECT, timestamp=START)
    where = "/home/ada/ferry" if "project" in narrowed else PROJECT
    store.remember(answer, role="assistant", session_id="s", project=where, timestamp=START + MINUTE)
    query = str(narrowed.pop("query", "the lint build"))
    (whole,) = [one for one in store.recall("the lint build", min_score=0) if one.text == answer]
    assert whole.request is not None
    (found,) = store.recall(query, min_score=0, **narrowed)  # type: ignore[arg-type]
    assert (found.text, found.request) == (answer, None)


def test_what_only_says_what_a_result_holds_does_not_hide_its_request(store: MemoryStore) -> None:
    store.remember("why does the lint build fail?", session_id="s", project=PROJECT, timestamp=START)
    store.remember(
        "The lint build fails: ruff is old.",
        role="assistant",
        session_id="s",
        project=PROJECT,
        timestamp=START + MINUTE,
    )
    (found,) = store.recall("lint build", role="assistant", min_score=0)
    assert found.request is not None


@pytest.mark.parametrize("calls", [6, 30])
@pytest.mark.parametrize(
    "cause", ["I see the issue: the pinned ruff is too old.", "The runner had an old image with a stale environment."]
)
def test_what_tools_returned_does_not_crowd_out_what_was_found(
    store: MemoryStore, work: Work, calls: int, cause: str
) -> None:
    """Every call holds the words of the question, and they lie between the request and its answer."""
    read = [
        ("tool", f"Bash: grep lint {at}.log\n-> lint failing on the build, step {at} stops at rule E{at}01")
        for at in range(calls)
    ]
    edited = [("tool", f"Edit: requirements{at}.txt\n-> lint build pins of step {at}") for at in range(calls)]
    ids = work(
        ("user", "why is lint failing on the build?"),
        *read,
        ("assistant", cause),
        ("user", "ok fix it"),
        *edited,
        ("assistant", "Done. I've raised ruff to 0.6 and the build passes."),
    )
    for asked in ("why is lint failing on the build?", "lint build failure"):
        found = store.recall(asked, 10, min_score=0)
        assert ids[1 + calls] in [one.id for one in found][:3]
        assert [one.memory.role for one in found][:5].count("tool") <= 2
    (why,) = [one for one in store.recall("why is lint failing on the build?", min_score=0) if one.text == cause]
    assert why.request is not None
    assert why.request.id == ids[0]
    tools = store.recall("lint build", 8, role="tool", min_score=0)
    assert len(tools) == 8
