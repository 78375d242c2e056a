"""The stretches of a line: records, and what became of bytes that are none."""

from __future__ import annotations

from typing import Final, NamedTuple

from memento_ingest.formats.claude_code.entry import Entry, entry_from
from memento_ingest.jsonl import Record, records
from memento_ingest.span import SAMPLE_BYTES, Line, Span

TITLES: Final = {"summary": 0, "ai-title": 1, "custom-title": 2}
_METADATA: Final = (
    "agent-color agent-name agent-setting attribution-snapshot content-replacement context-collapse-commit "
    "context-collapse-snapshot file-history-delta file-history-snapshot fork-context-ref last-prompt mode "
    "permission-mode pr-link queue-operation speculation-accept tag task-summary worktree-state"
).split()
SKIPPED: Final = {"progress": "progress", "system": "system", **dict.fromkeys(_METADATA, "metadata")}
KNOWN_TYPES: Final = frozenset({"user", "assistant", "attachment", *TITLES, *SKIPPED})


class Item(NamedTuple):
    """A stretch of a line: a record, or what became of bytes that are none."""

    offset: int
    length: int
    entry: Entry | None
    span: Span | None = None

    def skip(self, reason: str, unknown_type: str = "") -> Span:
        """Return the span of a record that gives no message."""
        return Span(self.offset, self.length, skipped=reason, unknown_type=unknown_type)


def items_of(line: Line) -> list[Item]:
    """Return what a line holds that is not one well-formed record."""
    found = records(line)
    return [_item(line, record, is_dirty=len(found) > 1) for record in found]


def _item(line: Line, record: Record, *, is_dirty: bool) -> Item:
    offset, length, value, defect = record
    if isinstance(value, dict):
        entry = entry_from(value)
        # In a broken line an object of no known type is a part of a record that was cut, not a record.
        if not is_dirty or entry.type in KNOWN_TYPES:
            return Item(offset, length, entry)
        defect = "broken_json"
    if defect:
        start = offset - line.offset
        sample = line.data[start : start + min(length, SAMPLE_BYTES)]
        return Item(offset, length, None, Span(offset, length, defect=defect, sample=sample))
    return Item(offset, length, None, Span(offset, length, skipped="blank" if record.blank else "not_an_object"))
