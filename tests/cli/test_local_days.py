"""Days and times in tables are the user's own: those in which `--since`, `--at` and "yesterday" are read."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Cli

ZONES = {"Pacific/Kiritimati": "2026-10-21", "America/Los_Angeles": "2026-10-20", "UTC": "2026-10-20"}
"""Time zones, and the day that it is in each at WHEN."""
WHEN = "2026-10-20T15:30:00Z"


@pytest.mark.parametrize("zone", ZONES)
def test_a_table_shows_the_day_that_finds_the_memory(zone: str, memento: Cli, tmp_path: Path) -> None:
    transcript = tmp_path / "talk.jsonl"
    record = {"role": "user", "content": "We decided to ship the blue lamp.", "timestamp": WHEN}
    transcript.write_text(json.dumps(record) + "\n")
    memento.environment["TZ"] = zone
    memento("ingest", transcript)
    day = ZONES[zone]
    for command in ("recent --table", "recall --no-sidecar --table lamp", "stats --table", "status --table"):
        assert day in memento(*command.split()).out
    assert day in memento("forget", "--dry-run", "--table", "--role", "user").out
    assert day in memento("recent", "--table", "--since", day).out
    assert memento("recent", "--json").json[0]["time"] == WHEN


def test_the_time_that_the_list_shows_brings_the_backup_back(memento: Cli) -> None:
    memento.environment["TZ"] = "Asia/Tokyo"
    memento("remember", "The lamp is blue.")
    memento("backup")
    listed = memento("backup", "list", "--table").out
    shown = re.match(r"(\S+ \S+)  manual", listed)
    assert shown, listed
    hour_after = f"{shown[1]}:59"
    assert "restored" in memento("restore", "--at", hour_after).err
