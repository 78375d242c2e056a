"""Remember three facts and find them again, by meaning and by words.

Prints:

    We deploy on Tuesdays only.
    Helena signs off every discount.
    nothing about the harbour
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from memento import MemoryStore

with TemporaryDirectory() as folder, MemoryStore(Path(folder) / "memory.db") as store:
    store.remember("We deploy on Tuesdays only.", tags=["deploy"])
    store.remember("Helena signs off every discount.", tags=["sales"])
    store.remember("The office closes at six.")

    # By meaning: the question shares no word with what answers it.
    print(store.recall("on which weekday can I ship a release?", k=1)[0].text)

    # Filters hold before the best are chosen, and may stand in the question too.
    print(store.recall("who approves? tag:sales", k=1)[0].text)
    found = store.recall("harbour", tags=["deploy"], min_score=0.9)
    print("found" if found else "nothing about the harbour")
