"""Figures for Prometheus, in its text format 0.0.4."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from memento_ingest.server.health import Health

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds in seconds."""


@dataclass(slots=True)
class Requests:
    """What the server counted since it was started. Used by its event loop's thread only."""

    by_status: Counter[int] = field(default_factory=Counter)
    events: int = 0
    recalls: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    recall_seconds: float = 0.0

    def count(self, status: int) -> None:
        """Take note of an answer."""
        self.by_status[status] += 1

    def recalled(self, seconds: float) -> None:
        """Take note of a recall."""
        self.recalls[bisect_left(BUCKETS, seconds)] += 1
        self.recall_seconds += seconds


def text(health: Health, requests: Requests) -> str:
    """Return all figures."""
    return "".join(line + "\n" for line in (*_gauges(health), *_counters(health, requests)))


def _gauges(health: Health) -> Iterator[str]:
    figures = {
        "memories": (health.memories, "Memories in the store."),
        "pending_embeddings": (health.pending_embeddings, "Memories that wait for their embedding."),
        "quarantined": (health.quarantined, "Records that could not be read."),
        "unread_bytes": (health.unread_bytes, "Bytes of the sources that are not read yet."),
        "oldest_unread_seconds": (health.oldest_unread_seconds, "Age of the oldest change that is not read yet."),
        "queued_files": (health.queued_files, "Files that wait to be read."),
        "spool_bytes": (health.spool_bytes, "Bytes of hook events that are not ingested yet."),
        "database_bytes": (health.database_bytes, "Size of the database file."),
        "problems": (len(health.problems), "Things that need somebody's attention."),
        "uptime_seconds": (health.uptime_seconds, "Seconds since the server was started."),
    }
    for name, (value, meaning) in figures.items():
        yield f"# HELP memento_{name} {meaning}"
        yield f"# TYPE memento_{name} gauge"
        yield f"memento_{name} {value}"


def _counters(health: Health, requests: Requests) -> Iterator[str]:
    yield "# HELP memento_event_overflows_total Times that file events were lost and a full sweep took over."
    yield "# TYPE memento_event_overflows_total counter"
    yield f"memento_event_overflows_total {health.event_overflows}"
    yield "# HELP memento_worker_restarts_total Times that a worker of the sidecar was started again after an error."
    yield "# TYPE memento_worker_restarts_total counter"
    for worker in health.workers:
        yield f'memento_worker_restarts_total{{worker="{worker["name"]}"}} {worker["restarts"]}'
    yield "# HELP memento_hook_events_total Events taken by POST /v1/events."
    yield "# TYPE memento_hook_events_total counter"
    yield f"memento_hook_events_total {requests.events}"
    yield "# HELP memento_http_requests_total Requests by the status of their answer."
    yield "# TYPE memento_http_requests_total counter"
    for status, count in sorted(requests.by_status.items()):
        yield f'memento_http_requests_total{{status="{status}"}} {count}'
    yield "# HELP memento_recall_seconds Time of the recalls asked for here."
    yield "# TYPE memento_recall_seconds histogram"
    below = 0
    for bound, count in zip((*BUCKETS, "+Inf"), requests.recalls, strict=True):
        below += count
        yield f'memento_recall_seconds_bucket{{le="{bound}"}} {below}'
    yield f"memento_recall_seconds_sum {requests.recall_seconds}"
    yield f"memento_recall_seconds_count {below}"
