"""What agents hand their hooks, as one flat record for the spool.

Agents name the same things differently; here they get one name each. Fields that nobody reads (a whole model request,
e-mail addresses) are left out. Sources: the public hook references of Claude Code, Codex, Gemini CLI, Cursor and
Copilot CLI.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from memento_policies.redaction import Redactor

VERSION: Final = 1
MAX_OBJECTS: Final = 1_000
"""Objects of one input; what follows is one problem."""

SHORT: Final = 4_096
"""Characters of a field that `LIMITS` does not name."""
LIMITS: Final[Mapping[str, int]] = {
    "prompt": 1_048_576,
    "answer": 1_048_576,
    "summary": 65_536,
    "message": 16_384,
    "tool_input": 16_384,
    "tool_output": 65_536,
}
"""Characters kept of the longer fields."""
_SEAM: Final = 4_096
"""Characters that are redacted beyond a limit and thrown away: a secret cut in half is not recognised."""

_EVENT: Final = ("hook_event_name", "hookEventName", "event", "type")
_FACTS: Final[Mapping[str, tuple[str, ...]]] = {
    "session_id": ("session_id", "sessionId", "thread-id", "conversation_id"),
    "turn_id": ("prompt_id", "turn_id", "turn-id", "generation_id"),
    "transcript_path": ("agent_transcript_path", "transcript_path", "transcriptPath"),
    "cwd": ("cwd", "workspace_roots"),
    "timestamp": ("timestamp",),
    "model": ("model",),
    "agent_id": ("agent_id",),
    "agent_type": ("agent_type",),
    "tool": ("tool_name", "toolName"),
    "tool_use_id": ("tool_use_id", "toolUseId"),
    "detail": ("source", "reason", "trigger", "notification_type", "status"),
}
_TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "prompt": ("prompt", "input-messages", "initial_prompt", "initialPrompt"),
    "answer": ("last_assistant_message", "last-assistant-message", "prompt_response", "text"),
    "message": ("message",),
    "summary": ("compact_summary",),
    "tool_input": ("tool_input", "toolArgs"),
    "tool_output": ("tool_response", "tool_result", "toolResult", "tool_output", "error"),
}
# Where tools put what the model gets to see of their result.
_OUTPUTS: Final = "text_result_for_llm textResultForLlm llmContent stdout stderr output content result".split()

_ALIASES: Final = {"claude": "claude-code", "gemini-cli": "gemini", "copilot-cli": "copilot"}
_GEMINI: Final = frozenset("BeforeAgent AfterAgent BeforeModel AfterModel BeforeTool AfterTool PreCompress".split())
_SPACE: Final = re.compile(r"\s*")
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_MAX_DIGITS: Final = 4_000


def objects(text: str) -> Iterator[object]:
    """Yield the JSON values of an input: one object, one a line, or several in a row; None for what is no JSON."""
    text = text.removeprefix("\ufeff")
    position = _SPACE.match(text).end()  # type: ignore[union-attr]  # it matches anything
    for _ in range(MAX_OBJECTS):
        if position >= len(text):
            return
        try:
            value, position = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            value, newline = None, text.find("\n", position)
            position = newline if newline >= 0 else len(text)
        yield value
        position = _SPACE.match(text, position).end()  # type: ignore[union-attr]
    if position < len(text):
        yield None


def record(payload: Mapping[str, Any], agent: str, received: int) -> dict[str, Any]:
    """Return the record of one payload, not redacted yet: strings, but for its version and time.

    `agent` is the name the hook was installed with, if any; `received` is Unix milliseconds.
    """
    event = _first(payload, _EVENT)
    facts = {name: text for name, keys in _FACTS.items() if (text := _first(payload, keys))}
    texts = {name: text for name, keys in _TEXTS.items() if (text := _first(payload, keys))}
    if payload.get("error") and "tool" in facts:
        facts["is_error"] = "true"
    return {
        "v": VERSION,
        "id": os.urandom(16).hex(),
        "agent": _ALIASES.get(agent, agent) if _SLUG.fullmatch(agent) else _agent(payload, event),
        "event": event or "unknown",
        "received": received,
        **facts,
        **texts,
    }


def _agent(payload: Mapping[str, Any], event: str) -> str:
    """Tell the agent by what only its payloads have; Claude Code's, which others imitate, is what remains."""
    transcript = str(payload.get("transcript_path") or "")
    if "conversation_id" in payload or "cursor_version" in payload:
        return "cursor"
    if event in _GEMINI or "/.gemini/" in transcript:
        return "gemini"
    if "thread-id" in payload or "turn_id" in payload or "/.codex/" in transcript or "rollout-" in transcript:
        return "codex"
    if "timestamp" in payload and ("/.copilot/" in transcript or not transcript or "stop_reason" in payload):
        return "copilot"
    return "claude-code"


def _first(payload: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return next((text for key in keys if (text := _text(payload.get(key)))), "")


def _text(value: object) -> str:
    """Return a field as text: JSON for what is no text, of a tool's result what the model sees."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "\n\n".join(value)
    if isinstance(value, dict):
        if shown := next((text for name in _OUTPUTS if isinstance(text := value.get(name), str) and text.strip()), ""):
            return shown
        if not value:
            return ""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


_DECODER: Final = json.JSONDecoder(strict=False, parse_int=_integer)


def spool_line(record: Mapping[str, Any], redactor: Redactor) -> bytes:
    """Return a record as the spool holds it: bounded, without secrets, one line."""
    safe = {
        name: _redacted(value, LIMITS.get(name, SHORT), redactor) if isinstance(value, str) else value
        for name, value in record.items()
    }
    return json.dumps(safe, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _redacted(text: str, limit: int, redactor: Redactor) -> str:
    """Return the text without secrets and at most `limit` characters of it."""
    clean = redactor.redact(text[: limit + 2 * _SEAM]).text
    if len(text) <= limit:
        return clean
    kept = clean[: max(min(limit, len(clean) - _SEAM), 0)]
    return f"{kept}\n… [{len(text) - len(kept):,} characters left out]"
