"""Writes a realistic Claude Code transcript of any size, the same for the same seed.

Proportions follow real folders: a mean line of about 3.2 KB, two thirds of the assistant messages spread over
several lines with one block each, tool results that carry their body twice (`content` and `toolUseResult`), and
records that hold nothing to keep (progress, snapshots, hook output).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

_WORDS = (
    "the parser keeps its offset in one transaction with the rows so a crash loses nothing and repeats nothing "
    "we decided to use sqlite because every user has one file to back up the cache is cold after a restart "
    "tests fail on windows when the path holds a space please rename the module and update the docs and the changelog"
).split()
_WIDE = [*_WORDS, "naïve", "→", "中文", "🎉"]
_TOOLS = ("Bash", "Read", "Edit", "Grep", "Task", "mcp__tracker__search")
_USAGE = {
    "input_tokens": 4,
    "cache_creation_input_tokens": 12272,
    "cache_read_input_tokens": 8841,
    "output_tokens": 112,
}


class _Log:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.session = self.id()
        self.parent: str | None = None
        self.time = datetime(2026, 9, 1, tzinfo=UTC)

    def id(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def text(self, low: int, high: int) -> str:
        vocabulary = _WIDE if self.random.random() < 0.15 else _WORDS
        words = self.random.choices(vocabulary, k=self.random.randint(low, high))
        return "".join(word + ("\n" if number % 17 == 16 else " ") for number, word in enumerate(words)).strip()

    def record(self, kind: str, **fields: Any) -> dict[str, Any]:
        self.time += timedelta(milliseconds=self.random.randint(5, 9000))
        uuid = self.id()
        record = {
            "parentUuid": self.parent, "isSidechain": False, "userType": "external", "cwd": "/home/user/project",
            "sessionId": self.session, "version": "2.1.230", "gitBranch": "main", "type": kind, **fields,
            "uuid": uuid, "timestamp": self.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }  # fmt: skip
        self.parent = uuid
        return record

    def user(self, content: object, **fields: Any) -> dict[str, Any]:
        return self.record("user", message={"role": "user", "content": content}, **fields)

    def assistant(self, message_id: str, block: dict[str, Any]) -> dict[str, Any]:
        message = {
            "id": message_id, "type": "message", "role": "assistant", "model": "claude-opus-4-7", "content": [block],
            "stop_reason": None, "stop_sequence": None, "usage": {**_USAGE, "service_tier": "standard"},
        }  # fmt: skip
        return self.record("assistant", message=message, requestId="req_" + message_id[4:])


def turns(seed: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the records of one turn after another, without end."""
    log = _Log(seed)
    while True:
        yield list(_turn(log))


def _turn(log: _Log) -> Iterator[dict[str, Any]]:
    choice = log.random.random
    yield {"type": "file-history-snapshot", "messageId": log.id(), "snapshot": {"files": log.text(20, 300)}}
    yield log.user(log.text(5, 120))
    if choice() < 0.5:
        hook = {"type": "hook_additional_context", "hookEvent": "UserPromptSubmit", "content": [log.text(20, 400)]}
        yield log.record("attachment", attachment=hook)
    for _ in range(log.random.randint(1, 8)):
        yield from _step(log)
    message_id = f"msg_{log.id()}"
    yield log.assistant(message_id, {"type": "text", "text": log.text(20, 400)})
    yield log.record("system", subtype="turn_duration", durationMs=81_000)


def _step(log: _Log) -> Iterator[dict[str, Any]]:
    """One API message - thinking, text, tool calls - and the results of its calls."""
    choice = log.random.random
    message_id = f"msg_{log.id()}"
    if choice() < 0.6:
        thinking = {"type": "thinking", "thinking": log.text(40, 500), "signature": "s" * log.random.randint(300, 3000)}
        yield log.assistant(message_id, thinking)
    if choice() < 0.5:
        yield log.assistant(message_id, {"type": "text", "text": log.text(10, 120)})
    calls = [f"toolu_{log.id()}" for _ in range(log.random.choice((1, 1, 1, 2, 3)))]
    for call in calls:
        name = log.random.choice(_TOOLS)
        body = {"command": log.text(3, 40), "file_path": "/home/user/project/a.py", "new_string": log.text(5, 400)}
        yield log.assistant(message_id, {"type": "tool_use", "id": call, "name": name, "input": body})
    for call in calls:
        if choice() < 0.3:
            yield log.record("progress", data={"type": "bash_progress", "output": log.text(10, 300)}, toolUseID=call)
        output = log.text(5, 60) if choice() < 0.4 else log.text(200, 1600)
        result = {"tool_use_id": call, "type": "tool_result", "content": output, "is_error": choice() < 0.05}
        yield log.user([result], toolUseResult={"stdout": output, "stderr": "", "interrupted": False})


def write_log(path: Path | str, megabytes: float, seed: int = 1) -> None:
    """Write a transcript of at least `megabytes` (1e6 bytes) to `path`."""
    written = 0
    with Path(path).open("wb") as file:
        for records in turns(seed):
            for record in records:
                written += file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            if written >= megabytes * 1e6:
                return
