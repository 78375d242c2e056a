"""Tombstones: hashes of forgotten texts, which keep them out of later reads, imports and restores.

The keys of the table hold BLAKE2b-128 hashes in hexadecimal digits, and never a text:

    ID                          a memory
    text:HASH                   a whole text: of a memory, or the sample of a quarantined record
    start:SESSION:LENGTH:HASH   the beginning of a text of that session: a longer version has another id in formats
                                whose ids contain the text
    piece:HASH                  PIECE_LENGTH characters of a text: a quarantined sample that holds them is stored empty
    title:SESSION               a session that gets no title any more, since a title reveals what was said
    value:HASH                  a project or a speaker without memories: it is blanked in parsers' states
    import:KEY                  one of the first two, from a file that is not proven to be the user's own: it keeps out
                                and deletes imported memories only
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from hashlib import blake2b
from typing import Any, Final

import apsw
import msgspec

from memento.base.identity import HASH_BYTES
from memento.base.times import now_ms
from memento.memory import NewMemory

KEY: Final = re.compile(
    r"(?:(?:text|piece|title|value):|import:(?:text:)?)?[0-9a-f]{32}|start:[0-9a-f]{32}:[0-9]{1,9}:[0-9a-f]{32}",
    re.ASCII,
)
"""The form of a key; other values in a damaged file are ignored."""
MIN_UNIQUE_LENGTH: Final = 20
"""A text of this length or more is assumed to be unique."""
PIECE_LENGTH: Final = 32
IMPORTED: Final = "import:"
_OF_IMPORTS: Final = re.compile(r"(?:text:)?[0-9a-f]{32}", re.ASCII)
_ESCAPE: Final = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_ESCAPED: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def memory_keys(memory_id: str, text: str, session: str) -> list[str]:
    """Return the tombstones of a memory; a text too short to be unique gets none of its own."""
    found = _id_and_text_keys(memory_id, text)
    if session and len(text) >= MIN_UNIQUE_LENGTH:
        found.append(f"start:{_hash(session)}:{len(text)}:{_hash(text)}")
    if session:
        found.append(title_key(session))
    return found


def ranges() -> list[str]:
    """Return keys in order that cut the table into short ranges: the first two digits of every kind of key."""
    kinds = ("", "text:", "piece:", "title:", "value:", IMPORTED, f"{IMPORTED}text:", "start:")
    return sorted(f"{kind}{digits:02x}" for kind in kinds for digits in range(256))


def title_key(session: str) -> str:
    """Return the key that keeps a session's titles out."""
    return f"title:{_hash(session)}"


def as_imported(found: Iterable[str]) -> list[str]:
    """Return these tombstones as an untrusted file may set them: they affect imported memories only."""
    return [key if key.startswith(IMPORTED) else IMPORTED + key for key in found if _is_of_imports(key)]


def _is_of_imports(key: str) -> bool:
    return bool(_OF_IMPORTS.fullmatch(key.removeprefix(IMPORTED)))


def is_forgotten(connection: apsw.Connection, memory_id: str, text: str) -> bool:
    """Tell whether the user forgot a memory with this id or text."""
    return _has_any(connection, _id_and_text_keys(memory_id, text))


