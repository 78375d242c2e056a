"""The tailer against a plain model: whatever is done to the files, every complete record is stored exactly once.

Hypothesis drives random sequences of what agents, editors and log rotation do; after each the worker looks, or is
killed and starts anew; at the end the store must hold exactly the messages that a reader could ever have seen whole.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from memento.config import load_config
from memento.store import MemoryStore
from memento_ingest.batch_ingest import Ingestion, Options
from memento_ingest.sidecar.capture import CaptureWorker
from memento_ingest.sidecar.sweep import Sweep
from memento_policies import load_policy

NAMES = st.sampled_from(["a.jsonl", "b.jsonl", "c.jsonl"])
POLICY = load_policy()


def record(number: int) -> bytes:
    """One prompt of an agent, with an id of its own."""
    return (
        json.dumps(
            {
                "type": "user",
                "uuid": f"00000000-0000-4000-8000-{number:012d}",
                "parentUuid": None,
                "sessionId": "s",
                "timestamp": "2026-01-01T00:00:00.000Z",
                "message": {"role": "user", "content": f"We decided that rule number {number} holds for the harbour."},
            }
        ).encode()
        + b"\n"
    )


class Tailing(RuleBasedStateMachine):
    """Files under a watched folder, and the records that were ever whole in them while the worker looked."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.watched = self.folder / "watched"
        self.watched.mkdir()
        self.outside = self.folder / "outside"
        self.outside.mkdir()
        self.numbers = itertools.count()
        self.pending: dict[str, bytes] = {}
        self.expected: set[str] = set()
        self.clock = 1_700_000_000_000_000_000
        self.open()

    def open(self) -> None:
        """Start the worker anew, as after a kill: only what was committed is known."""
        config = load_config({}, {"MEMENTO_HOME": str(self.folder / "home"), "MEMORY_DB_PATH": ""})
        self.store = MemoryStore(config=config)
        sweep = Sweep([self.watched], lambda path: path.suffix == ".jsonl")
        self.worker = CaptureWorker(Ingestion(POLICY, Options(), self.store), sweep, lambda _: None)

    def touched(self, path: Path) -> None:
        """Give each change a time of its own: the model is not about the clock's resolution."""
        self.clock += 1_000_000
        os.utime(path, ns=(self.clock, self.clock))

    def write(self, name: str, data: bytes) -> None:
        path = self.watched / name
        with path.open("ab") as file:
            file.write(data)
        self.touched(path)

    @rule(name=NAMES, count=st.integers(1, 4))
    def append(self, name: str, count: int) -> None:
        for _ in range(count):
            self.write(name, self.pending.pop(name, b"") + record(next(self.numbers)))

    @rule(name=NAMES, cut=st.floats(0.05, 0.95))
    def append_part(self, name: str, cut: float) -> None:
        if name in self.pending:
            self.write(name, self.pending.pop(name))
            return
        whole = record(next(self.numbers))
        at = int(len(whole) * cut)
        self.write(name, whole[:at])
        self.pending[name] = whole[at:]

    @rule(source=NAMES, to=NAMES)
    def rename(self, source: str, to: str) -> None:
        if source != to and (self.watched / source).exists():
            (self.watched / source).replace(self.watched / to)
            self.pending.pop(to, None)
            if source in self.pending:
                self.pending[to] = self.pending.pop(source)

    @rule(source=NAMES, to=NAMES)
    def copy(self, source: str, to: str) -> None:
        if source != to and (self.watched / source).exists() and not (self.watched / to).is_symlink():
            shutil.copy(self.watched / source, self.watched / to)
            self.touched(self.watched / to)
            self.pending.pop(to, None)
            if source in self.pending:
                self.pending[to] = self.pending[source]

    @rule(name=NAMES)
    def truncate(self, name: str) -> None:
        path = self.watched / name
        if path.exists():
            os.truncate(path, 0)
            self.touched(path)
            self.pending.pop(name, None)

    @rule(name=NAMES)
    def replace_with_the_same_size(self, name: str) -> None:
        path = self.watched / name
        if path.exists() and name not in self.pending:
            lines = path.read_bytes().count(b"\n")
            with path.open("r+b") as file:
                file.write(b"".join(record(next(self.numbers)) for _ in range(lines)))
            self.touched(path)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        (self.watched / name).unlink(missing_ok=True)
        self.pending.pop(name, None)

    @rule(name=NAMES)
    def swap_for_a_link(self, name: str) -> None:
        path = self.watched / name
        if not path.exists():
            target = self.outside / "private.jsonl"
            target.write_bytes(record(999_999))
            path.symlink_to(target)
            self.looked()
            path.unlink()

    @rule()
    def look(self) -> None:
        self.looked()

    @rule()
    def killed(self) -> None:
        self.store.close()
        self.open()

    @rule()
    def killed_in_the_middle(self) -> None:
        self.worker.add(self.worker.sweep.changed())
        self.worker.step()
        self.store.close()
        self.open()

    def looked(self) -> None:
        for path in self.watched.iterdir():
            if not path.is_symlink():
                self.expected |= {json.loads(line)["uuid"] for line in whole_lines(path.read_bytes())}
        self.worker.add(self.worker.sweep.changed())
        while self.worker.step():
            pass
        assert self.worker.problems == {}
        self.compare()

    def compare(self) -> None:
        stored = [memory.text for memory in self.store.get_recent(10_000)]
        assert len(stored) == len(set(stored))
        wanted = {f"We decided that rule number {int(uuid[-12:])} holds for the harbour." for uuid in self.expected}
        assert set(stored) >= wanted, wanted - set(stored)
        assert not any("999999" in text for text in stored)

    @invariant()
    def the_ledger_adds_up(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store._database.read() as connection:
            sums = "SELECT offset, (SELECT ifnull(sum(bytes), 0) FROM ledger WHERE source = num) FROM sources"
            for offset, accounted in connection.execute(sums):
                assert offset == accounted

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.looked()
            self.store.close()
            shutil.rmtree(self.folder)


def whole_lines(data: bytes) -> list[bytes]:
    """The lines that a newline ended and that are JSON (a part that was cut off and continued elsewhere is not)."""
    lines = data.split(b"\n")[:-1]
    return [line for line in lines if _is_json(line)]


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


TestTailing = Tailing.TestCase
TestTailing.settings = settings(
    max_examples=int(os.environ.get("MEMENTO_TAIL_EXAMPLES", "60")), stateful_step_count=25, deadline=None
)
