"""The way to a running sidecar: where its socket is, who is at the other end, and a recall through it.

A recall through the sidecar loads no model, no database and no numpy. HTTP is spoken over a plain socket: `http.client`
would cost more time to import than the sidecar takes to answer, and its time limits are per read, not for the whole.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from memento import __version__
from memento.base.home import expand_user
from memento.base.times import process_zone
from memento.errors import MementoError
from memento.memory import Added, CacheUse, Feature, Found, Instruction, Memory, Recall
from memento_ingest.server.unix_socket import is_private, peer_of, socket_path

CONNECT_SECONDS: Final = 0.05
STORE_SECONDS: Final = 0.15
"""How long the sidecar may take to say whose it is: one that is stopped says nothing."""
MOST_SECONDS: Final = 30.0
"""How long a sidecar works for one recall."""
GRACE_SECONDS: Final = 0.5
"""What a recall may take on the way, beyond the deadline that the sidecar keeps."""
STATS_SECONDS: Final = 3.0
"""How long the sidecar may count; `memento stats` has counted the store itself by then."""
BUSY_SECONDS: Final = 0.5
"""How long to wait before a sidecar that has too much to do is asked again."""
_BUSY: Final = (429, 503)
_FAILED: Final = (500, 504)
"""Statuses of a request that was begun."""
_UNUSABLE: Final = (OSError, ValueError, TypeError, RecursionError)  # msgspec's errors are ValueErrors
_MAX_HEADER: Final = 16 * 1024
_MAX_BODY: Final = 64 * 1024 * 1024
_CHUNK: Final = 256 * 1024


class Turned(ValueError):
    """An answer with another status than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"no answer: {status}")
        self.status = status


def recall(database: Path, query: str, limit: int, deadline: float, asked: Mapping[str, Any]) -> Recall | None:
    """Ask the sidecar that serves this database; None when there is none, or none that answers as it should.

    It is told this process's time zone: `yesterday` is a day of the one who asks, wherever the sidecar was started.
    `deadline` in seconds; `asked` holds filters and options as MemoryStore.recall takes them. Never raises.
    """
    deadline = min(deadline, MOST_SECONDS)
    parameters = {"q": query, "k": limit, "deadline": deadline, "zone": process_zone(), **_parameters(asked)}
    target = "/v1/recall?" + urlencode(parameters, doseq=True, errors="replace")
    try:
        return from_wire(_asked(database, target, deadline + GRACE_SECONDS))
    except _UNUSABLE:
        return None


def instructions(database: Path, project: str, limit: int, seconds: float) -> list[Instruction] | None:
    """Ask the sidecar that serves this database which standing instructions hold in a project.

    None when there is no sidecar, or none that answers in time. Never raises.
    """
    target = "/v1/instructions?" + urlencode({"project": project, "k": limit}, errors="replace")
    try:
        return [_instruction(one) for one in msgspec.convert(_asked(database, target, seconds), list[dict[str, Any]])]
    except _UNUSABLE:
        return None


class Noted(msgspec.Struct, frozen=True):
    """A memory that is told before an agent begins, and for what (`memento.briefing`)."""

    part: str
    memory: Memory


class Brief(msgspec.Struct, frozen=True):
    """What an agent is told before it begins."""

    noted: tuple[Noted, ...]
    notes: tuple[str, ...]
    """What must be known of all of it."""


def brief(database: Path, asked: Mapping[str, str | int], seconds: float) -> Brief | None:
    """Ask the sidecar what was decided and left open in a `project`, or said of a `file`; both are whole paths.

    None when there is no sidecar, or none that answers in time. Never raises.
    """
    target = "/v1/brief?" + urlencode(asked, errors="replace")
    try:
        found = _asked(database, target, seconds)
        noted = msgspec.convert(found["noted"], list[dict[str, Any]])
        memories = tuple(Noted(str(one["part"]), msgspec.convert(one, Memory)) for one in noted)
        return Brief(memories, msgspec.convert(found["notes"], tuple[str, ...]))
    except (*_UNUSABLE, KeyError):
        return None


