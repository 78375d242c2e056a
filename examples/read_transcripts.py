"""Read the transcripts in `samples/` as `memento ingest` does, and ask for what was said in them.

Prints:

    They asked for a discount. Our floor is 15 percent, never go below what Helena signed off.
    the password is not in it: True
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from memento import MemoryStore

SAMPLES = Path(__file__).resolve().parents[1] / "samples"

with TemporaryDirectory() as folder:
    database = Path(folder) / "memory.db"
    environment = {**os.environ, "MEMORY_DB_PATH": str(database)}
    command = [sys.executable, "-m", "memento", "ingest", str(SAMPLES)]
    subprocess.run(command, env=environment, check=True, capture_output=True)

    with MemoryStore(database) as store:
        print(store.recall("how much cheaper may we sell?", k=1)[0].text)
        staging = store.recall("staging database", k=1)[0].text
        print(f"the password is not in it: {'tr0ub4dor' not in staging}")
