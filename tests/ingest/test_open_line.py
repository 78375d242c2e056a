"""A naive parser of another package, which counts every line it is given as read: the pipeline holds it back.

Whatever pieces a file grows by, and however often it is read meanwhile, every line is stored once, as it is when it is
complete, and the offset never passes a line that is still open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st

from memento_ingest import batch_ingest, pipeline
from memento_ingest.formats.base import Format
from memento_ingest.formats.registry import get
from memento_ingest.lines import LongLine
from memento_ingest.open_line import GuardedParser
from memento_ingest.span import Checkpoint, Line, SourceInfo, Span
from memento_policies import Message

if TYPE_CHECKING:
    from tests.ingest.conftest import Ingest

NAME = "naive"


class NaiveParser:
    """Numbers its lines, says that it has read all it was given, and goes on changing the state that it handed out."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.offset = checkpoint.offset
        self.state: dict[str, Any] = {"seen": {"lines": 0}, **checkpoint.state}

    def feed(self, line: Line) -> Iterator[Span]:
        self.offset = line.end
        self.state["seen"]["lines"] += 1
        text = line.data.decode(errors="replace").strip()
        if not text:
            yield Span(line.offset, len(line.data), skipped="blank")
        elif not text.endswith("."):
            yield Span(line.offset, len(line.data), defect="no_full_stop", sample=line.data)
        else:
            key = str(self.state["seen"]["lines"])
            yield Span(line.offset, len(line.data), messages=[Message("user", text, 1_750_000_000_000, NAME, "s", key)])

    def finish(self) -> Iterable[Span]:
        self.offset += 1_000_000
        self.state["seen"]["lines"] = -1
        return ()

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.offset, self.state)


class Naive:
    name = NAME

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        return False

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> NaiveParser:
        return NaiveParser(checkpoint or Checkpoint(0, {}))


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the format known, as its entry point would."""

    def found(name: str) -> Format:
        return Naive() if name == NAME else get(name)

    monkeypatch.setattr(pipeline, "get", found)
    monkeypatch.setattr(batch_ingest, "get", found)


FACTS = [f"Remember that berth {number} is {number * 10} metres long." for number in range(1, 9)]


@pytest.mark.parametrize("size", [1, 7, 23, 60, 10_000])
def test_a_growing_file_gives_each_line_once_and_whole(ingest: Ingest, tmp_path: Path, size: int) -> None:
    data = "".join(f"{fact}\n" for fact in FACTS[: 3 if size == 1 else 8]).encode()
    path = tmp_path / "naive.log"
    for end in range(size, len(data) + size, size):
        path.write_bytes(data[:end])
        report = ingest.run(path, format_=NAME)
        ((_, offset, _),) = ingest.accounts()
        assert offset == data[:end].rfind(b"\n") + 1
        assert set(report.quarantined) <= {"incomplete_line"}
    assert sorted(ingest.texts()) == sorted(data.decode().splitlines())
    assert ingest.quarantine() == []


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([b"One.\n", b"Two\n", b"\n", b"Three.\n"]), max_size=6), st.binary(max_size=5))
def test_a_checkpoint_is_the_end_of_the_last_line_that_ended(lines: list[bytes], rest: bytes) -> None:
    data = b"".join(lines) + rest.replace(b"\n", b"")
    guarded = GuardedParser(NaiveParser(Checkpoint(0, {})))
    offset, taken = 0, []
    for line in data.splitlines(keepends=True) if b"\r" not in data else []:
        list(guarded.feed(Line(offset, line)))
        offset += len(line)
        taken.append((guarded.checkpoint(), guarded.checkpoint().state["seen"]["lines"]))
    list(guarded.finish())
    for reached, count in taken:
        assert data[: reached.offset].endswith(b"\n") or reached.offset == 0
        assert reached.state["seen"]["lines"] == count == data[: reached.offset].count(b"\n")
    if taken:
        assert guarded.checkpoint() == taken[-1][0]


@pytest.mark.parametrize(("terminated", "defect"), [(True, "line_too_long"), (False, "incomplete_line")])
def test_a_line_too_long_to_hold_is_passed_only_once_it_has_ended(terminated: bool, defect: str) -> None:
    guarded = GuardedParser(NaiveParser(Checkpoint(0, {})))
    list(guarded.feed(Line(0, b"One.\n")))
    (span,) = guarded.feed(LongLine(5, 100, terminated))
    assert (span.offset, span.length, span.defect) == (5, 100, defect)
    assert guarded.checkpoint().offset == 5
    if terminated:
        list(guarded.feed(Line(105, b"Two.\n")))
        assert guarded.checkpoint().offset == 110
