"""A source that grows: whatever the pieces it is read in, the rows are those of one run over the whole."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from memento.store import MemoryStore

if TYPE_CHECKING:
    from tests.ingest.conftest import Ingest, Stores, Transcript

GENERIC: Final = b"""\
{"role": "user", "content": "We decided to keep the schema in one file, because reviews were easier that way."}
{"role": "assistant", "content": "Noted: the schema stays in one file. I moved the two stray tables there."}
{"role": "user", "content": "I prefer four spaces in SQL files and never tabs. na\xc3\xafve \xe4\xb8\xad\xe6\x96\x87"}
{"broken":
{"role": "assistant", "content": "Understood. The formatter is set to four spaces for every SQL file now."}
{"messages": [{"role": "user", "content": "The deploy key lives in the vault of team harbor."}]}
{"role": "user", "content": "Our staging server is called heron, the production server is called pelican."}
"""
MARKDOWN: Final = b"""\
# Pairing

## User
My daughter was born last week, so I will work half days until the end of November.

## Assistant
Congratulations! I'll put reviews before noon and leave the afternoons free until the end of November.
```
User: this is code
```
And the standup moves to ten.

## User
I can't stand it when a function is longer than one screen. Split such things without asking. na\xc3\xafve
"""
WRITTEN: Final = 1_790_000_000
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CUTS = st.lists(st.floats(0, 1, exclude_max=True), max_size=4)


def appended(ingest: Ingest, path: Path, data: bytes, cuts: list[int], format_: str = "auto") -> None:
    """Append the pieces one after the other, with a run after each."""
    path.write_bytes(b"")
    for start, end in pairwise([0, *sorted({*cuts} - {0, len(data)}), len(data)]):
        with path.open("ab") as file:
            file.write(data[start:end])
        os.utime(path, (WRITTEN, WRITTEN))  # the time of records that state none
        ingest.run(path, format_=format_)


def check(stores: Stores, folder: Path, data: bytes, cuts: list[int], name: str, format_: str = "auto") -> None:
    path = folder / name
    ingest = stores.new()
    appended(ingest, path, data, cuts, format_)
    once = stores.new()
    once.whole(path, format_=format_)
    assert [row[1] for row in ingest.rows()] == [row[1] for row in once.rows()], cuts
    assert ingest.rows() == once.rows()
    assert ingest.titles() == once.titles()
    assert ingest.accounts() == once.accounts()
    assert ingest.ledger() == once.ledger()
    places = [(entry.offset, entry.length, entry.reason) for entry in ingest.quarantine()]
    assert places == [(entry.offset, entry.length, entry.reason) for entry in once.quarantine()]
    again = ingest.run(path)
    assert (again.unchanged, again.seen) == (1, 0)


@FEW
@given(cuts=CUTS)
def test_claude_code_grown_at_any_byte(
    cuts: list[float], conversation: list[bytes], stores: Stores, tmp_path: Path
) -> None:
    data = b"".join(conversation)
    check(stores, tmp_path, data, [int(cut * len(data)) for cut in cuts], "session.jsonl")


@FEW
@given(cuts=CUTS)
def test_generic_lines_grown_at_any_byte(cuts: list[float], stores: Stores, tmp_path: Path) -> None:
    check(stores, tmp_path, GENERIC, [int(cut * len(GENERIC)) for cut in cuts], "log.jsonl")


@FEW
@given(cuts=CUTS)
def test_markdown_grown_at_any_byte(cuts: list[float], stores: Stores, tmp_path: Path) -> None:
    """Plain text does not say where a line is complete: a message whose first line is cut leaves its beginning too."""
    path, ingest = tmp_path / "pairing.md", stores.new()
    appended(ingest, path, MARKDOWN, [int(cut * len(MARKDOWN)) for cut in cuts])
    whole = stores.rows_of_one_run([path])
    rows = ingest.rows()
    assert set(whole) <= set(rows)
    texts = [str(row[1]) for row in whole]
    for row in set(rows) - set(whole):
        assert any(text.startswith(str(row[1])) for text in texts)


@pytest.mark.parametrize("format_", ["claude-code", "generic-jsonl", "markdown"])
def test_line_by_line(format_: str, conversation: list[bytes], stores: Stores, tmp_path: Path) -> None:
    data = {"claude-code": b"".join(conversation), "generic-jsonl": GENERIC, "markdown": MARKDOWN}[format_]
    cuts = [end + 1 for end, byte in enumerate(data) if byte == 10]
    check(stores, tmp_path, data, cuts, "grown", format_)


def test_byte_by_byte(stores: Stores, tmp_path: Path) -> None:
    check(stores, tmp_path, GENERIC, list(range(1, 180)), "log.jsonl")


def test_an_assistant_message_grows_in_place(ingest: Ingest, transcript: Transcript, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    path.write_bytes(transcript.user("Please move the import to batches of a thousand rows, not one by one."))
    with path.open("ab") as file:
        file.write(transcript.assistant("msg_1", "The importer commits once per thousand rows now."))
    assert ingest.run(path).stored == 2
    with path.open("ab") as file:
        file.write(transcript.assistant("msg_1", "I measured it: 2 minutes instead of 70."))
    grown = ingest.run(path)
    assert (grown.stored, grown.extended) == (0, 1)
    assert len(ingest.texts()) == 2
    assert "per thousand rows now." in ingest.texts()[1]
    assert ingest.texts()[1].endswith("2 minutes instead of 70.")


def test_an_unterminated_last_line_waits_for_its_end(ingest: Ingest, transcript: Transcript, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    first = transcript.user("We decided to put every migration into one transaction.")
    second = transcript.user("I prefer migrations without any downgrade path.")
    path.write_bytes(first + second[:-20])
    report = ingest.run(path)
    assert report.quarantined == {"incomplete_line": 1}
    assert [(entry.offset, entry.reason) for entry in ingest.quarantine()] == [(len(first), "incomplete_line")]
    assert ingest.accounts() == [(str(path), len(first), len(first))]
    path.write_bytes(first + second)
    assert ingest.run(path).stored == 1
    assert ingest.quarantine() == []
    assert len(ingest.texts()) == 2


def test_growth_reads_only_what_is_new(ingest: Ingest, transcript: Transcript, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    lines = [
        transcript.user(f"We decided that server number {number} is called heron-{number}.") for number in range(50)
    ]
    path.write_bytes(b"".join(lines))
    ingest.run(path)
    new = transcript.user("We decided that the last server is called pelican.")
    with path.open("ab") as file:
        file.write(new)
    assert ingest.run(path).bytes_read < 3 * len(new)


def test_the_store_is_the_one_that_says_what_was_read(ingest: Ingest, transcript: Transcript, tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    path.write_bytes(transcript.user("We decided to keep one store per machine, on the local disk."))
    ingest.run(path)
    state = ingest.store.source(str(path))
    assert isinstance(ingest.store, MemoryStore)
    assert state is not None
    assert (state.format, state.size) == ("claude-code", path.stat().st_size)
