"""Whether a session that hooks tell of has a transcript: then the transcript is the truth, and the hook's copy is not.

An agent may name a file that it writes later or never, and some name none but keep one in a known place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from memento.base.home import user_home

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,127}")
_COMPRESSED: Final = ".zst"


def names_transcript(record: Mapping[str, str]) -> bool:
    """Tell whether the record says where its session's transcript is or will be."""
    return record.get("transcript_path", "").startswith("/")


def find_transcript(record: Mapping[str, str]) -> Path | None:
    """Return the session's transcript if it is there and readable. Never raises."""
    return next((path for path in _candidates(record) if _is_readable(path)), None)


def _candidates(record: Mapping[str, str]) -> Iterator[Path]:
    if names_transcript(record):
        named = Path(record["transcript_path"])
        yield from (named, named.with_name(named.name + _COMPRESSED))
        return
    session = record.get("session_id", "")
    if not _ID.fullmatch(session):
        return
    if record.get("agent") == "copilot":
        yield _folder("COPILOT_HOME", ".copilot") / "session-state" / session / "events.jsonl"
    elif record.get("agent") == "codex":
        folder = _folder("CODEX_HOME", ".codex")
        yield from folder.glob(f"sessions/*/*/*/rollout-*-{session}.jsonl*")
        yield from folder.glob(f"archived_sessions/rollout-*-{session}.jsonl*")


def _folder(variable: str, name: str) -> Path:
    return Path(os.environ.get(variable) or user_home(must_exist=False) / name)


def _is_readable(path: Path) -> bool:
    try:
        return path.is_file() and os.access(path, os.R_OK)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return False
