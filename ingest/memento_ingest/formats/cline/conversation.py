"""Cline's and Roo's conversations: JSON files that are rewritten whole and replaced by a rename.

Cline since 2026 has `<id>.messages.json`, an object with `messages`. Before, and Roo to this day, a task's
`api_conversation_history.json` is the list of Anthropic messages as they were sent: the person's words stand among
the editor's own, in tags. A record is keyed on its own id or time, else on its place in the conversation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Final, NamedTuple

from memento_ingest.formats.cline.text import (
    called,
    folder_of,
    is_approval,
    is_tool_output,
    keyed_output,
    prompt_text,
    spoken_text,
    tool_output,
    without_progress,
)
from memento_ingest.formats.shared.dialogue import (
    Dialogue,
    Question,
    about,
    answer_text,
    kind_of,
    read_call,
    read_reply,
)
from memento_ingest.formats.shared.documents import read_document
from memento_ingest.formats.shared.excerpt import NO_META, Excerpt, Turn, block_text, string
from memento_ingest.formats.shared.sniffing import first_value
from memento_ingest.formats.shared.thread import chain_key
from memento_ingest.formats.shared.tool_text import MAX_OUTPUT, cut, given_text, pair_text
from memento_ingest.span import SourceInfo, Span
from memento_ingest.times import to_unix_ms
from memento_policies import Kind, Role

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
        self._calls: dict[str, _Call] = {}
        self._asked: Dialogue | None = None
        """The question that was asked last."""
        self._project = ""

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
        return Excerpt(turns, skipped, whole=whole, session_id=session, source=self._source, project=self._project)

    def _turns(self, message: Mapping[str, Any], role: Role, session: str) -> tuple[list[Turn], list[str]]:
        """Return the turns of a message, and a reason for each part of it that gives none."""
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        said: list[_Said] = []
        asides: list[_Said] = []
        texts: list[str] = []
        skipped: list[str] = []
        for block in blocks if isinstance(blocks, list) else []:
            kind = string(block.get("type")) if isinstance(block, dict) else ""
            if kind == "text":
                texts.append(string(block.get("text")))
            elif kind == "tool_use":
                found = self._call(block)
                asides += found
                skipped += [] if found else ["tool_use"]
            elif kind == "tool_result":
                said += self._result(block)
                asides += self._replied(block)
            else:
                skipped.append(_SKIPPED.get(kind, "unknown_type"))
        parts, reason = self._read_user(texts) if role == "user" else _read_assistant(texts)
        said = [*parts, *said]
        if message.get("isSummary") is True:
            said, asides, reason = [], [], "compact_summary"
        if reason:
            skipped.append(reason)
        time = to_unix_ms(message.get("ts"))
        turns = [
            one.turn(time, _key(message, session, one.role, one.keyed or one.text, number))
            for number, one in enumerate(said)
        ]
        for number, one in enumerate(asides):
            key = _key(message, session, one.role, one.text, 0)
            turns.append(one.turn(time, f"{key}#aside{number or ''}" if key else "", is_aside=True))
        return turns, skipped

    def _call(self, block: Mapping[str, Any]) -> list[_Said]:
        """Remember a tool call; return what it says to the person, a plan included: its result may never come."""
        name, given = string(block.get("name")), block.get("input")
        dialogue = read_call(name, given)
        self._calls[string(block.get("id"))] = _Call(name, given_text(given), dialogue)
        if len(self._calls) > _MAX_CALLS:
            del self._calls[next(iter(self._calls))]
        if dialogue is None or not dialogue.text:
            return []
        self._asked = dialogue if dialogue.kind == "question" else self._asked
        return [_Said("assistant", dialogue.text)]

    def _result(self, block: Mapping[str, Any]) -> list[_Said]:
        """Return a call with its result, and what the person answered to it in tags, if they did."""
        call = self._calls.get(string(block.get("tool_use_id")), _NO_CALL)
        texts = [block_text(block.get("content"))]
        output, answers = tool_output(texts, call.name)
        meta = {"tool": call.name, **({"is_error": True} if block.get("is_error") is True else {})}
        text = pair_text(call.name, call.given, cut(output, MAX_OUTPUT))
        keyed = pair_text(call.name, call.given, cut(keyed_output(texts), MAX_OUTPUT))
        said = [_Said("tool", text, meta, keyed)] if text else []
        approved = is_approval(texts)
        return said + [self._answered(answer, call.name, call.dialogue, approved=approved) for answer in answers]

    def _replied(self, block: Mapping[str, Any]) -> list[_Said]:
        """Return what the person answered to a call, where the result has no tags; the call is settled then."""
        call = self._calls.pop(string(block.get("tool_use_id")), _NO_CALL)
        output, answers = tool_output([block_text(block.get("content"))], call.name)
        if answers or call.dialogue is None:
            return []
        reply = read_reply(call.name, call.dialogue, output, is_error=block.get("is_error") is True)
        return [_Said(words.role, words.text, words.meta) for words in reply.words]

    def _read_user(self, texts: list[str]) -> tuple[list[_Said], str]:
        """Return what the person said and what tools gave, or the reason why it is neither."""
        self._project = folder_of(texts) or self._project
        if is_tool_output(texts):
            tool, topic = called(texts)
            output, answers = tool_output(texts, tool)
            keyed = cut(keyed_output(texts), MAX_OUTPUT)
            given = [_Said("tool", cut(output, MAX_OUTPUT), keyed=keyed)] if output else []
            asked = self._asked if kind_of(tool) == "question" else None
            dialogue = asked or Dialogue("question", topic, (Question(topic),) if topic else ())
            approved = is_approval(texts)
            return given + [self._answered(answer, tool, dialogue, approved=approved) for answer in answers], ""
        text, reason = prompt_text(without_progress(texts))
        before, _ = prompt_text(texts)
        return ([_Said("user", text, keyed=before)] if text else []), reason

    def _answered(self, text: str, tool: str, dialogue: Dialogue | None, *, approved: bool) -> _Said:
        """Return what the person said in a result; an answer that says nothing alone has its question above it."""
        kind = kind_of(tool)
        if kind == "question":
            question = dialogue.questions[0] if dialogue and dialogue.questions else Question("")
            return _Said("user", answer_text(question, text), about(question), keyed=text)
        return _Said("user", text, {} if kind or approved else {"refused": tool or True}, keyed=text)


class _Call(NamedTuple):
    """A tool call that waits for its result."""

    name: str
    given: str
    dialogue: Dialogue | None


_NO_CALL: Final = _Call("", "", None)


class _Said(NamedTuple):
    """What someone says in a message."""

    role: Role
    text: str
    meta: Mapping[str, Any] = NO_META
    keyed: str = ""
    """The text that its key is made of, where that is not its own."""

    def turn(self, time: int | None, key: str, *, is_aside: bool = False) -> Turn:
        """Return it as a turn."""
        kind: Kind = "tool_call" if self.role == "tool" else "turn"
        return Turn(self.role, self.text, time, key, kind, self.meta, self.keyed, is_aside)


def _read_assistant(texts: list[str]) -> tuple[list[_Said], str]:
    text = spoken_text(texts)
    if text:
        return [_Said("assistant", text)], ""
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
