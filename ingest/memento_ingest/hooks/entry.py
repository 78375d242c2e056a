"""`memento hook`: what an agent tells, redacted and on disk before the agent goes on.

Invariant: whatever happens, it ends in time, raises nothing and prints nothing but a reply. What goes wrong is one line
in the hooks' log.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from memento import __version__
from memento.base.home import memento_home
from memento_ingest.events import payload, spool
from memento_ingest.hooks import files, problems, told
from memento_policies.cached_redaction import Loaded, load_redactor

MAX_INPUT: Final = 16 * 1024 * 1024
"""Bytes; a longer input is dropped."""
SILENCE_SECONDS: Final = 2.0
"""How long an agent that does not end its input may say nothing; what it said until then counts."""
TOTAL_SECONDS: Final = 4.5
"""Less than the 5 s after which an agent ends the hook."""
ANSWERED: Final = frozenset({"UserPromptSubmit", "BeforeAgent", "SessionStart"})
"""The events whose reply may carry context, beside a tool call on a file; for others nothing more is imported."""
ASK: Final = "--ask"
"""The argument with which nothing is kept: the agent's own records hold what it says, and it only asks."""
ONLY_ASKED: Final = frozenset({"PreToolUse", "BeforeTool", "preToolUse"})
"""The events that tell nothing to keep: what a tool was asked to do is told again with its result."""
_CHUNK: Final = 1024 * 1024


class _OutOfTime(Exception):
    """The hook took longer than `TOTAL_SECONDS`."""


def home() -> Path:
    """Return Memento's folder, as `memento.config` does, without importing the settings."""
    return memento_home()


def redaction(folder: Path) -> Loaded:
    """Return the redactor of Memento's folder, from its cache if there is one. Raises PolicyError."""
    return load_redactor(folder / "policies", folder / "cache" / "redaction.json", __version__)


def run(arguments: Sequence[str]) -> None:
    """Take what an agent says, from the arguments (`notify`) or standard input, to the spool. Never raises."""
    try:
        limit_time()
        folder = home()
    except Exception:  # there is no home folder: nowhere to write to
        return
    try:
        _take(arguments, folder)
    except BaseException as error:
        problems.note(folder, f"{type(error).__name__}: {error}")


def limit_time() -> None:
    """Have `TOTAL_SECONDS` end this process's work with an exception."""

    def stop(_signal: int, _frame: object) -> None:
        raise _OutOfTime(f"no answer within {TOTAL_SECONDS} s")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, TOTAL_SECONDS)


def _take(arguments: Sequence[str], folder: Path) -> None:
    agent, text = _named_agent(arguments), _notification(arguments)
    if text is None:
        text = standard_input().decode("utf-8", "replace")
    now = time.time_ns() // 1_000_000
    payloads = list(_payloads(payload.objects(text), folder))
    records = [payload.record(one, agent, now) for one in payloads]
    kept = [one for one in records if one["event"] not in ONLY_ASKED and ASK not in arguments]
    if kept:
        loaded = redaction(folder)
        if loaded.problem:
            problems.note(folder, f"the last good redaction rules are in force: {loaded.problem}")
        lines = b"".join(payload.spool_line(record, loaded.redactor) for record in kept)
        spool.append(spool.folders(folder), lines)
    if records and _sidecar_ran(folder):
        if records[0]["event"] in ANSWERED:
            _answer(folder, records[0])
        elif files.EVENTS.get(records[0]["agent"]) == records[0]["event"] and (file := files.touched(payloads[0])):
            _answer_about(folder, records[0], file)


def _sidecar_ran(folder: Path) -> bool:
    """Tell whether a sidecar may be there to ask; without one, asking is not worth its imports."""
    database = Path(os.environ.get("MEMORY_DB_PATH") or folder / "memory.db")
    return (database.parent / "run").exists() or (folder / "config.yaml").exists()


def _answer(folder: Path, record: Mapping[str, Any]) -> None:
    """Print what is recalled for a prompt or a session's start, if the sidecar says so in time."""
    from memento.config import load_config
    from memento_ingest.hooks.context import reply

    answer = reply(load_config().db_path, str(record.get("agent", "")), record)
    if answer and answer.text:
        _print(folder, record, answer.text, answer.memories)
    if record.get("event") == "SessionStart":
        told.prune(folder)


def _answer_about(folder: Path, record: Mapping[str, Any], file: str) -> None:
    """Print what is known of a file that a tool is to read or edit, once in a session."""
    session = str(record.get("session_id", ""))
    if not session:
        return
    with told.once(folder, session, file) as right:
        if right is None:
            return
        from memento.config import load_config
        from memento_ingest.hooks.context import reply

        answer = reply(load_config().db_path, str(record.get("agent", "")), record, file)
        if answer is None:
            return  # no sidecar, or a late one: the next call asks again
        right.use()
        if answer.text:
            _print(folder, record, answer.text, answer.memories)


def _print(folder: Path, record: Mapping[str, Any], text: str, memories: int) -> None:
    os.write(1, text.encode("utf-8", "replace") + b"\n")
    told.add(folder, str(record.get("session_id", "")), memories)


def _payloads(found: Iterable[object], folder: Path) -> Iterator[dict[str, Any]]:
    for value in found:
        if isinstance(value, dict):
            yield value
        else:
            problems.note(folder, "broken input: not a JSON object")


def _named_agent(arguments: Sequence[str]) -> str:
    """Return what follows `--agent`, or nothing."""
    names = [after for name, after in pairwise(arguments) if name == "--agent"]
    return names[-1] if names else ""


def _notification(arguments: Sequence[str]) -> str | None:
    """Return the payload that Codex's `notify` gives as the last argument."""
    return arguments[-1] if arguments and arguments[-1].lstrip()[:1] == "{" else None


def standard_input() -> bytes:
    """Return standard input to its end, or to where it fell silent. Raises ValueError if it is too long."""
    chunks: list[bytes] = []
    size = 0
    while select.select([0], [], [], SILENCE_SECONDS)[0]:
        chunk = os.read(0, _CHUNK)
        if not chunk:
            break
        size += len(chunk)
        if size <= MAX_INPUT:  # the rest is read all the same: the agent must not meet a closed pipe
            chunks.append(chunk)
    if size > MAX_INPUT:
        raise ValueError(f"the input is longer than {MAX_INPUT >> 20} MiB")
    return b"".join(chunks)
