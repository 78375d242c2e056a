"""An agent's own loop: every message is offered, the policy decides what is kept, the next session knows it.

Prints:

    kept: I prefer tabs over spaces in Makefiles.
    skipped: ok
    kept: We decided to use SQLite because it is one file.
    the next session knows: We decided to use SQLite because it is one file.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from memento import AutoMemory

SAID = (
    ("user", "I prefer tabs over spaces in Makefiles."),
    ("user", "ok"),
    ("assistant", "We decided to use SQLite because it is one file."),
)

with TemporaryDirectory() as folder:
    path = Path(folder) / "memory.db"
    with AutoMemory(path, session_id="monday", project="/home/ada/harbour") as memory:
        for role, text in SAID:
            seen = memory.observe(text, role=role)
            print(f"{'kept' if seen.kept else 'skipped'}: {text}")

    with AutoMemory(path, session_id="tuesday", project="/home/ada/harbour") as memory:
        found = memory.store.recall("why did we choose SQLite?", k=1)
        print(f"the next session knows: {found[0].text}")
