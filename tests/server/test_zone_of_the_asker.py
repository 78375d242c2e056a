"""A sidecar answers in the time zone of the process that asks it, not in its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.server.conftest import Server


def test_yesterday_is_a_day_of_the_one_who_asks(server: Server) -> None:
    """The sidecar runs in UTC; who asks it from Auckland or Honolulu gets the answer that he gets without it."""
    server.environment["TZ"] = "UTC"
    noon = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    lines = [
        json.dumps(
            {
                "role": "user",
                "content": f"The deploy marker number {hours} is green.",
                "timestamp": (noon - timedelta(hours=hours)).isoformat(),
            }
        )
        for hours in range(1, 60, 3)
    ]
    (server.folder / "talk.jsonl").write_text("\n".join(lines) + "\n")
    server.start()
    server.eventually(lambda: server.get("/health").json["memories"] == len(lines))
    days = {}
    for zone in ("Pacific/Auckland", "Pacific/Honolulu", "UTC", "<+0545>-5:45"):
        server.environment["TZ"] = zone
        ways = [
            server.recall("deploy marker yesterday", "-k", "50", "--explain", *rest)["results"]
            for way in ("--sidecar", "--no-sidecar")
            for rest in ([way], [way, "--since", "yesterday"])
        ]
        on_that_day = [{one["text"] for one in way if one["features"]["date"]["value"] == 1} for way in ways]
        assert on_that_day[0] == on_that_day[2]
        assert {one["text"] for one in ways[1]} == {one["text"] for one in ways[3]}
        days[zone] = frozenset(on_that_day[0])
    assert len(set(days.values())) >= 3
