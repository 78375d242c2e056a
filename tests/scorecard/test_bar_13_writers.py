"""Bar 13: many processes write at once, and the sidecar captures: nothing is lost, nobody is told of a lock."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar, Prompts, Sidecar

WRITER = """
import sys, time
from memento.memory import NewMemory
from memento.storage.capture import Batch
from memento.store import MemoryStore
name, seconds = sys.argv[1], float(sys.argv[2])
number = 0
with MemoryStore() as store:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        store.remember(f"writer {name} keeps {number}", source=name, embed=False)
        rows = [NewMemory(id=f"{int(name):08x}{number:016x}{i:08x}", text=f"writer {name} batch {number} {i}",
                          timestamp=0, source=name) for i in range(5)]
        store.commit(Batch(None, rows))
        number += 1
print(number)
"""


def test_writers_lose_nothing_and_see_no_lock(bar: Bar, sidecar: Sidecar, prompts: Prompts) -> None:
    count, seconds = bar.count("MEMENTO_WRITERS", 4), bar.count("MEMENTO_WRITER_SECONDS", 3)
    sidecar.start()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(number), str(seconds)],
            env=sidecar.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(count)
    ]
    lines = 0
    while any(writer.poll() is None for writer in writers):
        with (sidecar.folder / f"{bar.rng.randrange(5)}.jsonl").open("ab") as file:
            file.write(prompts.line(lines))
        lines += 1
        time.sleep(0.005)
    rounds = []
    for number, writer in enumerate(writers):
        out, problem = writer.communicate()
        assert (writer.returncode, problem) == (0, b""), f"writer {number}"
        rounds.append(int(out))
    wanted = {f"writer {name} keeps {n}" for name, done in enumerate(rounds) for n in range(done)}
    wanted |= {
        f"writer {name} batch {n} {i}" for name, done in enumerate(rounds) for n in range(done) for i in range(5)
    }
    wanted |= set(prompts.texts(lines))
    give_up = time.monotonic() + 60
    while sidecar.rows() < len(wanted) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert sidecar.texts() == sorted(wanted)
    assert "locked" not in sidecar.said()
    assert "is tried again" not in sidecar.said()
    bar.measured(f"{2 * sum(rounds):,} transactions of {count} processes and {lines:,} captured lines, 0 lost")
    assert sidecar.stop() == 0
