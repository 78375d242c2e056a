"""Which words of a query are searched for: the rare ones, within a budget of occurrences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from memento import MemoryStore
from memento.config import load_config
from memento.memory import NewMemory
from memento.storage import fulltext, rows
from memento.storage.database import Database
from memento.storage.filters import Filter
from memento.storage.fulltext import bm25, document_frequencies, rarest_terms, search_any


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    with MemoryStore(tmp_path / "m.db", config=load_config(environment={"MEMENTO_HOME": str(tmp_path)})) as store:
        for number in range(40):
            rare = " heron" if number == 7 else ""
            store.remember(f"the common café word {number}{' sometimes' * (number % 4 == 0)}{rare}", embed=False)
        with store._database.read() as opened:
            yield opened


def test_the_rarest_come_first_and_unknown_ones_are_left_out(connection: apsw.Connection) -> None:
    assert rarest_terms(document_frequencies(connection, ["common", "sometimes", "heron", "nowhere"]), 1_000) == [
        "heron",
        "sometimes",
        "common",
    ]


def test_the_budget_leaves_out_the_commonest(connection: apsw.Connection) -> None:
    assert rarest_terms(document_frequencies(connection, ["common", "sometimes", "heron"]), 20) == [
        "heron",
        "sometimes",
    ]
    assert rarest_terms(document_frequencies(connection, ["common", "words"]), 0) == ["common"]


def test_every_stem_of_a_word_is_counted(connection: apsw.Connection) -> None:
    assert document_frequencies(connection, ["Cafés", "word-7", "nowhere"]) == {
        "Cafés": {"cafe": 40},
        "word-7": {"word": 40, "7": 1},
        "nowhere": {"nowher": 0},
    }


def test_words_are_stemmed_and_folded_as_the_index_does(connection: apsw.Connection) -> None:
    assert rarest_terms(document_frequencies(connection, ["herons", "CAFE", "word-7"]), 1_000) == [
        "herons",
        "word-7",
        "CAFE",
    ]
    assert rarest_terms(document_frequencies(connection, ["!?", ""]), 1_000) == []


@pytest.fixture
def crowded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[apsw.Connection]:
    """A store in which every word but one occurs more often than a query may score."""
    for name, value in {
        "EXACT_POSTINGS": 50,
        "MAX_POSTINGS": 100,
        "RARE_POSTINGS": 15,
        "SELECTIVE_POSTINGS": 2_000,
    }.items():
        monkeypatch.setattr(fulltext, name, value)
    memories = []
    for number in range(900):
        held = [word for word, every in {"oak": 5, "elm": 3, "ash": 2, "fir": 7}.items() if not number % every]
        held += ["yew"] * (number % 90 == 1)
        memories.append(NewMemory(f"{number:032x}", " ".join([*held, *["tree"] * (number % 11)]), number, "test"))
    with Database(tmp_path / "m.db").write() as connection:
        rows.put(connection, memories)
        yield connection


def test_in_a_large_store_what_holds_several_words_is_scored_and_scored_exactly(crowded: apsw.Connection) -> None:
    words = ["yew", "fir", "oak", "elm", "ash"]  # rarest first, as they are added up
    exact = bm25(crowded, words, Filter(), 900)
    found = search_any(crowded, document_frequencies(crowded, words), Filter(), 40)
    assert len(exact) > 600
    assert list(found.items()) == list(exact.items())[:40]


def test_one_common_word_alone_is_not_passed_over(crowded: apsw.Connection) -> None:
    assert len(search_any(crowded, document_frequencies(crowded, ["ash"]), Filter(), 500)) == 450
    frequencies = document_frequencies(crowded, ["yew", "ash"])
    assert len(search_any(crowded, frequencies, Filter(), 30)) == 10  # too few: the rarest word alone


def test_a_filter_leaves_no_answer_short(crowded: apsw.Connection) -> None:
    within = Filter(before=100)
    found = search_any(crowded, document_frequencies(crowded, ["elm", "oak", "ash"]), within, 50)
    assert set(found) == set(bm25(crowded, ["oak"], within, 50))


def test_a_pasted_page_is_searched_by_its_rare_words(crowded: apsw.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fulltext, "MANY_TERMS", 1)
    assert set(search_any(crowded, document_frequencies(crowded, ["elm", "yew", "ash"]), Filter(), 10)) == set(
        bm25(crowded, ["yew"], Filter(), 10)
    )
