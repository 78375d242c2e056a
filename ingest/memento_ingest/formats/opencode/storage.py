"""opencode's files before version 1.2: `storage/{session/<project>,message/<session>,part/<message>}/<id>.json`.

A part's file is a source of its own, written again until the part is complete; its message and its session are read
beside it. So what grows is seen by the file that changes, and a part has the key it has in the later database.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final

from memento_ingest.discovery import open_regular
from memento_ingest.formats.opencode.parts import SOURCE, Setting, read_part
from memento_ingest.formats.shared.database.rows import Reading
from memento_ingest.formats.shared.excerpt import string
from memento_ingest.formats.shared.sniffing import first_value
from memento_ingest.formats.shared.thread import clean
from memento_ingest.jsonl import decode
from memento_ingest.lines import MAX_LINE
from memento_ingest.span import SAMPLE_BYTES, SourceInfo, Span, Title
from memento_ingest.times import to_unix_ms

# What a part, a message and a session have; none of them has all of another's.
_PART: Final = frozenset({"id", "messageID", "sessionID", "type"})
_MESSAGE: Final = frozenset({"id", "sessionID", "role", "time"})
_SESSION: Final = frozenset({"id", "projectID", "directory", "time"})
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MAX_BESIDE: Final = 16 * 1024 * 1024


class OpenCodeStorage:
    """opencode before 1.2."""

    name = "opencode-storage"
    source = SOURCE

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether the file has a part, a message or a session."""
        value = first_value(head) if info.name.endswith(".json") and head.lstrip()[:1] == b"{" else None
        return isinstance(value, dict) and any(fields <= value.keys() for fields in (_PART, _MESSAGE, _SESSION))

    def read(self, stream: BinaryIO, info: SourceInfo) -> Iterator[Span]:
        """Yield the part's message; the files of messages and sessions say nothing by themselves."""
        data = _read(stream, MAX_LINE)
        value, defect = decode(data) if len(data) <= MAX_LINE else (None, "too_long")
        if defect:
            yield Span(0, len(data), defect=defect, sample=data[:SAMPLE_BYTES])
        else:
            yield from _reading(value, info).spans(0, len(data))


def _reading(value: object, info: SourceInfo) -> Reading:
    reading = Reading()
    if not isinstance(value, dict):
        reading.skip("not_an_object")
    elif value.keys() >= _PART:
        return read_part(clean(string(value.get("id"))), value, _setting(value, info))
    else:
        if value.keys() >= _SESSION and (title := clean(string(value.get("title"))).strip()):
            reading.title = Title(clean(string(value.get("id"))), title)
        reading.skip("metadata")
    return reading


def _setting(part: Mapping[str, Any], info: SourceInfo) -> Setting:
    session, message_id = string(part.get("sessionID")), string(part.get("messageID"))
    storage = Path(info.path).parents[2] if len(Path(info.path).parents) > 2 else None
    message: Mapping[str, Any] = {}
    home: Mapping[str, Any] = {}
    if storage and _ID.fullmatch(session) and _ID.fullmatch(message_id):
        message = _beside(storage / "message" / session / f"{message_id}.json")
        with suppress(LookupError):
            home = _session(storage, session)
    time = message.get("time")
    return Setting(
        session=clean(session),
        role=string(message.get("role")),
        time=(isinstance(time, dict) and to_unix_ms(time.get("created"))) or info.modified,
        project=clean(string(home.get("directory"))),
        title=clean(string(home.get("title"))).strip(),
        model=clean(string(message.get("modelID"))),
        agent=clean(string(message.get("agent"))),
        is_child=bool(home.get("parentID")),
        is_summary=message.get("summary") is True,
    )


@lru_cache(maxsize=64)
def _session(storage: Path, session: str) -> Mapping[str, Any]:
    """Return a session's object. Raises LookupError where there is none, which is looked for again the next time."""
    for found in storage.glob(f"session/*/{session}.json"):
        if value := _beside(found):
            return value
    raise LookupError(session)


def _beside(path: Path) -> Mapping[str, Any]:
    """Return the object in a file, empty if there is none that can be read."""
    try:
        with open_regular(path) as stream:
            value, _ = decode(_read(stream, _MAX_BESIDE))
    except OSError:
        return {}
    return value if isinstance(value, dict) else {}


def _read(stream: BinaryIO, limit: int) -> bytes:
    """Return the stream's bytes, one more than `limit` at most."""
    data = bytearray()
    while len(data) <= limit and (chunk := stream.read(min(limit + 1 - len(data), 1024 * 1024))):
        data += chunk
    return bytes(data)
