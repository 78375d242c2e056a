"""Which words of a query are searched for: the rare ones, within a budget of occurrences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from memento import MemoryStore
from memento.config import load_config
from memento.storage.fulltext import holding, selective


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    with MemoryStore(tmp_path / "m.db", config=load_config(environment={"MEMENTO_HOME": str(tmp_path)})) as store:
        for number in range(40):
            rare = " heron" if number == 7 else ""
            store.remember(f"the common café word {number}{' sometimes' * (number % 4 == 0)}{rare}", embed=False)
        with store._database.read() as opened:
            yield opened


def test_the_rarest_come_first_and_unknown_ones_are_left_out(connection: apsw.Connection) -> None:
    assert selective(holding(connection, ["common", "sometimes", "heron", "nowhere"])) == [
        "heron",
        "sometimes",
        "common",
    ]


def test_the_budget_leaves_out_the_commonest(connection: apsw.Connection) -> None:
    assert selective(holding(connection, ["common", "sometimes", "heron"]), postings=20) == ["heron", "sometimes"]
    assert selective(holding(connection, ["common", "words"]), postings=0) == ["common"]


def test_every_stem_of_a_word_is_counted(connection: apsw.Connection) -> None:
    assert holding(connection, ["Cafés", "word-7", "nowhere"]) == {
        "Cafés": {"cafe": 40},
        "word-7": {"word": 40, "7": 1},
        "nowhere": {"nowher": 0},
    }


def test_words_are_stemmed_and_folded_as_the_index_does(connection: apsw.Connection) -> None:
    assert selective(holding(connection, ["herons", "CAFE", "word-7"])) == ["herons", "word-7", "CAFE"]
    assert selective(holding(connection, ["!?", ""])) == []
