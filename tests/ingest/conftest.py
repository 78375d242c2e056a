"""What the tests of ingestion share: runs into a store, with the ledger checked against the offset after each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from memento.config import Config, Settings
from memento.storage.sources import Quarantined
from memento.store import MemoryStore
from memento_ingest.batch_ingest import Ingestion, Options
from memento_ingest.report import Report
from memento_policies import Policy, load_policy

_ROW = (
    "id, text, timestamp, source, session_id, role, speaker, trust, kind, importance, tags, collection, project, "
    "active, meta, why, content_hash"
)


class Ingest:
    """One store and the runs of ingestion into it."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        self.store = MemoryStore(folder / "memory.db", config=Config(Settings(), folder))
        self.policy = policy

    def run(self, *names: Path | str, format_: str = "auto", since: int | None = None) -> Report:
        """Run once; every byte read must be accounted for, in the report and in the ledger."""
        report = Ingestion(self.policy, Options(format_, since), self.store).run([str(name) for name in names])
        assert report.kept == report.stored + report.extended + report.duplicates + report.forgotten
        for path, offset, accounted in self.accounts():
            assert accounted == offset, path
        return report

    def whole(self, *names: Path | str, format_: str = "auto") -> Report:
        """Run over files that were never read; the report's bytes must add up to theirs."""
        report = self.run(*names, format_=format_)
        assert report.bytes_read == sum(Path(name).stat().st_size for name in names)
        return report

    def rows(self) -> list[tuple[Any, ...]]:
        """Return everything that makes up the memories but the time of ingestion."""
        return list(self.query(f"SELECT {_ROW} FROM memories ORDER BY id"))

    def texts(self) -> list[str]:
        return [text for (text,) in self.query("SELECT text FROM memories ORDER BY timestamp, num")]

    def titles(self) -> list[tuple[Any, ...]]:
        return list(self.query("SELECT * FROM sessions ORDER BY source, session_id"))

    def accounts(self) -> list[tuple[str, int, int]]:
        """Return each source's path, its offset, and the bytes its ledger accounts for."""
        sql = (
            "SELECT path, offset, (SELECT coalesce(sum(bytes), 0) FROM ledger WHERE source = num) "
            "FROM sources ORDER BY path"
        )
        return [tuple(row) for row in self.query(sql)]

    def ledger(self) -> dict[str, int]:
        """Return the messages and records accounted for, by outcome."""
        return dict(self.query("SELECT outcome, sum(messages) FROM ledger GROUP BY 1"))

    def quarantine(self) -> list[Quarantined]:
        """Return the quarantine in the order of its bytes."""
        return sorted(self.store.quarantined(10_000), key=lambda entry: (entry.path, entry.offset))

    def query(self, sql: str) -> apsw.Cursor:
        return apsw.Connection(str(self.store.path), flags=apsw.SQLITE_OPEN_READONLY).execute(sql)


class Transcript:
    """Writes Claude Code records; each call returns one line."""

    def __init__(self, session: str = "5b0e1c1a-0000-4000-8000-000000000001") -> None:
        self.session, self.count = session, 0

    def line(self, kind: str, **fields: Any) -> bytes:
        self.count += 1
        record = {
            "type": kind, "uuid": f"{self.session}-{self.count}", "parentUuid": None, "sessionId": self.session,
            "timestamp": f"2026-09-01T{self.count // 60:02}:{self.count % 60:02}:00.000Z", "cwd": "/w/harbor",
            "isSidechain": False, "userType": "external", "version": "2.1.230", **fields,
        }  # fmt: skip
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"

    def user(self, text: str, **fields: Any) -> bytes:
        return self.line("user", message={"role": "user", "content": text}, **fields)

    def assistant(self, message_id: str, *blocks: dict[str, Any] | str) -> bytes:
        content = [{"type": "text", "text": block} if isinstance(block, str) else block for block in blocks]
        message = {"id": message_id, "role": "assistant", "model": "m", "content": content, "usage": {}}
        return self.line("assistant", message=message)

    def call(self, message_id: str, call_id: str, command: str) -> bytes:
        return self.assistant(
            message_id, {"type": "tool_use", "id": call_id, "name": "Bash", "input": {"command": command}}
        )

    def result(self, call_id: str, output: str) -> bytes:
        block = {"type": "tool_result", "tool_use_id": call_id, "content": output}
        return self.line("user", message={"role": "user", "content": [block]})


def jsonl(*records: Any) -> bytes:
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


@pytest.fixture(scope="session")
def policy() -> Policy:
    return load_policy()


class Stores:
    """Makes as many stores as a test needs, and closes them."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        self._folder, self._policy = folder, policy
        self._made: list[Ingest] = []

    def new(self) -> Ingest:
        folder = self._folder / f"store-{len(self._made)}"
        self._made.append(Ingest(folder, self._policy))
        return self._made[-1]

    def rows_of_one_run(self, names: Sequence[Path], format_: str = "auto") -> list[tuple[Any, ...]]:
        """Return what one undisturbed run over the files leads to."""
        other = self.new()
        other.run(*names, format_=format_)
        return other.rows()

    def close(self) -> None:
        for made in self._made:
            made.store.close()


@pytest.fixture
def stores(tmp_path_factory: pytest.TempPathFactory, policy: Policy) -> Iterator[Stores]:
    made = Stores(tmp_path_factory.mktemp("stores"), policy)
    yield made
    made.close()


@pytest.fixture
def ingest(stores: Stores) -> Ingest:
    return stores.new()


@pytest.fixture
def transcript() -> Transcript:
    return Transcript()


@pytest.fixture
def conversation(transcript: Transcript) -> list[bytes]:
    """Return the lines of a session with everything that spans lines: blocks, tool pairs, a title, an open end."""
    return [
        transcript.line("ai-title", aiTitle="Slow imports"),
        transcript.user("Why is the nightly import of the harbor data so slow since we moved servers?"),
        transcript.assistant("msg_1", {"type": "thinking", "thinking": "hm", "signature": "s"}),
        transcript.assistant("msg_1", "The importer commits after every row; the new disk needs 5 ms to flush."),
        transcript.call("msg_1", "toolu_1", "grep -n commit importer.py"),
        transcript.result("toolu_1", "importer.py:41: db.commit()  # é → 中文"),
        transcript.assistant("msg_2", "I decided to commit once per thousand rows,"),
        transcript.assistant("msg_2", "which brought the import from 70 minutes down to 2."),
        transcript.line("system", subtype="turn_duration", durationMs=5),
        transcript.user("I prefer batch sizes to be configurable. Remember that for the exporter as well."),
        transcript.assistant("msg_3", "Batch sizes are configurable now: importer.batch_size, default 1000."),
    ]
