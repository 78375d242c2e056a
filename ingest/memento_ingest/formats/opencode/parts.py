"""What opencode's messages say: parts of a message (v1 and before), or a message with its content (v2).

Ids are opencode's own (`prt_...`, `msg_...`): the same part has the same key in the storage folders of versions before
1.2 and in the database that later versions moved them to. Shapes: opencode `packages/opencode/src/session`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from memento_ingest.formats.shared.database.rows import Reading
from memento_ingest.formats.shared.dialogue import asked, read_call, read_reply
from memento_ingest.formats.shared.excerpt import block_text, string
from memento_ingest.formats.shared.ids import short_id
from memento_ingest.formats.shared.thread import clean
from memento_ingest.formats.shared.tool_text import MAX_OUTPUT, cut, given_text, pair_text
from memento_ingest.span import Title
from memento_ingest.times import to_unix_ms
from memento_policies import Kind, Message, Role

SOURCE: Final = "opencode"

_ROLES: Final[Mapping[str, Role]] = {"user": "user", "assistant": "assistant"}
_SKIPPED_PARTS: Final = {
    "reasoning": "reasoning",
    "step-start": "step",
    "step-finish": "step",
    "snapshot": "snapshot",
    "patch": "patch",
    "file": "media",
    "agent": "metadata",
    "subtask": "metadata",
    "retry": "metadata",
    "compaction": "metadata",
}
_SKIPPED_MESSAGES: Final = {
    "synthetic": "synthetic",
    "system": "system",
    "compaction": "compact_summary",
    "agent-switched": "metadata",
    "model-switched": "metadata",
    "agent": "metadata",
    "model": "metadata",
}
_WAITING: Final = frozenset({"pending", "running", "streaming"})


@dataclass(frozen=True, slots=True)
class Setting:
    """The message or session that a record belongs to, as far as it is known."""

    session: str
    role: str = ""
    time: int = 0
    """Unix milliseconds."""
    project: str = ""
    title: str = ""
    model: str = ""
    agent: str = ""
    is_child: bool = False
    """The session was started by an agent, so its prompts are no person's."""
    is_summary: bool = False

    def reading(self) -> Reading:
        """Return an empty reading with the session's title."""
        return Reading(title=Title(self.session, self.title) if self.title and self.session else None)

    def message(self, role: Role, text: str, key: str, time: object, **meta: Any) -> Message:
        """Return a message in this setting."""
        kind: Kind = "tool_call" if role == "tool" else "turn"
        known = {"model": self.model, "agent": self.agent, "sidechain": self.is_child, **meta}
        return Message(
            role=role,
            text=text,
            timestamp=to_unix_ms(time) or self.time,
            source=SOURCE,
            session_id=self.session,
            key=clean(short_id(key)),
            project=self.project,
            kind=kind,
            meta={name: value for name, value in known.items() if value},
        )


def read_part(part_id: str, part: object, setting: Setting) -> Reading:
    """Read a part of a message."""
    reading = setting.reading()
    if not isinstance(part, dict):
        reading.skip("not_an_object")
        return reading
    kind = string(part.get("type"))
    if kind == "text":
        _text_part(reading, part_id, part, setting)
    elif kind == "tool":
        _tool(reading, part_id, string(part.get("tool")), part.get("state"), setting)
    elif kind in _SKIPPED_PARTS:
        reading.skip(_SKIPPED_PARTS[kind])
    else:
        reading.skip("unknown_type", clean(kind) or "(none)")
    return reading


def _text_part(reading: Reading, part_id: str, part: Mapping[str, Any], setting: Setting) -> None:
    text = clean(string(part.get("text"))).strip()
    role = _ROLES.get(setting.role)
    if part.get("synthetic") or part.get("ignored"):
        reading.skip("synthetic")
    elif setting.is_summary:
        reading.skip("compact_summary")
    elif not text:
        reading.skip("no_text")
    elif role is None:
        # Its message was deleted, or is of a role this version does not know.
        reading.skip("unknown_type", f"role {clean(setting.role)}" if setting.role else "no_message")
    else:
        reading.messages.append(setting.message(role, text, part_id, _get(part, "time", "start")))


