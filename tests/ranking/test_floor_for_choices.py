"""The floor keeps what answers in few words, or in another language, and still turns away what does not answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memento import MemoryStore
from memento.config import load_config
from memento.search.ranking.kinds import members, names_one
from memento.search.ranking.language import is_english

PROJECT = "/home/ada/harbour"
Work = Callable[..., list[str]]


@pytest.fixture
def store(tmp_path: Path, model_dir: Path) -> Iterator[MemoryStore]:
    environment = {"MEMENTO_HOME": str(tmp_path), "MEMENTO_MODEL_DIR": str(model_dir)}
    with MemoryStore(tmp_path / "m.db", config=load_config(environment=environment)) as opened:
        for place, (role, text) in enumerate(
            (
                ("user", "add the ferry table to the schema"),
                ("assistant", "Done. I've added the ferry table with three columns."),
                ("user", "the header is ugly"),
                ("assistant", "I see the issue: the header uses the old theme."),
            )
        ):
            opened.remember(text, role=role, session_id="noise", project=PROJECT, timestamp=1 + place, embed=False)
        yield opened


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ("which package manager do we use?", "use pnpm not npm"),
        ("which package manager do we use?", "we use pnpm"),
        ("what indentation style do we use?", "we use tabs"),
        ("which database did we choose?", "stick with postgres"),
        ("which test framework should I use?", "use pytest fixtures, no unittest classes"),
        ("which date library do we use?", "go with dayjs instead of moment"),
        ("how are branches merged?", "we only rebase"),
        ("what colour format should themes use?", "rgb values, no indices"),
        ("which CSS framework did we pick?", "let's use tailwind"),
        ("which language should answers be in?", "answer in German"),
    ],
)
def test_a_choice_in_few_words_reaches_the_floor(store: MemoryStore, asked: str, chosen: str) -> None:
    assert not [one.text for one in store.recall(asked) if one.text == chosen]
    store.remember(chosen, role="user", session_id="told", project=PROJECT)
    store.remember("Got it.", role="assistant", session_id="told", project=PROJECT)
    assert store.recall(asked)[0].text == chosen


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("why did the build fail?", "Der Build scheiterte, weil der Linter \u00e4lter ist als die Konfiguration."),
        ("who approves releases?", "Die Freigabe der Releases macht Katrin."),
        ("where are the sessions stored?", "Las sesiones se guardan en Postgres, tabla user_sessions."),
        ("welches Limit hat das Gateway?", "The gateway limits clients to 100 requests per second."),
    ],
)
def test_an_answer_in_another_language_reaches_the_floor(store: MemoryStore, asked: str, answer: str) -> None:
    store.remember("Das Deployment l\u00e4uft immer dienstags um sechs Uhr.", session_id="d", project=PROJECT)
    assert not store.recall(asked)
    store.remember(answer, session_id="told", project=PROJECT)
    assert [one.text for one in store.recall(asked)] == [answer]
    assert not store.recall(asked, min_score=0.95)


@pytest.mark.parametrize(
    ("question", "named", "other"),
    [
        ("Which package manager do we use?", "We use pnpm.", "We use tabs."),
        ("what database should the service use", "Postgres it is", "the base of the data"),
        ("do we indent with tabs or spaces in this project?", "tabs", "indent it"),
    ],
)
def test_the_kind_that_a_question_asks_for(question: str, named: str, other: str) -> None:
    assert names_one(named, members(question))
    assert not names_one(other, members(question))


@pytest.mark.parametrize("question", ["why is the database slow?", "how do we clear the cache?", "pnpm or npm?", ""])
def test_other_questions_ask_for_no_kind(question: str) -> None:
    assert members(question) == frozenset()


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("why is the login slow?", True),
        ("the war is over", True),
        ("warum ist der Login so langsam?", False),
        ("Nimm pnpm statt npm", False),
        ("La compilaci\u00f3n fall\u00f3 porque el linter es antiguo", False),
        ("Le d\u00e9ploiement se fait chaque mardi", False),
        ("\u0432\u0441\u0435\u0433\u0434\u0430 pnpm", False),
        ("lint fail", None),
        ("", None),
    ],
)
def test_which_texts_are_english(text: str, english: bool | None) -> None:
    assert is_english(text) is english
