"""Consolidation and audit of a large store: CPU seconds, and the memory they need beside the store's own.

Usage: python bench/curation.py [--memories N]

Texts are generated from a seed; one in twenty says an earlier one again.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import Process
from pathlib import Path
from typing import Any, Final

from memento.config import Config, load_config
from memento.curation.auditing import audit
from memento.curation.consolidation import consolidate
from memento.memory import EPISODIC, NewMemory
from memento.storage.capture import Batch
from memento.store import MemoryStore

NOW: Final = 1_790_000_000_000
SYLLABLES: Final = "ka lo mi ter san der ber lin vo ra ne tu pa si gon mar el ist ung for".split()
AGAIN: Final = ("", " again", "!", " please")


def memories(rng: random.Random, count: int) -> Iterator[NewMemory]:
    """Yield memories of 10 to 90 words of three roles in three projects over two years, fifty to a session."""
    words = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(20_000)]
    often = [1 / (rank + 10) for rank in range(len(words))]
    said: list[NewMemory] = []
    for number in range(count):
        if said and rng.random() < 0.05:
            old = rng.choice(said)
            text, voice = old.text + rng.choice(AGAIN), (old.role, old.project)
        else:
            text = " ".join(rng.choices(words, often, k=rng.randint(10, 90)))
            if rng.random() < 0.02:
                text = f"The {rng.choice(words)} of the {rng.choice(words)} is now {rng.randrange(9000)}. {text}"
            voice = (rng.choice(("user", "assistant", "tool")), rng.choice(("/a", "/b", "/c")))
        when, session = NOW - rng.randrange(2 * 365 * 86_400) * 1000, f"s{number // 50}"
        one = NewMemory(
            f"{number:032x}", text, when, "bench", session, voice[0], project=voice[1], collection=EPISODIC,
            importance=rng.random(),
        )  # fmt: skip
        said.append(one)
        yield one


def fill(config: Config, seed: int, count: int) -> None:
    """Write the memories into the store `memory.db` of the folder."""
    with MemoryStore(config.home / "memory.db", config=config) as store:
        store.commit(Batch(None, list(memories(random.Random(seed), count))))


def measure(name: str, run: Callable[[], Any]) -> None:
    """Print the CPU seconds of a run and by how much the process has grown since it began, at its largest."""
    before, started = _megabytes(), time.process_time()
    found = run()
    seconds, grown = time.process_time() - started, _megabytes() - before
    print(f"{name:<24}{seconds:>8.1f} CPU s {grown:>8,.0f} MB more   {found}")


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memories", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = replace(load_config(), home=Path(folder))
        filling = Process(target=fill, args=(config, options.seed, options.memories))  # its memory goes with it
        filling.start()
        filling.join()
        with MemoryStore(Path(folder) / "memory.db", config=config) as store:
            measure("consolidate --dry-run", lambda: consolidate(store, dry_run=True, now=NOW).counts)
            measure("consolidate", lambda: consolidate(store, now=NOW).counts)
            measure("consolidate once more", lambda: consolidate(store, now=NOW).counts)
            measure("audit", lambda: {rate.name: rate.memories for rate in audit(store, NOW)})


if __name__ == "__main__":
    main()
