"""The shapes in which tools and data sets write messages: role/content, ShareGPT and LangChain.

`{"role","content"}` is OpenAI's chat format (content a string, null or parts; `name` is the participant's),
`{"from","value"}` ShareGPT's, `{"type","data":{"content"}}` LangChain's `messages_to_dict`, `{"speaker","text"}` how
chats between people are kept. A conversation is a list of them, alone or under `messages` or `conversations`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from memento_ingest.formats.shared.excerpt import Excerpt, Turn, block_text, string, tool_call
from memento_ingest.formats.shared.thread import chain_key
from memento_ingest.times import to_unix_ms
from memento_policies import Role

ROLES: Final[Mapping[str, Role]] = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
    "function_call": "tool",
    "function_response": "tool",
    "observation": "tool",
    "tool_call": "tool",
    "tool_response": "tool",
}
_LANGCHAIN: Final = frozenset({"human", "ai", "system", "tool", "function"})
_LISTS: Final = ("messages", "conversations", "conversation")
_TIMES: Final = ("timestamp", "created_at", "create_time", "created", "ts", "time", "date")
_SESSIONS: Final = ("session_id", "conversation_id", "thread_id", "sessionId", "conversationId")
_RECORDS: Final = ("uuid", "message_id", "id")
_CONTENTS: Final = ("content", "value", "text")
_TEXT_PARTS: Final = frozenset({"", "text", "input_text", "output_text"})
_IMAGE_PARTS: Final = frozenset({"image", "image_url", "input_image"})
# A UUID, with or without hyphens or a prefix such as `run-`, or a ULID: ids that no second record can have.
_UNIQUE: Final = re.compile(
    r"(?:[A-Za-z]+[-_])?[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}|[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII
)


def is_message(value: object) -> bool:
    """Tell whether a decoded JSON value is one message of a known shape."""
    return isinstance(value, dict) and _role(value) is not None


def read_generic(value: object) -> Excerpt | None:
    """Read one message, a list of messages, or an object that holds one under `messages` or `conversations`."""
    if isinstance(value, list):
        return _conversation({}, value) if value and is_message(value[0]) else None
    if not isinstance(value, dict):
        return None
    if is_message(value):
        turns = _turns(value)
        skipped = () if turns else ("empty",)
        return Excerpt(turns, skipped, whole=False, session_id=_first_string(value, _SESSIONS))
    for name in _LISTS:
        listed = value.get(name)
        if isinstance(listed, list) and listed and is_message(listed[0]):
            return _conversation(value, listed)
    return None


def _conversation(holder: Mapping[str, Any], listed: list[Any]) -> Excerpt:
    turns: list[Turn] = []
    skipped: list[str] = []
    for value in listed:
        found = _turns(value) if is_message(value) else []
        turns.extend(found)
        if not found:
            skipped.append("empty" if is_message(value) else "unknown_type")
    return Excerpt(
        turns,
        skipped,
        session_id=_first_string(holder, (*_SESSIONS, "id")),
        title=string(holder.get("title")),
        started=_time(holder),
    )


def _role(value: Mapping[str, Any]) -> Role | None:
    if "content" in value or "tool_calls" in value:
        role = ROLES.get(string(value.get("role")).lower())
        if role:
            return role
    if "value" in value and (role := ROLES.get(string(value.get("from")).lower())):
        return role
    if string(value.get("speaker")) and isinstance(value.get("text", value.get("content")), str):
        return ROLES.get(value["speaker"].lower(), "user")
    data = value.get("data")
    if string(value.get("type")) in _LANGCHAIN and isinstance(data, dict) and "content" in data:
        return ROLES[value["type"]]
    return None


def _turns(value: Mapping[str, Any]) -> list[Turn]:
    """Return the turns of one message: its text, and each tool call or result in it as a turn of the tool."""
    role = _role(value) or "user"
    nested = value.get("data")
    body = nested if isinstance(nested, dict) and "role" not in value and "from" not in value else value
    text, tool_texts = _read_content(next((body[name] for name in _CONTENTS if name in body), None))
    tool_texts += _openai_calls(body.get("tool_calls"))
    said: list[tuple[Role, str]] = [(role, text), *(("tool", each) for each in tool_texts)]
    own_id = _own_id(value)
    time = _time(value)
    if body is not value:
        own_id, time = own_id or _own_id(body), time or _time(body)
    meta = _who(body)
    return [
        Turn(
            speaker,
            words,
            time,
            key=chain_key(own_id, speaker, words) if own_id else "",
            kind="tool_call" if speaker == "tool" else "turn",
            meta=meta,
        )
        for speaker, words in said
        if words.strip()
    ]


def _who(body: Mapping[str, Any]) -> dict[str, str]:
    """Return who speaks, where that is a person with a name, or the name of a tool or an agent."""
    speaker = string(body.get("speaker"))
    if speaker and speaker.lower() not in ROLES:
        return {"speaker": speaker}
    name = string(body.get("name"))
    is_person = name and ROLES.get(string(body.get("role")).lower()) == "user"
    return {"speaker" if is_person else "name": name} if name else {}


def _read_content(content: object) -> tuple[str, list[str]]:
    """Return the text of a message's content, and the tool calls and results among its parts."""
    if isinstance(content, str):
        return content, []
    texts: list[str] = []
    tool_texts: list[str] = []
    images = 0
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            texts.append(part)
        if not isinstance(part, dict):
            continue
        kind = string(part.get("type"))
        if kind in _TEXT_PARTS:
            texts.append(string(part.get("text")) or string(part.get("value")))
        elif kind == "tool_use":
            tool_texts.append(tool_call(part.get("name"), part.get("input")))
        elif kind == "tool_result":
            tool_texts.append(block_text(part.get("content")))
        elif kind in _IMAGE_PARTS:
            images += 1
    texts = [text for text in texts if text]
    # An image says nothing by itself; beside text, its place shows what "this" refers to.
    return "\n".join([*texts, *["[image]"] * images] if texts else []), tool_texts


def _openai_calls(calls: object) -> list[str]:
    """Return the tool calls of an OpenAI message (`{"function":{"name","arguments"}}`) or a LangChain one."""
    texts = []
    for call in calls if isinstance(calls, list) else []:
        if isinstance(call, dict):
            function = call.get("function")
            function = function if isinstance(function, dict) else call
            texts.append(tool_call(function.get("name"), function.get("arguments", function.get("args", ""))))
    return texts


def _own_id(value: Mapping[str, Any]) -> str:
    """Return the record's id if it is unique in the world; ids such as `msg_1` or 0 are unique in their file at best.

    The caller hashes role and text with it: some logs repeat their conversation's id on every line as `id`.
    """
    return next((text for text in _strings(value, _RECORDS) if _UNIQUE.fullmatch(text)), "")


def _time(value: Mapping[str, Any]) -> int | None:
    return next((time for name in _TIMES if name in value and (time := to_unix_ms(value[name]))), None)


def _first_string(value: Mapping[str, Any], names: Iterable[str]) -> str:
    return next((text for text in _strings(value, names) if text), "")


def _strings(value: Mapping[str, Any], names: Iterable[str]) -> Iterable[str]:
    return (str(value[name]) for name in names if name in value and type(value[name]) in (str, int))
