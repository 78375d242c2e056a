"""The receipt of a forgetting."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

FINISH: Final = "then run `memento forget --finish`"


@dataclass(slots=True)
class ForgetReceipt:
    """What was erased, and where."""

    ids: list[str]
    titles: int = 0
    """Session titles deleted."""
    journal: int = 0
    """Lines removed from the journal."""
    quarantine: int = 0
    """Quarantined samples emptied."""
    spool: int = 0
    """Records removed from the hooks' spool."""
    backups: str = ""
    """What was done about the backups."""
    searched: list[str] = field(default_factory=list)
    """Files whose every byte was searched for probes."""
    probes: int = 0
    """Number of probes."""
    left: list[str] = field(default_factory=list)
    """Files that hold or may hold a probe, with the reason and what to do."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-serialisable form."""
        return asdict(self)

    def add_failure(self, path: Path, error: OSError) -> None:
        """Note that a file could not be rewritten."""
        reason = error.strerror or str(error)
        self.left.append(f"{path}: it could not be rewritten ({reason}) and may hold it: remove the cause, {FINISH}")
