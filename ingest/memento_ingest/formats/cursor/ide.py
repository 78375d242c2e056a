"""Cursor's chats in `state.vscdb`, a key-value table that VS Code and its extensions share. Reverse-engineered.

The same table holds access tokens: only the values of `composerData:*` and `bubbleId:*` keys are ever read. A bubble
is one message, `bubbleId:<composer>:<bubble>`; the composer has the conversation's name and time. Old composers hold
their bubbles themselves, under `conversation`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from memento_ingest.formats.shared.database.row_changes import Query
from memento_ingest.formats.shared.database.rows import Convert, Reading, Row, RowsReader
from memento_ingest.formats.shared.database.sqlite import Database, has_columns
from memento_ingest.formats.shared.dialogue import Words, asked, read_call, read_reply
from memento_ingest.formats.shared.excerpt import string
from memento_ingest.formats.shared.ids import short_id
from memento_ingest.formats.shared.thread import clean
from memento_ingest.formats.shared.tool_text import MAX_OUTPUT, cut, given_text, pair_text
from memento_ingest.span import Checkpoint, SourceInfo, Title
from memento_ingest.times import inheritable, to_unix_ms
from memento_policies import Message, Role

SOURCE: Final = "cursor-ide"

_ROLES: Final[Mapping[int, Role]] = {1: "user", 2: "assistant"}
_QUERY: Final = Query(
    table="cursorDiskKV",
    id=("key",),
    data="value",
    # The plus keeps SQLite from walking the keys' index, which would not give the rows in their order.
    where=(
        "((+t.key >= 'bubbleId:' AND +t.key < 'bubbleId;') OR (+t.key >= 'composerData:' AND +t.key < 'composerData;'))"
    ),
)
_STARTED: Final = """
SELECT CAST(json_extract(value, '$.createdAt') AS TEXT) FROM cursorDiskKV
WHERE key = 'composerData:' || :composer AND json_valid(value)
"""


class CursorIDE:
    """The chats of the Cursor editor."""

    name = SOURCE

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether it is a database with Cursor's table."""
        return has_columns(head, info, {_QUERY.table: "value"})

    def reader(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> RowsReader:
        """Return a reader of the new and changed bubbles and composers."""

        def choose(database: Database) -> Sequence[tuple[Query, Convert]]:
            @lru_cache(maxsize=256)
            def started(composer: str) -> int:
                row = database.first(_STARTED, {"composer": composer})
                return inheritable(to_unix_ms(row[0]) if row else None, info.modified)

            def convert(row: Row) -> Reading:
                kind, _, rest = row.id.partition(":")
                composer, _, bubble = rest.partition(":")
                if kind != "bubbleId":
                    return _composer(composer, row.value, info)
                reading = Reading()
                _bubble(reading, composer, bubble, row.value, lambda: started(composer))
                return reading

            return [(_QUERY, convert)]

        return RowsReader(info, checkpoint, choose)


def _composer(composer: str, value: object, info: SourceInfo) -> Reading:
    if not isinstance(value, dict):
        return Reading(skipped=[("not_an_object", "")])
    name = clean(string(value.get("name"))).strip()
    reading = Reading(title=Title(composer, name) if name else None)
    time = inheritable(to_unix_ms(value.get("createdAt")), info.modified)
    bubbles = value.get("conversation")
    for number, bubble in enumerate(bubbles if isinstance(bubbles, list) else []):
        own_id = string(bubble.get("bubbleId")) if isinstance(bubble, dict) else ""
        _bubble(reading, composer, own_id or f"#{number}", bubble, lambda: time)
    if not reading.messages:
        reading.skip("metadata")
    return reading


def _bubble(reading: Reading, composer: str, bubble_id: str, value: object, started: Callable[[], int]) -> None:
    """Read a bubble; an assistant's may hold a text, a tool call, or only its thoughts."""
    if not isinstance(value, dict):
        reading.skip("not_an_object")
        return
    kind = value.get("type")
    role = _ROLES.get(kind) if isinstance(kind, int) else None
    if role is None:
        reading.skip("unknown_type", f"bubble {kind}" if isinstance(kind, int) else "bubble")
        return
    text = clean(string(value.get("text"))).strip()
    tool = value.get("toolFormerData")
    said: list[tuple[Words, Mapping[str, Any]]] = [(Words(role, text, ""), {})] if text else []
    said += _tool(tool) if isinstance(tool, dict) else []
    time = to_unix_ms(value.get("createdAt")) or _client_time(value) or started()
    reading.messages += [
        Message(
            role=words.role,
            text=words.text,
            timestamp=time,
            source=SOURCE,
            session_id=short_id(composer),
            key=clean(short_id(f"{composer}/{bubble_id}{words.suffix}")),
            kind="tool_call" if words.role == "tool" else "turn",
            meta={**words.meta, **meta},
        )
        for words, meta in said
    ]
    if not said:
        reading.skip("tool_use" if isinstance(tool, dict) and tool else "reasoning" if _thinks(value) else "no_text")


def _tool(tool: Mapping[str, Any]) -> list[tuple[Words, Mapping[str, Any]]]:
    """Return a tool call with its result, once it has one, and what is said to the person and by them through it."""
    name, output, status = string(tool.get("name")), string(tool.get("result")).strip(), tool.get("status")
    if not name or (not output and status in ("loading", "running", "pending")):
        return []
    arguments = tool.get("rawArgs") or tool.get("params")
    dialogue, given = read_call(name, arguments), given_text(arguments)
    failed = status in ("error", "rejected", "cancelled")
    reply = read_reply(name, dialogue, output, is_error=failed, given=given, details=tool.get("additionalData"))
    said = [Words(words.role, clean(words.text), f"/tool{words.suffix}", words.meta) for words in asked(dialogue)]
    said += [Words(words.role, clean(words.text), f"/tool{words.suffix}", words.meta) for words in reply.words]
    if reply.output or not reply.words:
        text = clean(pair_text(name, given, cut(reply.output, MAX_OUTPUT))).strip()
        said.append(Words("tool", text, "/tool"))
    meta = {"tool": clean(name), **({"is_error": True} if status == "error" else {})}
    return [(words, meta if words.role == "tool" else {}) for words in said if words.text]


def _client_time(value: Mapping[str, Any]) -> int | None:
    timing = value.get("timingInfo")
    return to_unix_ms(timing.get("clientStartTime")) if isinstance(timing, dict) else None


def _thinks(value: Mapping[str, Any]) -> bool:
    return bool(value.get("thinking") or value.get("allThinkingBlocks"))
