"""Standard input and output as the client's pipe: a message a line, answered by threads, until there is no client.

The main thread does nothing but wait: for a line, for the end of the input, and for the end of the process that
started this one, since a client that is killed may leave its end of the pipe open in another process. Whatever ends
the server ends it at once: what was acknowledged is on the disk.
"""

from __future__ import annotations

import os
import queue
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from memento_app.mcp.protocol import INVALID_REQUEST, Refused, Serve, decode, encode, error, handle, id_of

MAX_LINE: Final = 4 * 1024 * 1024
"""Bytes of a message; a longer one is refused and dropped as it comes."""
THREADS: Final = 4
MAX_WAITING: Final = 256
"""Requests that may wait for a thread; more are turned down."""
_OVERLOADED: Final = -32000
"""The first of the codes that JSON-RPC leaves to a server."""
LINGER_SECONDS: Final = 10.0
"""How long the requests in hand may still take after the end of the input."""
PARENT_SECONDS: Final = 1.0
"""How often the parent is looked for where the system cannot tell that it ended."""
_SLOW: Final = ("tools/call", "prompts/get", "resources/list", "resources/read")
_CHUNK: Final = 64 * 1024


def run(serve: Serve) -> None:
    """Serve until the input or the parent ends, then end the process."""
    if sys.stdin is None or sys.stdout is None:  # closed: the descriptor may be another file's by now
        os._exit(0)
    parent, code = os.getppid(), 0
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # also where it was ignored, or this is a container's first
    try:
        server = Server(serve, _private_output())
        _read(0, parent, server)
        server.finish(lambda: os.getppid() != parent)
    except (KeyboardInterrupt, OSError):  # Ctrl-C, or a pipe that broke
        pass
    except Exception:
        sys.excepthook(*sys.exc_info())
        code = 1
    os._exit(code)


class _Job(NamedTuple):
    """A message that waits for its thread, or an answer that waits to be sent."""

    message: Any = None
    answer: dict[str, Any] | None = None


class Server:
    """Answers lines: what takes a store in one of a few threads, all else at once in a thread of its own."""

    def __init__(self, serve: Serve, output: int) -> None:
        self._serve, self._output = serve, output
        self._writing, self._counting = threading.Lock(), threading.Lock()
        self._quick: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._slow: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._in_hand = self._threads = 0
        self._cancelled: dict[str | int, bool] = {}
        """Whether each request that a thread has, or that waits for one, was cancelled."""
        threading.Thread(target=self._work, args=(self._quick,), daemon=True).start()

    def take(self, line: bytes) -> None:
        """Take a line in."""
        if not line.strip():
            return
        try:
            message = decode(line)
        except Refused as refused:
            self._put(self._quick, _Job(answer=error(None, refused)))
            return
        method = message.get("method") if isinstance(message, dict) else None
        if method == "notifications/cancelled":
            self._cancel(message)
        elif method not in _SLOW:
            self._put(self._quick, _Job(message))
        elif self._slow.qsize() >= MAX_WAITING:
            overload = Refused(_OVERLOADED, "too many requests wait: send fewer at once")
            self._put(self._quick, _Job(answer=error(id_of(message), overload)))
        else:
            if (id_ := id_of(message)) is not None:
                self._cancelled[id_] = False
            self._put(self._slow, _Job(message))
            self._start_thread()

    def refuse_long(self) -> None:
        """Answer a line that is too long: its id is not known."""
        refused = Refused(INVALID_REQUEST, f"a message has at most {MAX_LINE:,} bytes")
        self._put(self._quick, _Job(answer=error(None, refused)))

    def finish(self, is_orphan: Callable[[], bool]) -> None:
        """Wait until what is in hand is answered, not for long and not for nobody."""
        until = time.monotonic() + LINGER_SECONDS
        while self._in_hand and time.monotonic() < until and not is_orphan():
            time.sleep(0.01)

    def _put(self, waiting: queue.SimpleQueue[_Job], job: _Job) -> None:
        with self._counting:
            self._in_hand += 1
        waiting.put(job)

    def _start_thread(self) -> None:
        if self._threads < THREADS:
            self._threads += 1
            threading.Thread(target=self._work, args=(self._slow,), daemon=True).start()

    def _cancel(self, message: dict[str, Any]) -> None:
        """Let a request in hand go unanswered."""
        params = message.get("params")
        id_ = id_of({"id": params.get("requestId")}) if isinstance(params, dict) else None
        if id_ is not None and id_ in self._cancelled:
            self._cancelled[id_] = True

    def _work(self, waiting: queue.SimpleQueue[_Job]) -> None:
        while True:
            message, answer = waiting.get()
            if answer is None:
                answer = handle(message, self._serve)
            is_cancelled = waiting is self._slow and self._cancelled.pop(id_of(message) or "", False)
            if answer is not None and not is_cancelled:
                self._write(encode(answer) + b"\n")
            with self._counting:
                self._in_hand -= 1

    def _write(self, line: bytes) -> None:
        with self._writing:
            try:
                while line:
                    line = line[os.write(self._output, line) :]
            except OSError:  # nobody reads any more
                os._exit(0)


def _private_output() -> int:
    """Return a descriptor of the pipe to the client that nothing else writes to; what is printed goes to stderr."""
    output = os.dup(1)
    try:
        os.dup2(2, 1)
    except OSError:  # there is no stderr
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
    os.set_blocking(output, True)
    return output


def _read(source: int, parent: int, server: Server) -> None:
    """Hand each line to the server until the input or the parent ends."""
    waiting, watched = select.poll(), _watch(parent)
    waiting.register(source, select.POLLIN)
    if watched is not None:
        waiting.register(watched, select.POLLIN)
    line, is_dropping = bytearray(), False
    while os.getppid() == parent:
        ready = [descriptor for descriptor, _ in waiting.poll(None if watched is not None else PARENT_SECONDS * 1000)]
        if watched in ready:
            os._exit(0)
        if source not in ready:
            continue
        chunk = os.read(source, _CHUNK)
        if not chunk:
            break
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            if not is_dropping:
                server.take(bytes(line + piece))
            line.clear()
            is_dropping = False
        if not is_dropping:
            line += rest
        if len(line) > MAX_LINE:
            server.refuse_long()
            line.clear()
            is_dropping = True
    if line:
        server.take(bytes(line))


def _watch(parent: int) -> int | None:
    """Return a descriptor that is readable once the parent has ended; None where there is no such thing.

    Linux 5.3 has it, see pidfd_open(2). PR_SET_PDEATHSIG would not do: it follows the thread that started us.
    """
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(parent)
    except OSError:
        return None
