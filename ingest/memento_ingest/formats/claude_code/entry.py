"""The fields of a Claude Code record that are read, decoded straight into typed structs.

Invariant: decoding a JSON object never fails. Fields not listed here are passed over without being built, which is
what makes it fast; tool bodies stay raw JSON until they are needed; a field of an unexpected type counts as absent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from memento_ingest.jsonl import decode, shrink


class Block(msgspec.Struct, gc=False):
    """One content block of a message: text, thinking, tool_use, tool_result, image, document, ..."""

    type: str = ""
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    tool_use_id: str | None = None
    content: msgspec.Raw = msgspec.Raw()
    is_error: bool | None = None


Content = str | list[Block] | None


class Body(msgspec.Struct, gc=False):
    """The API message inside a user or assistant record."""

    id: str | None = None
    model: str | None = None
    content: Content = None


class Origin(msgspec.Struct, gc=False):
    """Who made a prompt: `human`, or what Claude Code itself puts among the prompts."""

    kind: str | None = None


class Attachment(msgspec.Struct, gc=False):
    """What an attachment record attaches; only a queued prompt is text by the user."""

    type: str = ""
    prompt: Content = None
    commandMode: str | None = None
    isMeta: bool | None = None
    origin: Origin | None = None


class Fork(msgspec.Struct, gc=False):
    """Where a forked record was copied from."""

    messageUuid: str | None = None


class Entry(msgspec.Struct, gc=False):
    """One record of a transcript. The names are the format's own."""

    type: str = ""
    uuid: str | None = None
    parentUuid: str | None = None
    sessionId: str | None = None
    timestamp: str | int | float | None = None
    cwd: str | None = None
    gitBranch: str | None = None
    agentId: str | None = None
    isSidechain: bool | None = None
    isMeta: bool | None = None
    isCompactSummary: bool | None = None
    isVisibleInTranscriptOnly: bool | None = None
    isApiErrorMessage: bool | None = None
    message: Body | None = None
    attachment: Attachment | None = None
    forkedFrom: Fork | None = None
    origin: Origin | None = None
    userFeedback: str | None = None
    version: str | None = None
    toolUseResult: msgspec.Raw = msgspec.Raw()
    summary: str | None = None
    customTitle: str | None = None
    aiTitle: str | None = None
    title: str | None = None


_entry: Final = msgspec.json.Decoder(Entry).decode
_content: Final = msgspec.json.Decoder(Content).decode


def decode_entry(data: bytes) -> Entry | None:
    """Return the record in a line, or None where it is not one well-formed object of the expected types."""
    try:
        return _entry(shrink(data))
    except (ValueError, RecursionError):
        return None


def entry_from(value: Mapping[str, Any]) -> Entry:
    """Return the record in a decoded object; a field of the wrong type counts as absent."""
    entry = Entry(**_strings(value, Entry), **_flags(value, Entry))
    timestamp = value.get("timestamp")
    if isinstance(timestamp, str | int | float) and not isinstance(timestamp, bool):
        entry.timestamp = timestamp
    if isinstance(body := value.get("message"), Mapping):
        entry.message = Body(**_strings(body, Body), content=_content_from(body.get("content")))
    if isinstance(attached := value.get("attachment"), Mapping):
        known = {**_strings(attached, Attachment), **_flags(attached, Attachment)}
        entry.attachment = Attachment(**known, prompt=_content_from(attached.get("prompt")))
        entry.attachment.origin = _origin_from(attached)
    if isinstance(fork := value.get("forkedFrom"), Mapping):
        entry.forkedFrom = Fork(**_strings(fork, Fork))
    entry.origin = _origin_from(value)
    entry.toolUseResult = _raw(value.get("toolUseResult"))
    return entry


def _origin_from(value: Mapping[str, Any]) -> Origin | None:
    origin = value.get("origin")
    return Origin(**_strings(origin, Origin)) if isinstance(origin, Mapping) else None


def content_of(raw: msgspec.Raw) -> Content:
    """Return the content of a tool result."""
    try:
        content: Content = _content(raw)
    except (ValueError, RecursionError):
        content = _content_from(decode(bytes(raw))[0])
    return content


def _content_from(value: Any) -> Content:
    if isinstance(value, list):
        return [_block_from(item) for item in value]
    return value if isinstance(value, str) else None


def _block_from(value: Any) -> Block:
    if isinstance(value, str):
        return Block(type="text", text=value)
    if not isinstance(value, Mapping):
        return Block()
    block = Block(**_strings(value, Block), **_flags(value, Block))
    block.input, block.content = _raw(value.get("input")), _raw(value.get("content"))
    return block


def _raw(value: Any) -> msgspec.Raw:
    if value is None:
        return msgspec.Raw()
    try:
        return msgspec.Raw(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return msgspec.Raw()


def _fields_of(*types: Any) -> dict[type[msgspec.Struct], tuple[str, ...]]:
    """Return the names of the fields of these types, for each struct."""
    structs: tuple[type[msgspec.Struct], ...] = (Entry, Body, Block, Attachment, Fork, Origin)
    return {struct: tuple(f.name for f in msgspec.structs.fields(struct) if f.type in types) for struct in structs}


_STRINGS: Final = _fields_of(str, str | None)
_FLAGS: Final = _fields_of(bool | None)


def _strings(value: Mapping[str, Any], struct: type[msgspec.Struct]) -> dict[str, Any]:
    return {name: value[name] for name in _STRINGS[struct] if isinstance(value.get(name), str)}


def _flags(value: Mapping[str, Any], struct: type[msgspec.Struct]) -> dict[str, Any]:
    return {name: value[name] for name in _FLAGS[struct] if isinstance(value.get(name), bool)}