def last_stored(database: Path, seconds: float) -> int | None:
    """Ask the sidecar when a memory was stored last, Unix milliseconds; 0 in an empty store. Never raises.

    None when there is no sidecar, or none that answers in time.
    """
    try:
        return int(_asked(database, "/v1/pulse", seconds)["stored"] or 0)
    except (*_UNUSABLE, KeyError):
        return None


class Kept(msgspec.Struct, frozen=True):
    """What a running sidecar keeps in its process, of what `MemoryStore.stats` tells."""

    tiers: dict[str, int]
    caches: dict[str, CacheUse]


def kept(database: Path) -> Kept | None:
    """Ask the sidecar that serves this database what it keeps; None when there is none. Never raises."""
    try:
        answer = _asked(database, "/v1/stats", STATS_SECONDS)
        caches = {name: {key: use[key] for key in CacheUse._fields} for name, use in answer["caches"].items()}
        return Kept(answer["tiers"], {name: CacheUse(**use) for name, use in caches.items()})
    except (*_UNUSABLE, KeyError, AttributeError):
        return None


class Unanswered(MementoError):
    """A sidecar took a request and did not answer: what it asked for may be done, or not."""


def exchange(database: Path, target: str, body: bytes, seconds: float) -> Any:
    """Post JSON to the sidecar that serves this database; return the JSON that it answers, None where there is none.

    A sidecar that has too much to do is asked again until the time (seconds) is over. Raises Unanswered.
    """
    until = time.monotonic() + seconds
    while True:
        sent = False
        try:
            with _serving(database) as connection:
                sent = True
                return json.loads(_ask(connection, target, max(CONNECT_SECONDS, until - time.monotonic()), body))
        except Turned as turned:
            if turned.status in _FAILED:
                raise Unanswered("the sidecar could not do this: see what it says in its log") from None
            if turned.status not in _BUSY or time.monotonic() + BUSY_SECONDS > until:
                return None
            time.sleep(BUSY_SECONDS)
        except _UNUSABLE as error:
            if not sent:
                return None
            when = "in time" if isinstance(error, TimeoutError) else "as it should"
            raise Unanswered(f"the sidecar did not answer {when}: `why` or `recent` tell what became of it") from None


def _asked(database: Path, target: str, seconds: float) -> Any:
    """Return the JSON that the sidecar of this database answers. Raises one of _UNUSABLE."""
    with _serving(database) as connection:
        return json.loads(_ask(connection, target, seconds))


@contextmanager
def _serving(database: Path) -> Iterator[socket.socket]:
    """Connect to the sidecar that serves this database. Raises one of _UNUSABLE where there is none."""
    path = socket_path(database)
    if not stat.S_ISSOCK(path.lstat().st_mode) or not is_private(path.parent):
        raise PermissionError(f"{path} is no socket of ours")
    with _connected(path) as connection:
        served = json.loads(_ask(connection, "/v1/store", STORE_SECONDS))
        if served != {"database": str(expand_user(database).resolve()), "version": __version__}:
            raise ValueError(f"{path} serves another store, or is of another version")
        yield connection


