"""The hooks' spool as a source like any other, and the three things that are particular to it.

A file whose records are all decided is removed once backups hold them; one with a record that waits for its transcript
is read again when the time has come; and a transcript that a record named is followed, wherever it lies.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from memento.backup.coverage import BackupCoverage
from memento.store import MemoryStore
from memento_ingest.discovery import readable
from memento_ingest.events.spool import discard
from memento_ingest.redacting import stored_path
from memento_ingest.sidecar.sweep import Sweep
from memento_ingest.span import LOOK_AGAIN


@dataclass(slots=True)
class Spool:
    """The spool's folders, tended between two sweeps."""

    store: MemoryStore
    sweep: Sweep
    folders: Sequence[Path]
    _followed: list[str] = field(default_factory=list)
    _secured: BackupCoverage = field(init=False)

    def __post_init__(self) -> None:
        self._secured = BackupCoverage(self.store.path, self.store.config)

    def tend(self) -> None:
        """Remove what is done with; have the sweep look again at what has waited long enough."""
        for path in self._files():
            known = self.store.source(stored_path(readable(path), self.store.policy))
            if known is None:
                continue
            if known.size and known.offset == known.size:
                if self._secured.holds(known):
                    discard(path, known.size)
            elif known.state.get(LOOK_AGAIN, 0) and known.state[LOOK_AGAIN] <= time.time_ns() // 1_000_000:
                self.sweep.done.pop(os.fspath(path), None)

    def names_new_transcripts(self) -> bool:
        """Tell whether hooks named transcripts since the last call."""
        before, self._followed = self._followed, self.store.followed()
        return self._followed != before

    def _files(self) -> Iterator[Path]:
        for folder in self.folders:
            if folder.is_dir():
                yield from folder.glob("*.jsonl")
