"""One message of Gemini CLI: `{id, timestamp, type, content, toolCalls?}`, the same in all of its formats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from memento_ingest.formats.shared.dialogue import asked, read_call, read_reply
from memento_ingest.formats.shared.excerpt import Turn, string
from memento_ingest.formats.shared.ids import short_id
from memento_ingest.formats.shared.thread import chain_key, clean
from memento_ingest.formats.shared.tool_text import MAX_OUTPUT, cut, given_text, pair_text
from memento_ingest.times import to_unix_ms
from memento_policies import Role

_ROLES: Final[dict[str, Role]] = {"user": "user", "gemini": "assistant"}
_NOTICES: Final = frozenset({"info", "error", "warning", "help", "stats"})
_SESSION_CONTEXT: Final = (
    "<session_context>",
    "This is the Gemini CLI. We are setting up the context for our chat.",
)


def read_message(value: Mapping[str, Any], session: str, *, sidechain: bool = False) -> tuple[list[Turn], str]:
    """Return a message's text and tool calls as turns, or none and the reason.

    The key is the session's id with the message's and, for a tool call, the call's.
    """
    kind = string(value.get("type"))
    if kind in _NOTICES:
        return [], "system"
    if kind not in _ROLES:
        return [], "unknown_type"
    role = _ROLES[kind]
    text = _text(value.get("content"))
    if role == "user":
        # What was typed, without the files that `@path` brought in.
        text = _text(value.get("displayContent")) or text
        if text.lstrip().startswith(_SESSION_CONTEXT):
            return [], "session_context"
    timestamp = to_unix_ms(value.get("timestamp"))
    meta = {"model": clean(string(value.get("model"))), "sidechain": sidechain}
    meta = {name: fact for name, fact in meta.items() if fact}
    own = _record_id(value, session)
    turns = [Turn(role, text.strip(), timestamp, key=own, meta=meta)] if text.strip() else []
    calls = value.get("toolCalls")
    for number, call in enumerate(calls if isinstance(calls, list) else []):
        if isinstance(call, dict):
            turns += _tool(call, number, own, timestamp, meta)
    if turns:
        return turns, ""
    return [], "tool_use" if calls else "thinking" if value.get("thoughts") else "no_text"


def _record_id(value: Mapping[str, Any], session: str) -> str:
    message_id = short_id(str(value.get("id", "")))
    if session and message_id:
        return f"{short_id(session)}/{message_id}"
    return chain_key(session or string(value.get("timestamp")), message_id, "" if message_id else str(value))


def _tool(
    call: Mapping[str, Any], number: int, message_key: str, timestamp: int | None, facts: Mapping[str, Any]
) -> Iterator[Turn]:
    """Yield a tool call with its result, once it has one, and what is said to the person and by them through it."""
    output, failed = _output(call)
    name = clean(short_id(string(call.get("name")))) or "tool"
    key = f"{message_key}/{short_id(str(call.get('id') or number))}"
    time = to_unix_ms(call.get("timestamp")) or timestamp
    dialogue, given = read_call(name, call.get("args")), given_text(call.get("args"))
    said = asked(dialogue)
    if output or call.get("status") in ("success", "error", "cancelled"):
        reply = read_reply(name, dialogue, output, is_error=failed, given=given)
        said += reply.words
        if (reply.output or not reply.words) and (output or call.get("status") != "cancelled"):
            text = pair_text(name, given, cut(reply.output, MAX_OUTPUT))
            meta = {"tool": name, **({"is_error": True} if failed else {})}
            yield Turn("tool", text, time, key=key, kind="tool_call", meta=meta)
    sidechain = {"sidechain": True} if facts.get("sidechain") else {}
    for words in said:
        speaker = facts if words.role == "assistant" else sidechain
        yield Turn(words.role, words.text, time, key=key + words.suffix, meta={**speaker, **words.meta})


def _output(call: Mapping[str, Any]) -> tuple[str, bool]:
    """Return a call's result as text, and whether it failed."""
    results = call.get("result")
    output, failed = "", call.get("status") == "error"
    for part in results if isinstance(results, list) else [results]:
        response = part.get("functionResponse") if isinstance(part, dict) else None
        found = response.get("response") if isinstance(response, dict) else part
        if isinstance(found, dict):
            failed = failed or "error" in found
            found = found.get("output") or found.get("error") or found.get("content") or found.get("text")
        output += _text(found)
    if not output.strip() and isinstance(shown := call.get("resultDisplay"), str):
        output = shown
    return output.strip(), failed


def _text(content: object) -> str:
    """Return the text of a Part, a list of them, or a string; a model's thoughts are parts as well."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    texts = [part if isinstance(part, str) else _part(part) for part in parts]
    return "\n".join(text for text in texts if text)


def _part(part: object) -> str:
    return string(part.get("text")) if isinstance(part, dict) and not part.get("thought") else ""