def _tool(reading: Reading, key: str, name: str, state: object, setting: Setting, started: object = None) -> None:
    """Read a tool call; one that still runs waits until its row has the result."""
    state = state if isinstance(state, dict) else {}
    if state.get("status") in _WAITING:
        reading.skip("tool_use")
        return
    error = state.get("error")
    error = string(error) or string(_get(error, "message"))
    output = (string(state.get("output")) or block_text(state.get("content")) or error).strip()
    failed = bool(error) or state.get("status") == "error"
    dialogue, given = read_call(name, state.get("input")), given_text(state.get("input"))
    reply = read_reply(name, dialogue, output, is_error=failed, details=state.get("metadata"), given=given)
    text = clean(pair_text(name, given, cut(reply.output, MAX_OUTPUT))).strip()
    time = _get(state, "time", "start") or started
    for words in (*asked(dialogue), *reply.words):
        said = setting.message(words.role, clean(words.text), key, time, **words.meta)
        reading.messages.append(replace(said, key=said.key + words.suffix))
    if reply.words and not reply.output:
        return
    if not text:
        reading.skip("empty_result")
        return
    meta = {"tool": clean(name), "is_error": failed}
    reading.messages.append(setting.message("tool", text, key, time, **meta))


def read_message(message_id: str, kind: str, value: object, setting: Setting) -> Reading:
    """Read a message of v2 with all it holds."""
    reading = setting.reading()
    if not isinstance(value, dict):
        reading.skip("not_an_object")
    elif read := _MESSAGES.get(kind):
        read(reading, message_id, value, setting)
    elif kind in _SKIPPED_MESSAGES:
        reading.skip(_SKIPPED_MESSAGES[kind])
    else:
        reading.skip("unknown_type", clean(kind) or "(none)")
    return reading


def _user(reading: Reading, message_id: str, value: Mapping[str, Any], setting: Setting) -> None:
    text = clean(string(value.get("text"))).strip()
    if text:
        reading.messages.append(setting.message("user", text, message_id, _get(value, "time", "created")))
    else:
        reading.skip("no_text")


def _assistant(reading: Reading, message_id: str, value: Mapping[str, Any], setting: Setting) -> None:
    """Read an answer: its texts are one message, each of its tool calls another."""
    created = _get(value, "time", "created")
    texts: list[str] = []
    content = value.get("content")
    for number, item in enumerate(content if isinstance(content, list) else []):
        kind = string(_get(item, "type"))
        if kind == "text":
            texts.append(clean(string(item.get("text"))).strip())
        elif kind == "tool":
            key = f"{message_id}/{string(item.get('id')) or number}"
            time = _get(item, "time", "created") or created
            _tool(reading, key, string(item.get("name")), item.get("state"), setting, time)
        elif kind in _SKIPPED_PARTS:
            reading.skip(_SKIPPED_PARTS[kind])
        else:
            reading.skip("unknown_type", clean(kind) or "(none)")
    if text := "\n\n".join(filter(None, texts)):
        reading.messages.append(setting.message("assistant", text, message_id, created))
    elif not reading.messages and not reading.skipped:
        reading.skip("no_text")


def _shell(reading: Reading, message_id: str, value: Mapping[str, Any], setting: Setting) -> None:
    state = {"input": {"command": value.get("command")}, "output": value.get("output"), "status": value.get("status")}
    _tool(reading, message_id, "shell", state, setting, _get(value, "time", "created"))


_MESSAGES: Final[Mapping[str, Callable[[Reading, str, Mapping[str, Any], Setting], None]]] = {
    "user": _user,
    "assistant": _assistant,
    "shell": _shell,
}


def _get(value: object, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