def pieces(text: str) -> set[str]:
    """Return the beginning, the middle and the end of a text; nothing for a text that is too short."""
    last = len(text) - PIECE_LENGTH
    return {text[start : start + PIECE_LENGTH] for start in (0, last // 2, last)} if last >= 0 else set()


def add_tombstones(connection: apsw.Connection, found: Iterable[str]) -> None:
    """Add tombstones inside the caller's transaction."""
    now = now_ms()
    connection.executemany("INSERT OR IGNORE INTO tombstones (id, at) VALUES (?, ?)", [(key, now) for key in found])


def add_pieces(connection: apsw.Connection, found: Iterable[str]) -> None:
    """Add tombstones of pieces of texts, which keep them out of the quarantine, inside the caller's transaction."""
    add_tombstones(connection, map(_piece_key, found))


def add_samples(connection: apsw.Connection, samples: Iterable[str]) -> None:
    """Add tombstones of quarantined samples, inside the caller's transaction."""
    add_tombstones(connection, map(_text_key, samples))


def add_values(connection: apsw.Connection, values: Iterable[str]) -> None:
    """Add tombstones of projects and speakers, which blank them in parsers' states, inside the caller's transaction."""
    add_tombstones(connection, map(_value_key, values))


def holds_piece(sample: str, wanted: set[str]) -> bool:
    """Tell whether a quarantined sample, which may contain JSON escapes, holds one of these pieces."""
    return any(window in wanted for window in _windows(sample))


def matches_any(text: str, buried: Set[str]) -> bool:
    """Tell whether a text, which may contain JSON escapes, matches one of these tombstones or holds a piece of one."""
    return bool(text) and (_text_key(text) in buried or any(_piece_key(window) in buried for window in _windows(text)))


class TombstoneFilter:
    """Decides what the tombstones keep out, within one transaction."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._is_open = not connection.execute("SELECT EXISTS (SELECT 1 FROM tombstones)").get
        self._starts: dict[str, dict[int, set[str]]] = {}
        self._has_values: bool | None = None

    def refuses(self, memory: NewMemory) -> bool:
        """Tell whether a memory was forgotten; if so, keep the titles of its session out too."""
        if self._is_open:
            return False
        found = _id_and_text_keys(memory.id, memory.text)
        if memory.trust == "import" and self._any([IMPORTED + key for key in found]):
            return True
        if not self._any(found) and not self._is_longer_version(memory):
            return False
        if memory.session_id:
            add_tombstones(self._connection, [title_key(memory.session_id)])
        return True

    def lift(self, memory: NewMemory) -> None:
        """Remove the tombstones of a memory that is explicitly remembered again."""
        if self._is_open:
            return
        own = {memory.id, _text_key(memory.text), *map(_piece_key, pieces(memory.text))}
        own |= {*as_imported(own)}
        self._connection.executemany("DELETE FROM tombstones WHERE id = ?", [(key,) for key in own])
        self._connection.execute(
            "DELETE FROM tombstones WHERE id >= 'start:' AND id < 'start;' AND substr(id, ?) = ?",
            (len(f"start:{_hash('')}:") + 1, f"{len(memory.text)}:{_hash(memory.text)}"),
        )

    def allow_values(self, memory: NewMemory) -> None:
        """Allow the project and the speaker of a stored memory in parsers' states again."""
        if self._holds_values():
            lifted = [(_value_key(value),) for value in (memory.project, memory.speaker) if value]
            self._connection.executemany("DELETE FROM tombstones WHERE id = ?", lifted)

    def refuses_title(self, session: str) -> bool:
        """Tell whether a session must have no title."""
        return not self._is_open and self._any([title_key(session)])

    def refuses_any(self, folders: Iterable[str]) -> bool:
        """Tell whether one of these folders is a forgotten project."""
        return self._holds_values() and self._any([*map(_value_key, folders)])

    def sample(self, sample: str) -> str:
        """Return a quarantined sample, or an empty text if it holds something forgotten."""
        if self._is_open or not sample:
            return sample
        return "" if self._any([_text_key(sample), *{_piece_key(window) for window in _windows(sample)}]) else sample

    def state(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a parser's state without forgotten projects and speakers."""
        if not self._holds_values():
            return state
        unwanted = {value for value in {*strings(state)} if self._any([_value_key(value)])}
        without: Mapping[str, Any] = blank_out(state, unwanted)
        return without

    def _holds_values(self) -> bool:
        if self._has_values is None:
            found = "SELECT EXISTS (SELECT 1 FROM tombstones WHERE id >= 'value:' AND id < 'value;')"
            self._has_values = not self._is_open and bool(self._connection.execute(found).get)
        return self._has_values

    def _is_longer_version(self, memory: NewMemory) -> bool:
        """Tell whether a text begins with a forgotten text of its session."""
        starts = self._starts_of(memory.session_id) if memory.session_id else {}
        beginning, end = blake2b(digest_size=HASH_BYTES), 0
        for length in sorted(starts):
            if length > len(memory.text):
                return False
            beginning.update(memory.text[end:length].encode())
            end = length
            if beginning.hexdigest() in starts[length]:
                return True
        return False

    def _starts_of(self, session: str) -> dict[int, set[str]]:
        if session not in self._starts:
            name = f"start:{_hash(session)}"
            found: defaultdict[int, set[str]] = defaultdict(set)
            keys = self._connection.execute(
                "SELECT id FROM tombstones WHERE id >= ? AND id < ?", (f"{name}:", f"{name};")
            )
            for key in (str(key) for (key,) in keys if KEY.fullmatch(str(key))):
                _, _, length, content = key.split(":")
                found[int(length)].add(content)
            self._starts[session] = dict(found)
        return self._starts[session]

    def _any(self, found: list[str]) -> bool:
        return _has_any(self._connection, found)


def _id_and_text_keys(memory_id: str, text: str) -> list[str]:
    return [memory_id, _text_key(text)] if len(text) >= MIN_UNIQUE_LENGTH else [memory_id]


def _has_any(connection: apsw.Connection, found: list[str]) -> bool:
    sql = "SELECT EXISTS (SELECT 1 FROM tombstones WHERE id IN (SELECT value FROM json_each(?)))"
    return bool(connection.execute(sql, (msgspec.json.encode(found).decode(),)).get)


def blank_out(value: Any, unwanted: set[str]) -> Any:
    """Return a JSON value in which unwanted texts are empty."""
    if not unwanted:
        return value
    if isinstance(value, str):
        return "" if value in unwanted else value
    if isinstance(value, Mapping):
        return {key: blank_out(one, unwanted) for key, one in value.items()}
    return [blank_out(one, unwanted) for one in value] if isinstance(value, list | tuple) else value


def strings(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value except the keys of objects."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from strings(one)


def _windows(sample: str) -> Iterator[str]:
    """Yield every piece of a sample, verbatim and with JSON escapes decoded."""
    return (text[at : at + PIECE_LENGTH] for text in _readings(sample) for at in range(len(text) - PIECE_LENGTH + 1))


def _readings(sample: str) -> list[str]:
    """Return a sample verbatim, and with JSON escapes decoded if it has any."""
    plain = _ESCAPE.sub(_unescaped, sample)
    return [sample] if plain == sample else [sample, plain]


def _unescaped(match: re.Match[str]) -> str:
    code, name = match.groups()
    return chr(int(code, 16)) if code else _ESCAPED.get(name, name)


def _text_key(text: str) -> str:
    return f"text:{_hash(text)}"


def _piece_key(piece: str) -> str:
    return f"piece:{_hash(piece)}"


def _value_key(value: str) -> str:
    return f"value:{_hash(value)}"


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).hexdigest()
