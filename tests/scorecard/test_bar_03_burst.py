"""Bar 3: a burst of files while the reader is stalled. The kernel drops file events; no line is lost."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar, Prompts, Sidecar

PIECES = 9
"""Writes a line: with 2,000 files that makes more events than the kernel's usual queue of 16,384 holds."""
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


@pytest.mark.skipif(not QUEUE.exists(), reason="only inotify tells that it lost events")
def test_every_line_of_a_burst_is_stored_and_the_lost_events_are_said(
    bar: Bar, sidecar: Sidecar, prompts: Prompts, eventually: Callable[..., float]
) -> None:
    count = bar.count("MEMENTO_BURST_FILES", 2_000)
    for number in range(50):
        (sidecar.folder / str(number)).mkdir()
    process = sidecar.start()
    (sidecar.folder / "first.jsonl").write_bytes(prompts.line(0))
    eventually(lambda: sidecar.rows() == 1, 30)
    process.send_signal(signal.SIGSTOP)
    files = [sidecar.folder / f"{number % 50}" / f"{number}.jsonl" for number in range(1, count)]
    lines = [prompts.line(number) for number in range(1, count)]
    size = max(map(len, lines)) // PIECES + 1
    for piece in range(PIECES):
        for path, line in zip(files, lines, strict=True):
            with path.open("ab") as file:
                file.write(line[piece * size : (piece + 1) * size])
    before = sum(process.cpu_times()[:2])
    process.send_signal(signal.SIGCONT)
    took = eventually(lambda: sidecar.rows() >= count, 60 + count / 200)
    bar.measured(f"{sum(process.cpu_times()[:2]) - before:,.2f} s of CPU")
    bar.holds(f"{count:,} lines stored after", took, 5, "s", generous=60)
    assert sidecar.texts() == prompts.texts(count)
    if count * (PIECES + 1) > int(QUEUE.read_text()):
        assert sidecar.said().count("file events were lost") == 1
    assert sidecar.stop() == 0
