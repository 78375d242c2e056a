"""Bar 26: whatever ends a thread of the sidecar, it is started again and told of; a flood of connections ends none."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psutil
import pytest

from memento_ingest.server.client import kept, recall
from memento_ingest.server.listener import MAX_CONNECTIONS
from memento_ingest.server.unix_socket import socket_path
from memento_ingest.sidecar.supervision import CAPTURE, EMBEDDING, EVENTS, JOBS, REQUESTS, SERVER, failed_workers

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar, Hooks, Prompts, Sidecar

ERRORS = ("MemoryError", "SystemExit", "TooManyOpenFiles", "RuntimeError", "Strange")
SPARE_DESCRIPTORS = 40
"""Of database connections, sources and the like that come and go."""
PROGRAM = """
import ctypes, errno, sys, threading, time
from functools import partial
from pathlib import Path
import numpy as np
import memento.jobs.worker, memento.base.worker_thread
import memento_ingest.sidecar.sidecar as sidecar
from memento.config import load_config
from memento.embedding import Embedder
from memento_ingest.sidecar.capture import CaptureWorker

memento.base.worker_thread.HEALTHY_SECONDS = 0.5
memento.jobs.worker.TICK_SECONDS = 0.05

class TooManyOpenFiles(OSError):
    def __init__(self):
        super().__init__(errno.EMFILE, "Too many open files")

class Strange(BaseException):
    pass

class Fake(Embedder):
    model, engine, dimensions = "fake@1", "fake", 16
    def embed(self, texts):
        return [np.full((1, 16), 0.25, np.float32) for _ in texts]
    def passages(self, text):
        return [(0, len(text))]

sidecar.MemoryStore = partial(sidecar.MemoryStore, embedder=Fake())
step, pending = CaptureWorker.step, []

def failing_step(self):
    if pending:
        raise pending.pop()()
    return step(self)

CaptureWorker.step = failing_step

def threads(worker):
    if worker == "events":
        return [one for one in threading.enumerate() if type(one).__module__.startswith("watchdog.")]
    prefix = "memento-request-" if worker == "requests" else f"memento-{worker}"
    return [one for one in threading.enumerate() if one.name.startswith(prefix)]

def kill():
    for line in sys.stdin:
        worker, name = line.split()
        error = globals().get(name) or getattr(__builtins__, name)
        if worker == "capture":
            pending.append(error)
            found = [threading.main_thread()]
        else:
            found = threads(worker)[:1]
            for thread in found:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(error))
        print(len(found), flush=True)

threading.Thread(target=kill, daemon=True).start()
say = lambda text: print(text, file=sys.stderr, flush=True)
sidecar.Sidecar(load_config(), [Path(sys.argv[1])], {}, say).run()
"""


@contextmanager
def vulnerable(sidecar: Sidecar, eventually: Callable[..., float]) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Run the sidecar in a process that ends the threads that are named on its standard input."""
    with sidecar.log.open("ab") as log:
        sidecar.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(sidecar.folder)],
            env=sidecar.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert sidecar.process.stdin
    assert sidecar.process.stdout
    try:
        eventually(lambda: "watching" in sidecar.said() and kept(sidecar.database) is not None, 60)
        yield sidecar.process.stdin, sidecar.process.stdout
        assert sidecar.process.poll() is None
        assert sidecar.stop() == 0
    finally:
        sidecar.process.kill()
        sidecar.process.wait()
        sidecar.process.stdin.close()
        sidecar.process.stdout.close()


def restarts(sidecar: Sidecar, worker: str) -> int:
    """Return how often a worker was started again that runs now."""
    states = {state.name: state for state in failed_workers(sidecar.database)}
    return states[worker].restarts if worker in states and states[worker].running else 0


@pytest.mark.parametrize("worker", [CAPTURE, EMBEDDING, JOBS, SERVER, REQUESTS, EVENTS])
def test_a_worker_that_an_error_ends_is_started_again(
    bar: Bar, sidecar: Sidecar, prompts: Prompts, eventually: Callable[..., float], worker: str
) -> None:
    errors = bar.rng.sample(ERRORS, bar.count("MEMENTO_THREAD_ROUNDS", 1))
    lines = 0

    def more() -> bool:
        """Write a line and ask something, so that every thread has something to do."""
        nonlocal lines
        with (sidecar.folder / "a.jsonl").open("ab") as file:
            file.write(prompts.line(lines))
        lines += 1
        kept(sidecar.database)
        return True

    with vulnerable(sidecar, eventually) as (orders, answers):
        eventually(lambda: more() and sidecar.rows() > 2, 30)
        process = psutil.Process(sidecar.process.pid) if sidecar.process else None
        assert process is not None
        before = process.num_fds()
        for error in errors:
            known = restarts(sidecar, worker)
            for _ in range(5):  # an error that lands in what answers one request ends that alone
                orders.write(f"{worker} {error}\n".encode())
                orders.flush()
                assert answers.readline() == b"1\n"
                with suppress(AssertionError):
                    eventually(lambda known=known: more() and restarts(sidecar, worker) > known, 12, 0.2)
                    break
            assert restarts(sidecar, worker) > known
            reported = {state.name: state.error for state in failed_workers(sidecar.database)}[worker]
            assert error in reported or worker == EVENTS
            assert f"the {worker} worker" in sidecar.said()
            time.sleep(0.6)  # it is well again
        assert more()
        eventually(lambda: sidecar.stored(prompts.texts(lines)), 30)
        eventually(lambda: sidecar.query("SELECT count(*) FROM memories WHERE embedding IS NULL") == [(0,)], 30)
        eventually(lambda: kept(sidecar.database) is not None, 30)
        eventually(lambda: process.num_fds() <= before + 8, 30)
        status = subprocess.run(
            [Path(sys.executable).with_name("memento"), "status"],
            env=sidecar.environment,
            capture_output=True,
            text=True,
        )
        assert f"the {worker} worker runs again; it was started again {len(errors)} x" in status.stderr
        assert status.returncode == 0
    assert failed_workers(sidecar.database) == ()
    bar.measured(f"{worker}: ended by {', '.join(errors)}, started again each time")


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Let this process hold as many sockets as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


