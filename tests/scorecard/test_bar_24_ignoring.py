"""Bar 24: what is ignored while it is being read stays out from that moment, and nothing else is lost."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from tests.scorecard.conftest import MEMENTO, eventually

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar, Sidecar


def line(number: int, session: str) -> bytes:
    record = {
        "type": "user",
        "uuid": f"00000000-0000-4000-8000-{number:012d}",
        "sessionId": session,
        "cwd": f"/srv/{session}/inner",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "message": {"role": "user", "content": f"We decided on rule number {number} for the harbour of {session}."},
    }
    title = {"type": "custom-title", "customTitle": f"Rules of {session}", "sessionId": session}
    return json.dumps(record).encode() + b"\n" + (json.dumps(title).encode() + b"\n" if number % 50 == 0 else b"")


@pytest.mark.parametrize("option", [["--session", "hushed"], ["--project", "/srv/hushed"]])
def test_what_is_ignored_while_it_is_read_stays_out(bar: Bar, sidecar: Sidecar, option: list[str]) -> None:
    count = bar.count("MEMENTO_IGNORED_LINES", 6_000)
    hushed, heard = sidecar.folder / "hushed.jsonl", sidecar.folder / "heard.jsonl"
    hushed.write_bytes(b"".join(line(number, "hushed") for number in range(count)))
    heard.write_bytes(b"".join(line(count + number, "heard") for number in range(200)))
    sidecar.start()
    eventually(lambda: _stored(sidecar, "hushed") > 0, 60, pause=0.01)
    ignored = subprocess.run(
        [MEMENTO, "ignore", *option, "--forget"], env=sidecar.environment, capture_output=True, text=True, check=False
    )
    assert ignored.returncode == 0, ignored.stderr
    assert _stored(sidecar, "hushed") == 0
    forgotten = int(ignored.stderr.rpartition(", ")[2].split()[0])
    for number in range(200, 400):
        with hushed.open("ab") as file:
            file.write(line(2 * count + number, "hushed"))
        with heard.open("ab") as file:
            file.write(line(count + number, "heard"))
    began = time.monotonic()
    while time.monotonic() < began + (25 if bar.soak else 3) or not _is_read(sidecar):
        assert time.monotonic() < began + 120
        assert _stored(sidecar, "hushed") == 0
        time.sleep(0.05)
    assert _stored(sidecar, "heard") == 400
    assert sidecar.query("SELECT DISTINCT session_id FROM sessions") == [("heard",)]
    sums = "SELECT offset, (SELECT sum(bytes) FROM ledger WHERE source = num) FROM sources WHERE offset > 0"
    assert all(offset == accounted for offset, accounted in sidecar.query(sums))
    assert sidecar.stop() == 0
    bar.measured(f"{' '.join(option)}: {forgotten:,} forgotten of {count:,} while they were read, 0 back")


def _stored(sidecar: Sidecar, session: str) -> int:
    return int(str(sidecar.query(f"SELECT count(*) FROM memories WHERE session_id = '{session}'")[0][0]))


def _is_read(sidecar: Sidecar) -> bool:
    sizes = {path.name: path.stat().st_size for path in sidecar.folder.glob("*.jsonl")}
    known = {str(path).rpartition("/")[2]: size for path, size in sidecar.query("SELECT path, size FROM sources")}
    return {name: known.get(name) for name in sizes} == sizes
