"""Late interaction: likeness of words by their codes, the features made of it, and the codes in a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from memento import MemoryStore
from memento.config import load_config
from memento.embedding import Embedded, load_embedder
from memento.search.index.numpy_index import max_similarities
from memento.search.ranking.evidence import Evidence
from memento.search.ranking.late import FARTHER, max_sim, max_sim_near
from memento.search.ranking.question import understand
from memento.storage import vectors
from memento.storage.turns import Around, Turn


@pytest.fixture
def store(tmp_path: Path, model_dir: Path) -> Iterator[MemoryStore]:
    environment = {"MEMENTO_HOME": str(tmp_path), "MEMENTO_MODEL_DIR": str(model_dir), "MEMENTO_RUST": "0"}
    with MemoryStore(tmp_path / "m.db", config=load_config(environment=environment)) as opened:
        yield opened


@given(st.lists(st.integers(0, 5), max_size=8), st.integers(0, 4), st.sampled_from([8, 20, 32, 64, 384]), st.randoms())
def test_likeness_is_that_of_the_likest_word(counts: list[int], asked: int, dimensions: int, chance: object) -> None:
    rng = np.random.default_rng(abs(hash(str(chance))) % 2**32)
    signs = [rng.integers(0, 2, (count, dimensions), np.uint8) for count in (asked, *counts)]
    words, *documents = (np.packbits(one, axis=1).tobytes() for one in signs)
    expected = [
        [max(1 - 2 * float((word != other).sum()) / dimensions for other in held) for word in signs[0]]
        if len(held) and asked
        else []
        for held in signs[1:]
    ]
    assert max_similarities(words, documents, dimensions) == expected


def turn(num: int) -> Turn:
    return Turn(num, f"{num}", "s", 0, "user", "Ann", 0.5, True, None, 10)


def evidence(held: dict[int, list[float]], around: dict[int, Around], candidates: list[int]) -> Evidence:
    question = understand("which museum?", lambda _: False)
    return Evidence(question, [turn(num) for num in candidates], 0, {}, {}, {}, around, {1: "x"}, likeness=held)


def test_a_word_that_few_hold_weighs_more() -> None:
    rare, common = max_sim(evidence({1: [1.0, 0.0], 2: [0.0, 1.0], 3: [0.0, 1.0]}, {}, [1, 2]))
    assert rare == common
    rare, common, _ = max_sim(evidence({1: [1.0, 0.0], 2: [0.0, 1.0], 3: [0.0, 1.0]}, {}, [1, 2, 3]))
    assert rare > common


def test_a_neighbours_word_counts_nearly_as_much_and_the_likeness_becomes_a_cosine() -> None:
    held = {1: [1 / 3, 0.0], 2: [0.0, 1.0]}
    alone, both = (feature(evidence(held, {1: Around((2,), ())}, [1]))[0] for feature in (max_sim, max_sim_near))
    assert alone == pytest.approx(0.5 * 0.25 / 1.25)  # weights: (1 - 0.5)^2 and 1
    near = np.sin(np.pi / 2 * (1 - FARTHER))
    weights = (1 - 0.5) ** 2, (1 - near) ** 2
    assert both == pytest.approx((weights[0] * 0.5 + weights[1] * near) / sum(weights))


def test_a_memory_without_codes_is_an_average_one() -> None:
    known = {1: [0.8], 2: [0.2]}
    first, second, third = max_sim(evidence(known, {}, [1, 2, 3]))
    assert third == pytest.approx((first + second) / 2)
    assert max_sim(evidence({}, {}, [1, 2])) == max_sim_near(evidence({}, {}, [1, 2])) == [0.0, 0.0]


def codes(store: MemoryStore, *nums: int) -> dict[int, bytes]:
    with store.database.read() as connection:
        return vectors.read_codes(connection, store._semantic.model, nums or range(1, 100))


def test_codes_are_kept_where_somebody_is_named_and_go_with_the_memory(store: MemoryStore, model_dir: Path) -> None:
    store.remember("We went to the museum on Friday.", embed=False)
    ann = store.remember("I loved the dinosaur skeletons.", speaker="Ann", embed=False)
    grown = store.remember("The gift shop was closed.", speaker="Bob", embed=False)
    store.embed_pending()
    made = load_embedder(model_dir, rust=False).embed_to_bytes(["I loved the dinosaur skeletons."])[0].codes
    held = codes(store)
    assert set(held) == {2, 3}
    assert held[2] == made
    with store.database.write() as connection:
        connection.execute("UPDATE memories SET text = 'The gift shop was closed, alas.' WHERE id = ?", (grown,))
    assert set(codes(store)) == {2}
    store.delete(ann)
    assert codes(store) == {}


def test_a_question_in_other_words_finds_its_answer_by_them(store: MemoryStore) -> None:
    said = [
        "Honestly the weather was lovely and we all had such a great day together, I am so happy!",
        "After lunch the children stared at the fossils of a huge extinct reptile for an hour.",
        "My sister called me in the evening and told me about her new job in another city.",
    ]
    for number, text in enumerate(said):
        store.remember(text, speaker="Ann", session_id="s", timestamp=1_700_000_000_000 + number, embed=False)
    explained = store.recall("Where did Ann's kids look at dinosaurs?", explain=True)
    features = {one.text: one.features for one in explained}
    assert explained[0].text == said[1]
    assert all(features.values())
    likest = max(features, key=lambda text: (features[text] or {})["max_sim"].value)
    assert likest == said[1]


def test_a_cached_question_has_its_codes_again(store: MemoryStore) -> None:
    store.remember("I loved the dinosaur skeletons.", speaker="Ann", embed=False)
    store.embed_pending()
    model = store._semantic.model
    (asked,) = store._semantic.request_vectors(["which fossils?"], model)()
    assert isinstance(asked, Embedded)
    assert asked.codes
    store._semantic._queries._kept.clear()
    assert store._semantic.request_vectors(["which fossils?"], model)() == [asked]