STARTS = (b"", b"GET /health HT", b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{")


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("over_tcp", [False, True])
def test_a_flood_of_connections(
    bar: Bar, sidecar: Sidecar, hooks: Hooks, prompts: Prompts, eventually: Callable[..., float], over_tcp: bool
) -> None:
    count = bar.count("MEMENTO_SOCKETS", 700)
    sidecar.home.mkdir(mode=0o700)
    (sidecar.home / "config.yaml").write_text("server: {tcp: true, port: 0}\n")
    (sidecar.folder / "a.jsonl").write_bytes(prompts.line(0))
    with vulnerable(sidecar, eventually):
        eventually(lambda: sidecar.rows() == 1, 30)
        assert sidecar.process is not None
        process = psutil.Process(sidecar.process.pid)
        before, most, ended = process.num_fds(), [0], threading.Event()

        def look() -> None:
            while not ended.wait(0.002):
                most[0] = max(most[0], process.num_fds())

        looking = threading.Thread(target=look)
        looking.start()
        try:
            with flood(sidecar, count, over_tcp):
                hooks(3)
                assert recall(sidecar.database, "rule for the harbour", 3, 5.0, {}) is not None
                with (sidecar.folder / "a.jsonl").open("ab") as file:
                    file.write(prompts.line(1))
                eventually(lambda: sidecar.stored(prompts.texts(2)), 30)
        finally:
            ended.set()
            looking.join()
        assert most[0] <= before + MAX_CONNECTIONS + SPARE_DESCRIPTORS
        eventually(lambda: process.num_fds() <= before + 8, 30)
        eventually(lambda: sidecar.stored(hooks.texts), 60)
        eventually(lambda: sidecar.query("SELECT count(*) FROM memories WHERE embedding IS NULL") == [(0,)], 60)
        assert recall(sidecar.database, "rule for the harbour", 3, 5.0, {}) is not None
        assert failed_workers(sidecar.database) == ()
    through = "TCP" if over_tcp else "the Unix socket"
    bar.measured(f"{count:,} half-open connections over {through}: {most[0] - before} descriptors more at most")


@contextmanager
def flood(sidecar: Sidecar, count: int, over_tcp: bool) -> Iterator[None]:
    """Open so many connections as fast as they are taken, each with less than a request, and keep them."""
    address: Any = str(socket_path(sidecar.database))
    if over_tcp:
        address = ("127.0.0.1", int(sidecar.said().rpartition("http://127.0.0.1:")[2].partition(",")[0]))
    with ExitStack() as held:
        for number in range(count):
            one = held.enter_context(socket.socket(socket.AF_INET if over_tcp else socket.AF_UNIX))
            one.settimeout(10)
            _connect(one, address)
            with suppress(OSError):  # closed to make room
                one.sendall(STARTS[number % len(STARTS)])
        yield


def _connect(one: socket.socket, address: Any) -> None:
    give_up = time.monotonic() + 10
    while True:
        try:
            one.connect(address)
        except BlockingIOError:  # the queue of a Unix socket is full
            assert time.monotonic() < give_up
            time.sleep(0.001)
        else:
            return


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="limits a child's descriptors as Linux does")
def test_few_descriptors(
    bar: Bar, sidecar: Sidecar, prompts: Prompts, eventually: Callable[..., float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system allows few descriptors, a flood takes a part of them, and capture keeps the rest."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    run = subprocess.Popen
    limits = resource.prlimit

    def limited(*given: Any, **options: Any) -> subprocess.Popen[bytes]:
        process = run(*given, **options)
        limits(process.pid, resource.RLIMIT_NOFILE, (160, 160))
        return process

    monkeypatch.setattr(subprocess, "Popen", limited)
    with vulnerable(sidecar, eventually):
        monkeypatch.undo()
        with flood(sidecar, 400, over_tcp=False):
            (sidecar.folder / "a.jsonl").write_bytes(prompts.line(0))
            eventually(lambda: sidecar.stored(prompts.texts(1)), 30)
        eventually(lambda: sidecar.query("SELECT count(*) FROM memories WHERE embedding IS NULL") == [(0,)], 60)
        eventually(lambda: kept(sidecar.database) is not None, 30)
    assert (soft, hard) == resource.getrlimit(resource.RLIMIT_NOFILE)
    bar.measured("160 descriptors: capture and embedding go on beside 400 connections")
