"""Files that are committed together: what makes many small ones cheap.

Invariant: what a group holds of one file is written whole or not at all, in the order it was read. A file that cannot
be written is taken out and named, and keeps none of the others from being written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from memento.errors import MementoError, RowRefused, SourceMoved
from memento.storage.capture import Batch

FULL_FILES: Final = 512
FULL_MESSAGES: Final = 1_000
FULL_CHARACTERS: Final = 8 * 1024 * 1024


class Unwritten(NamedTuple):
    """Files of a group that were not written."""

    refused: dict[Path, str]
    """Those that cannot be, and why."""
    moved: dict[Path, int]
    """Those that another process brought further since they were read, and how many memories that leaves unwritten."""


@dataclass(slots=True)
class Group:
    """Batches of several files on their way into one transaction, which `write` makes."""

    write: Callable[[Sequence[Batch]], None]
    _files: dict[Path, list[Batch]] = field(default_factory=dict)
    _identities: set[tuple[int, int]] = field(default_factory=set)
    _messages: int = 0
    _characters: int = 0

    def add(self, file: Path, batch: Batch) -> None:
        """Take the next batch of a file."""
        self._files.setdefault(file, []).append(batch)
        if batch.source:
            self._identities.add((batch.source.device, batch.source.inode))
        self._messages += len(batch.memories) + len(batch.defects)
        self._characters += sum(len(memory.text) for memory in batch.memories)

    @property
    def full(self) -> bool:
        """True when it is time to commit."""
        return len(self._files) >= FULL_FILES or self._messages >= FULL_MESSAGES or self._characters >= FULL_CHARACTERS

    def holds(self, device: int, inode: int) -> bool:
        """Tell whether it holds a file, under whatever name: the store knows of that only after the commit."""
        return (device, inode) in self._identities

    def commit(self) -> Unwritten:
        """Write everything and empty the group; return the files that were not written.

        Raises StoreError when the store cannot be written: then nothing, or the first of the files, is in it.
        """
        files, self._files, self._identities = self._files, {}, set()
        self._messages = self._characters = 0
        unwritten = Unwritten({}, {})
        if files and self._try([batch for batches in files.values() for batch in batches]) is not None:
            for path, batches in files.items():
                problem = self._try(batches)
                if isinstance(problem, SourceMoved):
                    unwritten.moved[path] = sum(len(batch.memories) for batch in batches)
                elif problem is not None:
                    unwritten.refused[path] = _reason(problem)
        return unwritten

    def _try(self, batches: Sequence[Batch]) -> Exception | None:
        """Write batches; return why they were not written, None when they were."""
        try:
            self.write(batches)
        except (RowRefused, SourceMoved) as error:
            return error
        except (MementoError, MemoryError):
            raise
        except Exception as error:  # a value of a kind that no row holds: of this file, whatever the file
            return error
        return None


def _reason(problem: Exception) -> str:
    return str(problem) if isinstance(problem, RowRefused) else f"{type(problem).__name__}: {problem}"
