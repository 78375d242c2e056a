"""Gemini CLI's chats: `~/.gemini/tmp/<project>/chats/session-<time>-<id>.jsonl`, and `.json` in older versions.

The lines are a replay: a header, messages (the same id again replaces the message), `{"$set": {...}}` over the
header's fields or all messages, and `{"$rewindTo": id}`, which takes that message and all after it back. Every version
of a message is kept under one key, so the longest stays; messages that were taken back stay, marked as inactive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from memento_ingest.formats.gemini.messages import read_message
from memento_ingest.formats.shared.agent_lines import AgentParser, sniff_records
from memento_ingest.formats.shared.documents import read_document
from memento_ingest.formats.shared.excerpt import Excerpt, string
from memento_ingest.formats.shared.sniffing import first_object, is_json_document
from memento_ingest.formats.shared.statement import State, Statement, unknown
from memento_ingest.span import Checkpoint, SourceInfo, Span
from memento_ingest.times import to_unix_ms

SOURCE: Final = "gemini"
_ROOT: Final = ".project_root"
_MAX_ROOT: Final = 4096


class GeminiState(State):
    """The state of a replay's parser."""

    sidechain: bool = False


class GeminiDialect:
    """Reads the replay's records."""

    source = SOURCE
    state = GeminiState

    def is_record(self, value: Mapping[str, Any]) -> bool:
        """Tell whether an object is a chat's header, a message or a change."""
        if "$set" in value or "$rewindTo" in value:
            return isinstance(value.get("$set", {}), dict)
        if "sessionId" in value and "startTime" in value and "type" not in value:
            return True
        return _is_message(value)

    def read(self, value: Mapping[str, Any], state: GeminiState) -> Statement:
        """Return what a record says."""
        if "$rewindTo" in value:
            return Statement(inactive=_rewound(string(value["$rewindTo"]), state))
        if isinstance(changes := value.get("$set"), dict):
            return _changed(changes, state)
        if "type" not in value and "sessionId" in value:
            state.belongs_to(value["sessionId"])
            state.sidechain = value.get("kind") == "subagent"
            state.at(value.get("startTime"))
            return Statement(title=string(value.get("summary")))
        if "type" not in value or "id" not in value:
            return unknown(value.get("type"))
        state.at(value.get("timestamp"))
        turns, reason = read_message(value, state.session, sidechain=state.sidechain)
        unknown_type = string(value["type"])[:64].replace("\0", "") if reason == "unknown_type" else ""
        return Statement(turns, skipped=reason, unknown_type=unknown_type, place=string(value["id"])[:128])


def _is_message(value: Mapping[str, Any]) -> bool:
    is_typed = value.get("type") in ("user", "gemini", "info", "error", "warning")
    return is_typed and "content" in value and isinstance(value.get("id"), str) and "timestamp" in value


def _is_imitation(value: Mapping[str, Any]) -> bool:
    """Tell the messages of a fork of Gemini CLI, whose model has another name there (Qwen Code)."""
    return value.get("type") in ("qwen", "assistant", "model")


def _rewound(message_id: str, state: GeminiState) -> tuple[str, ...]:
    """Return the keys of the message and of all after it, and forget them."""
    places = [place for place, _ in state.recent]
    if message_id not in places:
        return ()
    first = places.index(message_id)
    keys = dict.fromkeys(key for _, key in state.recent[first:])
    state.recent = state.recent[:first]
    return tuple(keys)


def _changed(changes: Mapping[str, Any], state: GeminiState) -> Statement:
    """Read a change of the header; one of all messages brings them again, mostly as they were."""
    turns = []
    listed = changes.get("messages")
    for message in listed if isinstance(listed, list) else []:
        if isinstance(message, dict) and "type" in message and "id" in message:
            state.at(message.get("timestamp"))
            found, _ = read_message(message, state.session, sidechain=state.sidechain)
            turns += found
            state.remember(string(message["id"])[:128], [turn.key for turn in found])
    return Statement(turns, title=string(changes.get("summary")))


class Gemini:
    """The line format of Gemini CLI."""

    name = SOURCE

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether one of the first lines is a record of a chat."""
        if is_json_document(head, info) or _is_one_document(head):
            return False
        return sniff_records(_DIALECT, head, _is_imitation)

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> AgentParser[GeminiState]:
        """Return a parser that begins at the checkpoint, or at offset 0."""
        start = checkpoint or Checkpoint(0, {})
        if project := project_root(info):
            start = Checkpoint(start.offset, {"project": project, **start.state})
        return AgentParser(_DIALECT, info, start)


class GeminiJson:
    """A chat of an older version, one JSON document that is rewritten with every message."""

    name = "gemini-json"
    source = SOURCE

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether the document is a chat; its fields come in no certain order."""
        if not is_json_document(head, info) and not _is_one_document(head):
            return False
        value = first_object(head)
        return isinstance(value, dict) and _is_chat(value)

    def read(self, stream: BinaryIO, info: SourceInfo) -> Iterator[Span]:
        """Yield the chat's messages, and a span for each record that is none."""
        project = project_root(info)
        return read_document(stream, info, SOURCE, lambda value: _read_chat(value, project))


_DIALECT: Final = GeminiDialect()


def _is_chat(value: Mapping[str, Any]) -> bool:
    messages = value.get("messages")
    if not isinstance(messages, list):
        return "sessionId" in value and "projectHash" in value
    first = messages[0] if messages else {}
    if any(isinstance(message, dict) and _is_imitation(message) for message in messages):
        return False
    return ("sessionId" in value or "projectHash" in value or "lastUpdated" in value) and (
        isinstance(first, dict) and (not first or _is_message(first))
    )


def _is_one_document(head: bytes) -> bool:
    """Tell whether the only line is a chat with its messages, whatever the file is named."""
    if b'"messages"' not in head or b"\n" in head.strip():
        return False
    value = first_object(head)
    return isinstance(value, dict) and isinstance(value.get("messages"), list) and "$set" not in value


def _read_chat(value: object, project: str) -> Excerpt | None:
    if not isinstance(value, dict) or not isinstance(value.get("messages"), list):
        return None
    session = string(value.get("sessionId"))
    turns, skipped = [], []
    for message in value["messages"]:
        if not isinstance(message, dict):
            skipped.append("not_an_object")
            continue
        found, reason = read_message(message, session, sidechain=value.get("kind") == "subagent")
        turns += found
        skipped += [] if found else [reason]
    return Excerpt(
        turns,
        skipped,
        session_id=session,
        title=string(value.get("summary")),
        started=to_unix_ms(value.get("startTime")),
        project=project,
    )


def project_root(info: SourceInfo) -> str:
    """Return the project of a chat file: Gemini CLI writes it beside the folder of the chats, or ""."""
    folder = Path(info.path).parent
    while folder.name and folder.name != "chats":
        folder = folder.parent
    if not info.path or not folder.name:
        return ""
    try:
        with (folder.parent / _ROOT).open("rb") as stream:
            return stream.read(_MAX_ROOT).decode("utf-8", "replace").strip().replace("\0", "")
    except OSError:
        return ""
