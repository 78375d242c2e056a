"""OpenAI Codex's rollouts: `sessions/YYYY/MM/DD/rollout-<time>-<thread>.jsonl`, plain or compressed.

The format is undocumented; it follows what released versions write. Three generations are read: bare items (before
0.32), records whose turns are mirrored in events (up to 0.146) and records with completed items (from 0.147); a
rollout that was resumed by a newer version mixes them.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

from memento_ingest.formats.codex.dialect import SOURCE, CodexDialect, CodexState
from memento_ingest.formats.shared.agent_lines import AgentParser, sniff_records
from memento_ingest.formats.shared.sniffing import first_value
from memento_ingest.span import Checkpoint, SourceInfo

__all__ = ["Codex", "codex_parser"]

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=$|\.)", re.IGNORECASE)
_DIALECT: Final = CodexDialect()


class Codex:
    """The line format of Codex."""

    name = SOURCE

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether one of the first lines is a record of a rollout."""
        return sniff_records(_DIALECT, head) or _is_oldest(head, info)

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> AgentParser[CodexState]:
        """Return a parser that begins at the checkpoint, or at offset 0."""
        return codex_parser(info, checkpoint)


def _is_oldest(head: bytes, info: SourceInfo) -> bool:
    """Tell whether a rollout by its name begins as the oldest ones do, whose items look like other formats' lines."""
    if not PurePath(info.name).name.startswith("rollout-"):
        return False
    first = first_value(head.split(b"\n", 1)[0])
    return isinstance(first, dict) and {"id", "timestamp", "instructions"} <= first.keys() and "type" not in first


def codex_parser(info: SourceInfo, checkpoint: Checkpoint | None = None) -> AgentParser[CodexState]:
    """Return a parser of rollouts; the session of one without its head is the thread its file is named after."""
    named = _UUID.search(PurePath(info.name).name)
    return AgentParser(_DIALECT, info, checkpoint, named[0].lower() if named else "")
