"""The service's log: private, rotated, read across its files, followed across a rotation."""

from __future__ import annotations

import stat
import threading
from collections.abc import Generator
from pathlib import Path
from typing import cast

import pytest

from memento_app.service import log
from memento_app.service.log import KEPT, ServiceLog
from memento_app.service.program import ServiceError


def test_a_line_has_its_time_and_cannot_be_two(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "watch.log"
    written = ServiceLog(path)
    written("first\nforged \x1b[31m")
    written.close()
    (line,) = path.read_text().splitlines()
    assert line[:4].isdigit()
    assert "first\\nforged \\x1b[31m" in line
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_it_is_rotated_and_never_larger_than_its_files(tmp_path: Path) -> None:
    path = tmp_path / "watch.log"
    written = ServiceLog(path, max_bytes=2_000)
    for number in range(1_000):
        written(f"line {number}")
    written.close()
    files = sorted(tmp_path.iterdir())
    assert [one.name for one in files] == ["watch.log", *(f"watch.log.{n}" for n in range(1, KEPT + 1))]
    assert all(one.stat().st_size <= 2_000 for one in files)
    assert all(stat.S_IMODE(one.stat().st_mode) == 0o600 for one in files)
    kept = log.tail(path, 100)
    assert [line.rpartition(" ")[2] for line in kept] == [str(number) for number in range(900, 1_000)]


def test_lines_of_many_threads_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "watch.log"
    written = ServiceLog(path)

    def write() -> None:
        for _ in range(100):
            written("x" * 300)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written.close()
    assert {len(line.partition(" ")[2]) for line in path.read_text().splitlines()} == {300}


def test_following_goes_on_after_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "watch.log"
    written = ServiceLog(path, max_bytes=400)
    written("before")
    lines = cast("Generator[str]", log.follow(path))
    got: list[str] = []

    def read() -> None:
        got.extend(next(lines).rpartition(" ")[2] for _ in range(30))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    pause = threading.Event()
    pause.wait(0.5)  # the reader stands at the end by now
    for number in range(30):
        written(f"line {number}")
        pause.wait(0.3 if number % 10 == 9 else 0.0)
    reader.join(20)
    lines.close()
    written.close()
    assert got == [str(number) for number in range(30)]


def test_a_link_in_its_place_is_not_written_through(tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.write_text("kept")
    (tmp_path / "watch.log").symlink_to(target)
    with pytest.raises(ServiceError, match="cannot be written"):
        ServiceLog(tmp_path / "watch.log")
    assert target.read_text() == "kept"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_stops_nothing() -> None:
    written = ServiceLog(Path("/dev/full"))
    for _ in range(1_000):
        written("lost" * 100)
    written.close()
