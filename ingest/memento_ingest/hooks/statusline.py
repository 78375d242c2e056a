"""`memento statusline`: one line for Claude Code's status line, from the JSON that it gives on standard input.

Claude Code runs it after every message and shows its first line (code.claude.com/docs/en/statusline). Like a hook it
imports nothing slow, asks the sidecar for 0.2 s at most, and never fails.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Final

from memento.base.counted import counted
from memento_ingest.hooks import told
from memento_ingest.hooks.entry import home, limit_time, standard_input

SECONDS: Final = 0.2


def run() -> None:
    """Print the line. Never raises; with no home folder it prints nothing."""
    try:
        limit_time()
        folder = home()
        session = _session(standard_input())
    except BaseException:
        return
    try:
        said = line(folder, session, time.time())
    except BaseException as error:
        said = f"memento: no answer ({type(error).__name__})"
    os.write(1, said.encode("utf-8", "replace") + b"\n")


def line(folder: Path, session: str, now: float) -> str:
    """Return what the session was told, and when a memory was stored last."""
    from memento.config import load_config
    from memento_ingest.server.client import last_stored

    stored = last_stored(load_config().db_path, SECONDS)
    if stored is None:
        return "memento: not running, start `memento watch`"
    was = told.read(folder, session)
    loaded = f"{counted(was.memories, 'memory')} loaded, {counted(was.recalls, 'recall')}"
    return f"memento: {loaded}, {_saved(now - stored / 1000) if stored else 'nothing saved yet'}"


def _saved(seconds: float) -> str:
    """Return how long ago something was saved, in the largest unit of which it is two at least."""
    left = max(0.0, seconds)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if left >= 2 * size:
            return f"saved {int(left / size)} {unit} ago"
    return f"saved {int(left)} s ago"


def _session(given: bytes) -> str:
    try:
        value = json.loads(given)
    except (ValueError, RecursionError):
        return ""
    session = value.get("session_id") if isinstance(value, dict) else None
    return session if isinstance(session, str) else ""