def _parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what differs from the server's defaults, under the server's names.

    The minimum score is told as it is, 0 too: the server's own default is its setting.
    """
    given = {("tag" if name == "tags" else name): one for name, one in asked.items() if one}
    if asked.get("spread") is False:
        given["spread"] = 0
    else:
        given.pop("spread", None)
    if (least := asked.get("min_score")) is not None:
        given["min_score"] = least
    return {name: int(one) if isinstance(one, bool) else one for name, one in given.items()}


def to_wire(answer: Recall) -> dict[str, Any]:
    """Return the JSON-serialisable form of an answer, as `recall --json` prints it."""
    return {
        "query": answer.query,
        "partial": answer.partial,
        "notes": list(answer.notes),
        "seconds": round(answer.seconds, 4),
        "results": [found.as_dict() for found in answer],
    }


def from_wire(value: Any) -> Recall:
    """Return the answer of which `to_wire` made this. Raises ValueError for anything else."""
    answer = msgspec.convert(value, _Answer)
    found = tuple(_found(one) for one in answer.results)
    return Recall(answer.query, found, answer.partial, tuple(answer.notes), answer.seconds)


class _Answer(msgspec.Struct, frozen=True):
    query: str
    partial: bool
    notes: list[str]
    seconds: float
    results: list[dict[str, Any]]


class _Adds(msgspec.Struct, frozen=True):
    words: tuple[str, ...]
    session: bool
    day: str
    beside: int


class _Rest(msgspec.Struct, frozen=True):
    """What a result holds beside its memory."""

    score: float
    dense: float | None
    lexical: float | None
    copies: int = 0
    before: tuple[Memory, ...] = ()
    after: tuple[Memory, ...] = ()
    features: dict[str, dict[str, float]] | None = None
    request: Memory | None = None
    unanswered: bool = False
    adds: _Adds | None = None
    coverage: float | None = None


def _found(value: dict[str, Any]) -> Found:
    rest = msgspec.convert(value, _Rest)
    features = None if rest.features is None else {name: Feature(**one) for name, one in rest.features.items()}
    adds = None if rest.adds is None else Added(*msgspec.structs.astuple(rest.adds))
    memory = msgspec.convert(value, Memory)
    return Found(
        memory,
        rest.score,
        rest.dense,
        rest.lexical,
        rest.copies,
        rest.before,
        rest.after,
        features,
        rest.request,
        rest.unanswered,
        adds,
        rest.coverage,
    )


class _Told(msgspec.Struct, frozen=True):
    """What an instruction holds beside its memory."""

    instruction: str
    pinned: bool
    everywhere: bool


def _instruction(value: dict[str, Any]) -> Instruction:
    told = msgspec.convert(value, _Told)
    return Instruction(msgspec.convert(value, Memory), told.instruction, told.pinned, told.everywhere)


@contextmanager
def _connected(path: Path) -> Iterator[socket.socket]:
    """Connect to a socket whose other end is a process of ours. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CONNECT_SECONDS)
        connection.connect(os.fspath(path))
        peer = peer_of(connection)
        if peer is not None and not peer.trusted:
            raise PermissionError(f"{path} is served by user {peer.uid}")
        if peer is not None and _is_stopped(peer.pid):
            raise ConnectionError(f"process {peer.pid}, which serves {path}, is stopped")
        yield connection


def _is_stopped(pid: int) -> bool:
    """Tell whether a process was stopped (SIGSTOP, Ctrl-Z); only Linux says so, see /proc/pid/stat in proc(5)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in (b"T", b"t")


def _ask(connection: socket.socket, target: str, seconds: float, body: bytes | None = None) -> bytes:
    """Return the body of the answer to one request, a POST of JSON where there is a body.

    Raises OSError past the time, Turned for another status than 200, ValueError for what is not HTTP.
    """
    until = time.monotonic() + seconds
    connection.settimeout(seconds)
    method = "GET" if body is None else "POST"
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    connection.sendall(f"{head}\r\n".encode("ascii") + (body or b""))
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        if len(received) > _MAX_HEADER:
            raise ValueError("the header is too long")
        received += _read(connection, until)
    status, *lines = received[:end].decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    size = int(headers.get("content-length", "-1"))
    version, _, code = status.partition(" ")
    if version != "HTTP/1.1" or not code[:3].isdigit() or not 0 <= size <= _MAX_BODY:
        raise ValueError(f"no answer: {status}")
    if code[:3] != "200":
        raise Turned(int(code[:3]))
    answer = bytearray(received[end + 4 :])
    while len(answer) < size:
        answer += _read(connection, until)
    return bytes(answer)


def _read(connection: socket.socket, until: float) -> bytes:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)
    chunk = connection.recv(_CHUNK)
    if not chunk:
        raise ConnectionError("the sidecar hung up")
    return chunk
