"""Many small files in one transaction: exact for each of them, whatever happens to one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from memento.config import load_config
from memento.errors import StoreBusy
from memento.memory import Counts
from memento.storage.capture import Batch
from memento.store import MemoryStore
from memento_ingest.batch_ingest import Ingestion, Options
from memento_ingest.sidecar.capture import CaptureWorker
from memento_ingest.sidecar.sweep import Sweep


def text(number: int) -> str:
    return f"We decided on rule number {number} for the harbour."


def prompt(number: int) -> bytes:
    message = {"role": "user", "content": text(number)}
    record = {"type": "user", "uuid": f"u-{number}", "sessionId": "s", "timestamp": "2026-01-01T00:00:00Z"}
    return json.dumps({**record, "message": message}).encode() + b"\n"


class Watching:
    """A folder of transcripts, its worker and its store; `commits` holds the paths of each transaction."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "transcripts"
        self.folder.mkdir()
        self.store = MemoryStore(config=load_config({}, {"MEMENTO_HOME": str(home / "m"), "MEMORY_DB_PATH": ""}))
        self.said: list[str] = []
        self.commits: list[list[str]] = []
        self.refused: dict[str, Exception] = {}
        self._commit = self.store.commit
        self.store.commit = self.commit  # type: ignore[method-assign]
        self.ingestion = Ingestion(self.store.policy, Options(), self.store)
        sweep = Sweep([self.folder], lambda path: path.suffix == ".jsonl")
        self.worker = CaptureWorker(self.ingestion, sweep, self.said.append)

    def commit(self, *batches: Batch) -> Counts:
        """Commit, or refuse as the test wants it."""
        names = [Path(batch.source.path).name for batch in batches if batch.source]
        for name in names:
            if name in self.refused:
                raise self.refused[name]
        self.commits.append(names)
        return self._commit(*batches)

    def write(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            (self.folder / f"{number}.jsonl").write_bytes(prompt(number))

    def sweep(self) -> None:
        """Read everything that changed."""
        self.worker.add(self.worker.sweep.changed())
        while self.worker.step():
            pass

    def texts(self) -> list[str]:
        return sorted(memory.text for memory in self.store.get_recent(1000))

    def balanced(self) -> bool:
        """Tell whether each source's ledger adds up to its offset, and that to its size."""
        with self.store._database.read() as connection:
            rows = list(
                connection.execute(
                    "SELECT offset, size, (SELECT sum(bytes) FROM ledger WHERE source = num) FROM sources"
                )
            )
        return all(offset == size == accounted for offset, size, accounted in rows)


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    made = Watching(tmp_path)
    yield made
    made.store.close()


def test_small_files_share_transactions_and_large_ones_do_not(watching: Watching) -> None:
    watching.write(range(200))
    (watching.folder / "large.jsonl").write_bytes(b"".join(map(prompt, range(1000, 3500))))
    watching.sweep()
    assert sum(name == "large.jsonl" for names in watching.commits for name in names) >= 3
    assert max(len(set(names)) for names in watching.commits) >= 10
    assert len(watching.store.get_recent(5000)) == 2700
    assert watching.balanced()


@pytest.mark.parametrize("error", [ValueError("a value of no kind"), OverflowError("too large")])
def test_a_file_that_cannot_be_written_keeps_no_other_from_it(watching: Watching, error: Exception) -> None:
    watching.write(range(20))
    watching.refused["7.jsonl"] = error
    watching.sweep()
    assert watching.texts() == sorted(text(number) for number in range(20) if number != 7)
    assert watching.worker.waiting == 0
    [said] = watching.said
    assert "7.jsonl" in said
    assert str(error) in said
    assert [path.name for path in watching.worker.problems] == ["7.jsonl"]
    watching.sweep()
    assert len(watching.said) == 1, "said once"
    watching.refused.clear()
    watching.sweep()
    assert watching.texts() == sorted(map(text, range(20)))
    assert watching.worker.problems == {}
    assert watching.balanced()


def test_a_value_that_breaks_a_rule_of_the_schema_concerns_its_file_alone(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memento.storage import rows

    columns = rows._columns
    monkeypatch.setattr(rows, "_columns", lambda memory: (*columns(memory)[:4], None, *columns(memory)[5:])
                        if memory.text == text(3) else columns(memory))  # fmt: skip
    watching.write(range(5))
    watching.sweep()
    assert watching.texts() == [text(number) for number in (0, 1, 2, 4)]
    assert "NOT NULL" in watching.said[0]


def test_what_lies_behind_a_refused_batch_of_a_file_waits_too(watching: Watching) -> None:
    (watching.folder / "large.jsonl").write_bytes(b"".join(map(prompt, range(2500))))
    watching.refused["large.jsonl"] = ValueError("no")
    watching.sweep()
    assert watching.texts() == []
    watching.refused.clear()
    watching.sweep()
    assert len(watching.store.get_recent(5000)) == 2500
    assert watching.balanced()


def test_a_locked_store_is_no_fault_of_the_files(watching: Watching) -> None:
    watching.write(range(5))
    watching.refused["3.jsonl"] = StoreBusy("locked")
    with pytest.raises(StoreBusy):
        watching.sweep()
    assert watching.texts() == []
    assert watching.worker.waiting == 0
    assert watching.worker.problems == {}
    watching.refused.clear()
    watching.sweep()
    assert watching.texts() == sorted(map(text, range(5)))


def test_one_file_under_two_names_is_never_in_one_transaction_twice(watching: Watching) -> None:
    watching.write([1])
    os.link(watching.folder / "1.jsonl", watching.folder / "2.jsonl")
    watching.sweep()
    assert sorted(map(len, watching.commits)) == [1, 1]
    assert watching.texts() == [text(1)]
    assert watching.balanced()


def test_a_run_over_a_folder_shares_transactions_and_names_what_it_could_not_write(watching: Watching) -> None:
    watching.write(range(30))
    watching.refused["4.jsonl"] = ValueError("no")
    report = watching.ingestion.run([str(watching.folder)])
    assert report.stored == 29
    assert [(Path(name).name, problem) for name, problem in report.problems] == [("4.jsonl", "ValueError: no")]
    watching.refused.clear()
    again = Ingestion(watching.store.policy, Options(), watching.store).run([str(watching.folder)])
    assert (again.stored, again.unchanged) == (1, 29)
    assert watching.commits[-1] == ["4.jsonl"]
