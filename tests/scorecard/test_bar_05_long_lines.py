"""Bar 5: a huge transcript with huge lines is read in bounded memory, and other files are followed meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar, Prompts, Sidecar

MB = 1_000_000


def long_line(size: int, number: int) -> bytes:
    """Return one record of that size: a call that writes a large file, the output of a tool, or a damaged one."""
    body = "the parser keeps its offset in one transaction with the rows so a crash loses nothing "
    text = (body * (size // len(body) + 1))[:size]
    call = {"type": "tool_use", "id": f"toolu_{number}", "name": "Write", "input": {"content": text}}
    result = {"type": "tool_result", "tool_use_id": f"toolu_{number - 1}", "content": text}
    role, block = ("user", result) if number % 3 == 1 else ("assistant", call)
    record = {
        "type": role, "uuid": f"10000000-0000-4000-8000-{number:012d}", "parentUuid": None, "sessionId": "s",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "message": {"role": role, "id": f"m{number}", "model": "m", "content": [block]},
    }  # fmt: skip
    line = json.dumps(record).encode()
    return (line[: -size // 2] if number % 3 == 2 else line) + b"\n"


def write_huge(path: Path, prompts: Prompts, megabytes: int, line: int) -> int:
    """Write the transcript, a prompt after each long line; return the number of prompts."""
    number = 0
    with path.open("wb") as file:
        while file.tell() < megabytes * MB:
            file.write(long_line(line * MB, number))
            file.write(prompts.line(1_000_000 + number))
            number += 1
    return number


def test_memory_is_bounded_and_other_files_keep_up(
    bar: Bar, sidecar: Sidecar, prompts: Prompts, eventually: Callable[..., float]
) -> None:
    megabytes, line = bar.count("MEMENTO_LONG_MB", 150), bar.count("MEMENTO_LONG_LINE_MB", 40)
    process = sidecar.start()
    (sidecar.folder / "growing.jsonl").write_bytes(prompts.line(0))
    eventually(lambda: sidecar.rows() == 1, 30)
    baseline = peak = process.memory_info().rss / MB
    huge = sidecar.home.parent / "huge.jsonl"
    huge_prompts = write_huge(huge, prompts, megabytes, line)
    huge.rename(sidecar.folder / "huge.jsonl")
    number, lags, give_up = 1, [0.0], time.monotonic() + 60 + megabytes
    while True:
        with (sidecar.folder / "growing.jsonl").open("ab") as file:
            file.write(prompts.line(number))
        written = time.monotonic()
        while not sidecar.query(f"SELECT 1 FROM memories WHERE text = '{prompts.text(number)}'"):
            peak = max(peak, process.memory_info().rss / MB)
            assert time.monotonic() < give_up
            time.sleep(0.02)
        lags.append(time.monotonic() - written)
        number += 1
        done = sidecar.query("SELECT count(*) FROM memories WHERE text LIKE '%number 1______ for%'")[0][0]
        if done == huge_prompts:
            break
    bar.holds("memory beyond nothing loaded", peak - baseline, 300, "MB", generous=450)
    bar.holds(f"longest lag of the other file, {len(lags)} lines", max(lags), 2, "s", generous=30)
    said = sidecar.query("SELECT count(*) FROM memories WHERE role = 'user' AND text LIKE 'We decided%'")[0][0]
    assert said == number + huge_prompts
    assert sidecar.stop() == 0
