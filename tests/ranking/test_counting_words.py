"""Counting a question's words in texts: as the index would, without tokenising the texts whole."""

from __future__ import annotations

from collections import Counter

import apsw
import pytest
from hypothesis import given, strategies as st

from memento.search.ranking.counting import WORDS, StemCounter, bm25, together
from memento.storage.fulltext import stemmer

stemmed = stemmer(apsw.Connection(":memory:"))
WORDS_OF_TEXTS = (
    "happy happily tries try trying run_fast fast runs Running café cafe CAFÉS naïve don't it’s a am as hats hat Hat2 "
    "don t \n\t — … “quoted” C++ 2023 x y- -z _ __name__ Ünï привет 東京 e\u0301 \x00 😀 ß İstanbul"
).split(" ")


def counted(text: str, stems: list[str]) -> dict[str, int]:
    found = StemCounter(stems, stemmed).count({1: "before", 2: text, 3: "hat"})[2]
    return {stem: count for stem, count in found.items() if stem != WORDS}


@pytest.mark.parametrize(
    ("text", "word", "times"),
    [
        ("Hats, a hat and HAT.", "hats", 3),
        ("that chat", "hat", 0),
        ("the name of budget_name, __name__", "name", 3),
        ("It’s — “the café”", "cafe", 1),
        ("it’s — “the hat”", "hat", 1),
        ("He studies. I studied; they study!", "study", 3),
        ("Hoping is what I hoped for; hope, hop, hopper", "hope", 3),
        ("Low visibility: visible, not visibly", "visible", 3),
        ("He relied and relies; rely, relic", "rely", 3),
        ("Was ist schöner als Köln?", "koln", 1),
    ],
)
def test_a_word_is_counted_in_all_its_forms(text: str, word: str, times: int) -> None:
    assert counted(text, stemmed(word)) == ({stemmed(word)[0]: times} if times else {})


@given(
    text=st.lists(st.sampled_from(WORDS_OF_TEXTS), max_size=30),
    words=st.lists(st.sampled_from(WORDS_OF_TEXTS), max_size=6),
    between=st.sampled_from([" ", ", ", "-", "’", "_"]),
)
def test_the_index_counts_the_same(text: list[str], words: list[str], between: str) -> None:
    stems = [stem for word in words for stem in stemmed(word)]
    joined = between.join(text)
    assert counted(joined, stems) == {stem: n for stem, n in Counter(stemmed(joined)).items() if stem in stems}


def test_more_of_a_rare_word_in_fewer_words_counts_more() -> None:
    documents = [{WORDS: 10, "heron": 2}, {WORDS: 10, "heron": 1}, {WORDS: 90, "heron": 1}, {WORDS: 10, "bird": 1}]
    scores = bm25(documents, {"heron": 3.0, "bird": 1.0})
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 1.0
    assert together(documents[:2]) == {WORDS: 20, "heron": 3}
