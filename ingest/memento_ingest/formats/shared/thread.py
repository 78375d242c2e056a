"""Gives the turns of a source their keys, sessions and times, and their record's bytes to spans.

A turn without an id of its own is keyed by its place: the chained hash of everything said before it in its
conversation. The key is thus the same wherever a copy of the conversation lies and however far it has grown, and
conversations that begin alike share the records of their common beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import PurePath
from typing import Any, Final

from memento_ingest.formats.shared.excerpt import Excerpt, Reader, Turn
from memento_ingest.span import SourceInfo, Span, Title
from memento_ingest.times import inheritable
from memento_policies import Message

MAX_CONVERSATIONS: Final = 256
"""How many interleaved conversations of one source keep their place; the longest silent one begins anew."""


_Place = tuple[str, int]
"""The key of a conversation's last turn and its time in Unix milliseconds."""


def chain_key(previous: str, role: str, text: str) -> str:
    """Return BLAKE2b-128, in hex, of the previous key (or the record's own id), the role and the text."""
    digest = blake2b(digest_size=16)
    for part in (previous, role, text):
        data = part.encode("utf-8", "replace")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def file_session(info: SourceInfo) -> str:
    """Return the session id of a source that states none: its file's stem."""
    return PurePath(info.name).stem.strip("<>") or "unnamed"


class Thread:
    """The running conversations of one source. Its state is a digest and a time for each, never text."""

    def __init__(self, source: str, info: SourceInfo, reader: Reader, state: Mapping[str, Any] | None = None) -> None:
        self._source = source
        self._modified = info.modified
        self._file_session = file_session(info)
        self._reader = reader
        self._places: dict[str, _Place] = {
            str(name): (str(key), int(time)) for name, (key, time) in (state or {}).items()
        }

    def state(self) -> dict[str, list[Any]]:
        """Return what a later `Thread` needs to go on from here, JSON-serialisable."""
        return {name: list(place) for name, place in self._places.items()}

    def restart(self) -> None:
        """Begin every conversation anew."""
        self._places.clear()

    def spans(self, offset: int, length: int, value: object) -> Iterator[Span]:
        """Yield the spans of the bytes that hold a decoded JSON value."""
        excerpt = self._reader(value)
        if excerpt is None:
            # Named after its `type`, so that drift in a format is seen.
            kind = value.get("type") if isinstance(value, dict) else None
            name = kind if isinstance(kind, str) else type(value).__name__
            yield Span(offset, length, skipped="unknown_type", unknown_type=clean(name[:64]))
        else:
            yield from _share(offset, length, excerpt, self._messages(excerpt))

    def _messages(self, excerpt: Excerpt) -> list[Message]:
        cleaned = [turn._replace(text=clean(turn.text)) for turn in excerpt.turns]
        turns = [turn for turn in cleaned if turn.text.strip()]
        if excerpt.whole:
            messages, _ = self._chain(excerpt, turns, ("", inheritable(excerpt.started)))
            session = clean(excerpt.session_id) or (messages[0].key if messages else "")
            return [replace(message, session_id=session) for message in messages]
        name = blake2b(excerpt.session_id.encode("utf-8", "replace"), digest_size=8).hexdigest()
        messages, place = self._chain(excerpt, turns, self._places.pop(name, ("", 0)))
        self._places[name] = place
        if len(self._places) > MAX_CONVERSATIONS:
            del self._places[next(iter(self._places))]
        return messages

    def _chain(self, excerpt: Excerpt, turns: list[Turn], place: _Place) -> tuple[list[Message], _Place]:
        session = clean(excerpt.session_id) or self._file_session
        chain, time = place
        messages = []
        for turn in turns:
            kind = f"aside {turn.role}" if turn.is_aside else turn.role
            key = clean(turn.key) or chain_key(chain, kind, clean(turn.keyed) or turn.text)
            chain = chain if turn.is_aside else key
            stated = turn.timestamp or time
            time = inheritable(turn.timestamp, time)
            messages.append(
                Message(
                    role=turn.role,
                    text=turn.text,
                    timestamp=stated or self._modified,
                    source=excerpt.source or self._source,
                    session_id=session,
                    key=key,
                    project=clean(excerpt.project),
                    kind=turn.kind,
                    meta=dict(turn.meta),
                )
            )
        return messages, (chain, time)


def _share(offset: int, length: int, excerpt: Excerpt, messages: list[Message]) -> Iterator[Span]:
    """Yield a span for the messages and one for each record inside that gave none, so that it is counted.

    The latter have equal shares of the bytes, after the messages, since their true places are not known.
    """
    reasons = [*excerpt.skipped, *["empty"] * (len(excerpt.turns) - len(messages))]
    if not messages and not reasons:
        reasons = ["empty"]
    share = length // (len(messages) + len(reasons))
    if messages:
        first = length - share * len(reasons)
        titles = (Title(messages[0].session_id, clean(excerpt.title)),) if excerpt.title else ()
        inactive = tuple(message.key for message in messages if message.meta.get("active") is False)
        yield Span(offset, first, messages=messages, titles=titles, inactive=inactive)
    else:
        first = length - share * (len(reasons) - 1)
        yield Span(offset, first, skipped=reasons.pop(0))
    for number, reason in enumerate(reasons):
        yield Span(offset + first + number * share, share, skipped=reason)


def clean(text: str) -> str:
    """Drop NULs, which hide the text after them from SQL; decoding has already replaced lone surrogates."""
    return text.replace("\0", "") if "\0" in text else text
