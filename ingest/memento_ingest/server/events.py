"""`POST /v1/events`: what hooks say over HTTP goes to the same spool as what `memento hook` takes."""

from __future__ import annotations

import time
from pathlib import Path

from memento import __version__
from memento_ingest.events import payload, spool
from memento_ingest.server.refusal import Refusal
from memento_policies.cached_redaction import load_redactor


def keep(body: bytes, many: bool, agent: str, home: Path) -> int:
    """Put the events of a body into the spool, redacted and on the disk; return how many.

    All of them or none. Raises Refusal for what is no event (400) and a spool that cannot be written (503), and
    PolicyError when there are no redaction rules.
    """
    try:
        found = list(payload.objects(body.decode("utf-8")))
    except UnicodeDecodeError as error:
        raise Refusal(400, f"byte {error.start} of the body is not UTF-8", "send UTF-8") from None
    if len(found) > payload.MAX_OBJECTS:
        raise Refusal(413, "too many events at once", f"send at most {payload.MAX_OBJECTS:,}")
    if not found or (len(found) > 1 and not many):
        raise Refusal(
            400, f"the body holds {len(found)} events", "send one object, or application/x-ndjson for several"
        )
    now = time.time_ns() // 1_000_000
    redactor = load_redactor(home / "policies", home / "cache" / "redaction.json", __version__).redactor
    lines = []
    for number, value in enumerate(found, 1):
        if not isinstance(value, dict):
            raise Refusal(400, f"event {number} is not a JSON object", "send one JSON object for each event")
        lines.append(payload.spool_line(payload.record(value, agent, now), redactor))
    try:
        spool.append(spool.folders(home), b"".join(lines))
    except OSError as error:
        raise Refusal(
            503, f"the spool cannot be written: {error.strerror}", "nothing was kept: send it again"
        ) from None
    return len(found)
