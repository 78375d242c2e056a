"""Bar 1: `kill -9` again and again while files grow in split writes and rotate: nothing is lost, nothing is doubled."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar, Prompts, Sidecar

FILES = 50
LINES_A_KILL = 100


class Writers:
    """Agents at work on many files, as one seed decides."""

    def __init__(self, bar: Bar, sidecar: Sidecar, prompts: Prompts) -> None:
        self.count = 0
        self._rng, self._folder, self._prompts = bar.rng, sidecar.folder, prompts

    def write(self) -> None:
        """Append one line in two writes, now and then after a rotation of one of three kinds."""
        path = self._folder / f"{self._rng.randrange(FILES)}.jsonl"
        if self._rng.random() < 0.02 and path.exists():
            self._rotate(self._rng.choice(("rename", "replace", "recreate")), path)
        line = self._prompts.line(self.count)
        cut = self._rng.randrange(len(line))
        with path.open("ab") as file:
            file.write(line[:cut])
            file.flush()
            file.write(line[cut:])
        self.count += 1

    def _rotate(self, kind: str, path: Path) -> None:
        aside = path.with_name(f"{path.stem}-{self.count}.jsonl")
        if kind == "rename":  # the next line begins a new file under the old name
            path.rename(aside)
        elif kind == "replace":  # an editor's way: all of it, under the same name, in another file
            aside.write_bytes(path.read_bytes())
            aside.replace(path)
        else:  # moved away by a copy, emptied, and begun anew
            aside.write_bytes(path.read_bytes())
            path.unlink()
            path.touch()


def test_killed_again_and_again(bar: Bar, sidecar: Sidecar, prompts: Prompts, eventually: Callable[..., float]) -> None:
    kills = bar.count("MEMENTO_KILLS", 8)
    writers = Writers(bar, sidecar, prompts)
    for _ in range(kills):
        sidecar.start()
        until, target = time.monotonic() + bar.rng.uniform(0.06, 0.25), writers.count + LINES_A_KILL
        while time.monotonic() < until:
            if writers.count < target:
                writers.write()
            time.sleep(0.0005)
        while writers.count < target:  # some are written while nobody looks
            writers.write()
            if bar.rng.random() < 0.05:
                break
        sidecar.stop(signal.SIGKILL)
    sidecar.start()
    eventually(lambda: sidecar.rows() >= writers.count, 60 + writers.count / 500, 0.2)
    assert sidecar.texts() == prompts.texts(writers.count)
    bar.measured(f"{kills:,} kills over {writers.count:,} lines: 0 lost, 0 doubled")
    assert sidecar.stop() == 0
