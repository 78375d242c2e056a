"""Cline's and Roo's conversations: JSON files that are rewritten whole and replaced by a rename.

Cline since 2026 has `<id>.messages.json`, an object with `messages`. Before, and Roo to this day, a task's
`api_conversation_history.json` is the list of Anthropic messages as they were sent: the person's words stand among
the editor's own, in tags. A record is keyed on its own id or time, else on its place in the conversation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Final

from memento_ingest.formats.cline_text import answer_text, is_tool_output, prompt_text, tool_output
from memento_ingest.formats.documents import read_document
from memento_ingest.formats.excerpt import Excerpt, Turn, block_text, string
from memento_ingest.formats.json_prefix import first_value
from memento_ingest.formats.thread import chain_key
from memento_ingest.formats.tool_text import MAX_OUTPUT, cut, given_text, pair_text
from memento_ingest.span import SourceInfo, Span
from memento_ingest.times import to_unix_ms
from memento_policies import Role

_HISTORY: Final = "api_conversation_history.json"
_MESSAGES: Final = ".messages.json"
_ROO_FILE: Final = "history_item.json"
_ROLES: Final[Mapping[str, Role]] = {"user": "user", "assistant": "assistant"}
_SKIPPED: Final = {
    "thinking": "thinking",
    "redacted_thinking": "thinking",
    "reasoning": "thinking",
    "image": "media",
    "document": "media",
}
_MAX_CALLS: Final = 256


class Cline:
    """Conversations of Cline, of either generation."""

    name = "cline"

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether the file has the name of a conversation of Cline and begins like one."""
        return _is_session(head, info) or (_is_history(head, info) and not _is_roo(info))

    def read(self, stream: BinaryIO, info: SourceInfo) -> Iterator[Span]:
        """Yield the spans of each message."""
        return read_document(stream, info, self.name, _Conversation(self.name, info).read)


class Roo:
    """Conversations of Roo Code."""

    name = "roo"

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether the file has the name of a task's history, in a folder of Roo's."""
        return _is_history(head, info) and _is_roo(info)

    def read(self, stream: BinaryIO, info: SourceInfo) -> Iterator[Span]:
        """Yield the spans of each message."""
        return read_document(stream, info, self.name, _Conversation(self.name, info).read)


def _is_session(head: bytes, info: SourceInfo) -> bool:
    value = first_value(head) if info.name.endswith(_MESSAGES) else None
    return isinstance(value, dict) and isinstance(value.get("messages"), list) and "sessionId" in value


def _is_history(head: bytes, info: SourceInfo) -> bool:
    value = first_value(head) if info.name.endswith(_HISTORY) else None
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) and first.get("role") in _ROLES and "content" in first


def _is_roo(info: SourceInfo) -> bool:
    """Tell by the extension's folder, or by the file that only Roo keeps beside a task's history."""
    path = Path(info.path)
    in_folder = any("roo-c" in part.lower() for part in path.parts)
    return in_folder or (bool(info.path) and (path.parent / _ROO_FILE).exists())


class _Conversation:
    """Reads messages in order; a tool call waits here for the message with its result."""

    def __init__(self, source: str, info: SourceInfo) -> None:
        self._source = source
        # A task's folder bears its id.
        self._session = PurePath(info.path).parent.name if info.name == _HISTORY else ""
        self._calls: dict[str, tuple[str, str]] = {}

    def read(self, value: object) -> Excerpt | None:
        """Read a session's object or one message of a history."""
        if not isinstance(value, dict):
            return None
        listed = value.get("messages")
        if not isinstance(listed, list):
            return self._excerpt([value], self._session, whole=False) if "role" in value else None
        return self._excerpt(listed, string(value.get("sessionId")), whole=True)

    def _excerpt(self, messages: list[Any], session: str, *, whole: bool) -> Excerpt:
        turns: list[Turn] = []
        skipped: list[str] = []
        for message in messages:
            role = _ROLES.get(string(message.get("role"))) if isinstance(message, dict) else None
            if role is None:
                skipped.append("unknown_type")
                continue
            found, reasons = self._turns(message, role, session)
            turns += found
            skipped += reasons if reasons or found else ["empty"]
        return Excerpt(turns, skipped, whole=whole, session_id=session, source=self._source)

    def _turns(self, message: Mapping[str, Any], role: Role, session: str) -> tuple[list[Turn], list[str]]:
        """Return the turns of a message, and a reason for each part of it that gives none."""
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        said: list[tuple[Role, str, Mapping[str, Any]]] = []
        texts: list[str] = []
        skipped: list[str] = []
        for block in blocks if isinstance(blocks, list) else []:
            kind = string(block.get("type")) if isinstance(block, dict) else ""
            if kind == "text":
                texts.append(string(block.get("text")))
            elif kind == "tool_use":
                self._call(block)
                skipped.append("tool_use")
            elif kind == "tool_result":
                said += self._result(block)
            else:
                skipped.append(_SKIPPED.get(kind, "unknown_type"))
        read = _read_user if role == "user" else _read_assistant
        parts, reason = read(texts)
        said = [*((speaker, text, {}) for speaker, text in parts), *said]
        if message.get("isSummary") is True:
            said, reason = [], "compact_summary"
        if reason:
            skipped.append(reason)
        return [
            Turn(
                speaker,
                text,
                to_unix_ms(message.get("ts")),
                key=_key(message, session, speaker, text, number),
                kind="tool_call" if speaker == "tool" else "turn",
                meta=meta,
            )
            for number, (speaker, text, meta) in enumerate(said)
        ], skipped

    def _call(self, block: Mapping[str, Any]) -> None:
        self._calls[string(block.get("id"))] = (string(block.get("name")), given_text(block.get("input")))
        if len(self._calls) > _MAX_CALLS:
            del self._calls[next(iter(self._calls))]

    def _result(self, block: Mapping[str, Any]) -> list[tuple[Role, str, Mapping[str, Any]]]:
        """Return a call with its result, and what the person answered to it, if they did."""
        name, given = self._calls.pop(string(block.get("tool_use_id")), ("", ""))
        output, answers = tool_output([block_text(block.get("content"))])
        meta = {"tool": name, **({"is_error": True} if block.get("is_error") is True else {})}
        text = pair_text(name, given, cut(output, MAX_OUTPUT))
        called: list[tuple[Role, str, Mapping[str, Any]]] = [("tool", text, meta)] if text else []
        return called + [("user", answer, {}) for answer in answers]


def _read_user(texts: list[str]) -> tuple[list[tuple[Role, str]], str]:
    """Return what the person said and what tools gave, or the reason why it is neither."""
    if is_tool_output(texts):
        output, answers = tool_output(texts)
        called: list[tuple[Role, str]] = [("tool", cut(output, MAX_OUTPUT))] if output else []
        return called + [("user", answer) for answer in answers], ""
    text, reason = prompt_text(texts)
    return ([("user", text)] if text else []), reason


def _read_assistant(texts: list[str]) -> tuple[list[tuple[Role, str]], str]:
    text = answer_text(texts)
    if text:
        return [("assistant", text)], ""
    return [], "tool_use" if any(each.strip() for each in texts) else ""


def _key(message: Mapping[str, Any], session: str, role: str, text: str, number: int) -> str:
    """Return the key from the message's own id or time; empty where it has neither, so that its place gives it."""
    own_id = message.get("id")
    if isinstance(own_id, str) and own_id:
        base = f"{session}/{own_id}"
        return f"{base}/{number}" if number else base
    if to_unix_ms(message.get("ts")):
        return chain_key(f"{message['ts']}", role, text)
    return ""
