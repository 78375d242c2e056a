"""Standing instructions among the memories that were stored before they were recognised."""

from __future__ import annotations

import json
from typing import Final

from memento.curation.survey import walk
from memento.memory import INSTRUCTION
from memento.storage import curation, meta, rows
from memento.store import MemoryStore
from memento.writes.new_memory import as_message

RULES: Final = "1"
"""Changes when the rules recognise more: then a store is looked through once more."""
_AT_ONCE: Final = 500


def recognise(store: MemoryStore, *, dry_run: bool = False) -> int:
    """Tag the instructions among what is stored, once for a store; return how many there were. Raises PolicyError."""
    with store.database.read() as connection:
        if meta.read_note(connection, meta.INSTRUCTIONS) == RULES:
            return 0
    found: dict[str, str] = {}
    for row in walk(store.database, rows.rows_after):
        memory = row.memory
        is_open = (memory.role, memory.kind) == ("user", "turn") and INSTRUCTION not in memory.tags
        if is_open and INSTRUCTION in store.policy.decide(as_message(memory)).tags:
            found[memory.id] = json.dumps([INSTRUCTION, *memory.tags], ensure_ascii=False)
    if not dry_run:
        ids = list(found)
        for start in range(0, len(ids), _AT_ONCE):
            with store.database.write() as connection:
                for memory_id in ids[start : start + _AT_ONCE]:
                    curation.rewrite_row(connection, memory_id, {"tags": found[memory_id]})
        with store.database.write() as connection:
            meta.write_note(connection, meta.INSTRUCTIONS, RULES)
    return len(found)
