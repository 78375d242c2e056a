"""What a tool call was given and what it returned, out of the raw JSON of their blocks."""

from __future__ import annotations

import json
from typing import Final, NamedTuple

import msgspec

from memento_ingest.formats.claude_code.entry import Block, Content, content_of
from memento_ingest.formats.shared.dialogue import Dialogue, kind_of, read_call
from memento_ingest.formats.shared.thread import clean
from memento_ingest.formats.shared.tool_text import MAX_INPUT, cut
from memento_ingest.jsonl import decode

# The inputs that say what a call is about; the rest (a file's new content, flags) is left out. Other tools: all JSON.
_TELLING: Final = {
    "Bash": ("command",),
    "Read": ("file_path",),
    "Write": ("file_path",),
    "Edit": ("file_path",),
    "MultiEdit": ("file_path",),
    "NotebookEdit": ("notebook_path",),
    "Grep": ("pattern", "path", "glob"),
    "Glob": ("pattern", "path"),
    "LS": ("path",),
    "WebFetch": ("url", "prompt"),
    "WebSearch": ("query",),
    "Task": ("description", "prompt"),
    "Agent": ("description", "prompt"),
    "Skill": ("skill", "args"),
}
_MEDIA: Final = {"image": "[image]", "document": "[document]"}


class _Telling(msgspec.Struct, gc=False):
    command: str = ""
    file_path: str = ""
    notebook_path: str = ""
    pattern: str = ""
    path: str = ""
    glob: str = ""
    url: str = ""
    prompt: str = ""
    query: str = ""
    description: str = ""
    skill: str = ""
    args: str = ""


_telling: Final = msgspec.json.Decoder(_Telling).decode


class Input(NamedTuple):
    """What a tool call was given."""

    text: str
    """Its telling part."""
    dialogue: Dialogue | None = None
    """What it says to the person."""


def read_input(name: str, raw: msgspec.Raw) -> Input:
    """Return what a call was given."""
    text = input_text(name, raw)
    return Input(clean(text), read_call(name, decode(bytes(raw))[0]) if kind_of(name) else None)


def details_of(name: str, raw: msgspec.Raw) -> object:
    """Return the structured result of a call that talks to the person; any other's is not looked at."""
    return decode(bytes(raw))[0] if kind_of(name) and bytes(raw) else None


def input_text(name: str, raw: msgspec.Raw) -> str:
    """Return the telling part of a call's input, at most about `MAX_INPUT` characters."""
    if fields := _TELLING.get(name):
        try:
            telling = _telling(raw)
        except (ValueError, RecursionError):
            pass
        else:
            if text := " ".join(part for field in fields if (part := getattr(telling, field))):
                return cut(text, MAX_INPUT)
    data = bytes(raw)
    if data.strip() in (b"", b"{}", b"null"):
        return ""
    return cut(_plain_json(data), MAX_INPUT)


def _plain_json(data: bytes) -> str:
    """Return the JSON text with its letters unescaped, so that its words can be found."""
    if b"\\u" in data:
        value, defect = decode(data)
        try:
            return data.decode("utf-8", "replace") if defect else json.dumps(value, ensure_ascii=False)
        except RecursionError:
            pass
    return data.decode("utf-8", "replace")


def output_text(raw: msgspec.Raw) -> str:
    """Return a tool result's text."""
    return content_text(content_of(raw), "\n").strip()


def content_text(content: Content, joint: str) -> str:
    """Return the text of a message's content, with a placeholder for each picture and document."""
    if isinstance(content, str):
        return content
    return joint.join(text for block in content or () if (text := _block_text(block)))


def _block_text(block: Block) -> str:
    return block.text or "" if block.type == "text" else _MEDIA.get(block.type, "")
