"""Bar 14: clients that send slowly, and only hang on, hold up neither the hooks nor a recall."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from memento_ingest.server.client import recall
from memento_ingest.server.unix_socket import socket_path

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar, Hooks, Prompts, Sidecar

HEAD = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"


def test_hooks_beside_slow_clients(
    bar: Bar, sidecar: Sidecar, hooks: Hooks, prompts: Prompts, eventually: Callable[..., float]
) -> None:
    clients = bar.count("MEMENTO_SLOW_CLIENTS", 60)
    count = bar.count("MEMENTO_SLOW_HOOKS", 15)
    (sidecar.folder / "a.jsonl").write_bytes(prompts.line(0))
    sidecar.start()
    eventually(lambda: socket_path(sidecar.database).exists() and sidecar.rows() == 1, 30)
    hooks(count // 4 + 1)
    with slow_clients(sidecar, clients) as dripped:
        taken = hooks(count)
        asked = time.monotonic()
        answer = recall(sidecar.database, "rule for the harbour", 3, 5.0, {})
        answered = time.monotonic() - asked
        assert dripped() >= clients  # they were there all the time
    assert answer is not None
    eventually(lambda: sidecar.stored(hooks.texts), 90)
    assert sidecar.rows() == len(hooks.texts) + 1
    bar.measured(f"load average {hooks.load}")
    bar.holds(f"hook p99 of {count} beside {clients} slow clients", hooks.p99(taken), 100, "ms", generous=5_000)
    bar.holds("a recall beside them", answered * 1000, 500, "ms", generous=5_000)
    assert sidecar.stop() == 0


@contextmanager
def slow_clients(sidecar: Sidecar, count: int) -> Iterator[Callable[[], int]]:
    """Keep so many clients connected, half in their head, half in their body, each a byte every half second.

    The server lets each go after its time; another takes its place. Yields what tells how many have sent something.
    """
    path, ended, sent = str(socket_path(sidecar.database)), threading.Event(), [0]

    def client(number: int) -> None:
        while not ended.is_set():
            with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(2)
                connection.connect(path)
                connection.sendall(HEAD[:40] if number % 2 else HEAD + b"\r\n")
                sent[0] += 1
                while not ended.wait(0.5):
                    connection.sendall(b"x")
            ended.wait(0.05)

    threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        while sent[0] < count:
            time.sleep(0.02)
        yield lambda: sent[0]
    finally:
        ended.set()
        for thread in threads:
            thread.join(5)
