"""Forgetting leaves the full-text index equal to the rows, also where messages had grown before."""

from __future__ import annotations

import random
from pathlib import Path

from memento.config import load_config
from memento.memory import NewMemory
from memento.storage import integrity
from memento.storage.capture import Batch
from memento.store import MemoryStore

WORDS = "harbour lighthouse anchor pier keeper lamp green barrel rope tide storm sail".split()


def test_the_index_is_sound_after_rows_grew_and_some_were_forgotten(tmp_path: Path) -> None:
    rng = random.Random(1)
    config = load_config({}, {"MEMENTO_HOME": str(tmp_path)})
    with MemoryStore(config=config) as store:
        for number in range(260):
            texts = [" ".join(rng.choices(WORDS, k=rng.randrange(3, 60))) for _ in range(8)]
            rows = [
                NewMemory(f"{number % 40:016x}{place:016x}", text, number, "t", tags=(text.split()[0],))
                for place, text in enumerate(texts)
            ]
            store.commit(Batch(None, rows))
            if rng.random() < 0.4:
                store.delete(rng.choice(store.get_recent(50)).id)
        with store._database.check_connection(exclusive=True) as connection:
            assert integrity.check_fulltext(connection) == []
