"""What a run of ingestion did, in figures that add up: every byte read is stored, skipped or quarantined."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from memento.memory import Counts


@dataclass(slots=True)
class Report:
    """Totals over the sources of one run."""

    sources: int = 0
    unchanged: int = 0
    """Sources not read again, since nothing in them changed."""
    seen: int = 0
    """Messages met."""
    kept: int = 0
    """Messages the policy keeps."""
    stored: int = 0
    """Kept messages that are new to the store."""
    extended: int = 0
    """Kept messages the store knew in a shorter form."""
    duplicates: int = 0
    """Kept messages the store had already."""
    forgotten: int = 0
    """Kept messages left out because the user deleted them earlier."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Messages and records not kept, by reason."""
    unknown_types: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    bytes_stored: int = 0
    bytes_skipped: int = 0
    bytes_quarantined: int = 0
    embedded: int = 0
    seconds_embedding: float = 0.0
    seconds: float = 0.0
    """Reading, judging and storing; embedding comes after and is counted apart."""
    problems: list[tuple[str, str]] = field(default_factory=list)
    """What was named and could not be read, and what in the named folders could not be opened; and why."""
    unopened: int = 0
    """How many of the problems are paths that could not even be opened."""
    unrecognised: list[str] = field(default_factory=list)
    """Files in the named folders that no format recognises, or that are empty."""
    without_messages: list[tuple[str, str]] = field(default_factory=list)
    """Sources with many records and no message, and the format they were read as."""
    ignored: int = 0
    """Files in the named folders that no format could read by their name."""
    notes: list[str] = field(default_factory=list)

    @property
    def bytes_read(self) -> int:
        """Bytes met, all of them accounted for."""
        return self.bytes_stored + self.bytes_skipped + self.bytes_quarantined

    @property
    def megabytes_per_second(self) -> float:
        """Throughput without embedding, 10^6 bytes."""
        return self.bytes_read / 1e6 / self.seconds if self.seconds else 0.0

    def add_counts(self, counts: Counts) -> None:
        """Add what the store said of one batch."""
        self.stored += len(counts.stored)
        self.extended += len(counts.extended)
        self.duplicates += counts.duplicates
        self.forgotten += counts.forgotten
        if counts.ignored:
            self.kept -= counts.ignored
            self.skipped["ignored"] += counts.ignored

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-serialisable form."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        problems = [{"path": path, "problem": problem} for path, problem in self.problems]
        silent = [{"path": path, "format": name} for path, name in self.without_messages]
        rounded = {
            "seconds": round(self.seconds, 3),
            "seconds_embedding": round(self.seconds_embedding, 3),
            "megabytes_per_second": round(self.megabytes_per_second, 2),
        }
        return {**fields, **rounded, "bytes_read": self.bytes_read, "problems": problems, "without_messages": silent}
