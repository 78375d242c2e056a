"""Rules that a user gave once, in the order in which a new session should read them.

Prints:

    1. Never push to main without a review.
    2. From now on, answer in British English.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from memento import AutoMemory

with TemporaryDirectory() as folder, AutoMemory(Path(folder) / "memory.db", session_id="monday") as memory:
    memory.observe("From now on, answer in British English.")
    rule = memory.observe("Never push to main without a review.")
    memory.observe("What is the capital of Norway?")

    memory.store.pin(rule.id, everywhere=True)  # pinned ones come first
    for number, instruction in enumerate(memory.store.instructions(), 1):
        print(f"{number}. {instruction.memory.text}")
