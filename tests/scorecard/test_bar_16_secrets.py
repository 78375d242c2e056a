"""Bar 16: secrets of every shape, and lines that hold none, through real ingest and a real hook.

Afterwards the raw bytes of database, log, spool, journal and backups hold none of the secrets.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.policies.conftest import fill, shapes, templates_of

from memento_policies import Policy

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar, Sidecar

WORD = re.compile(r"[A-Za-z0-9+/_=.~-]{16,}")


def test_bar_16_secrets_stay_out_of_every_file(
    bar: Bar, sidecar: Sidecar, policy: Policy, eventually: Callable[..., float]
) -> None:
    each = bar.count("MEMENTO_SECRETS", 1)
    rng = random.Random(bar.seed)
    templates = shapes().values()
    planted = [fill(template, rng) for template in templates for _ in range(each)]
    benign = [fill(template, rng) for template in templates_of("benign_shapes.txt") for _ in range(max(5, 4 * each))]

    missed = [text for text in planted if not policy.redact(text).counts]
    alarms = [text for text in benign if policy.redact(text).counts]
    bar.measured(f"{len(planted):,} secrets of {len(templates)} shapes: {1 - len(missed) / len(planted):.2%} found")
    bar.measured(f"{len(benign):,} lines without a secret: {len(alarms) / len(benign):.2%} false alarms")
    assert len(missed) <= 0.005 * len(planted), missed[:20]
    assert len(alarms) <= 0.005 * len(benign), alarms[:20]

    found = [text for text in planted if text not in missed]
    transcript = b"".join(_record(number, text) for number, text in enumerate(found))
    (sidecar.folder / "secrets.jsonl").write_bytes(transcript + b'{"broken": "' + found[0].encode() + b"\n")
    for text in found[:: max(1, len(found) // 5)]:
        _hook(sidecar, text)
    sidecar.start()
    eventually(lambda: sidecar.database.exists() and sidecar.rows() >= len(found), 120)
    _command(sidecar, "backup")
    assert sidecar.stop() == 0

    held = {
        path: path.read_bytes() for path in sidecar.home.rglob("*") if path.is_file() and "models" not in path.parts
    }
    held[sidecar.log] = sidecar.log.read_bytes()
    leaked = [
        (path.name, word)
        for text in found
        for word in _words(text, policy)
        for path, data in held.items()
        if word.encode() in data
    ]
    assert not leaked, leaked[:20]
    bar.measured(f"{len(held)} files of the store, its backups and logs hold none of {len(found):,} secrets")


def _record(number: int, text: str) -> bytes:
    record = {
        "type": "user",
        "uuid": f"00000000-0000-4000-8000-{number:012d}",
        "parentUuid": None,
        "sessionId": "s",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "message": {"role": "user", "content": f"We decided to use this one, number {number}:\n{text}"},
    }
    return json.dumps(record).encode() + b"\n"


def _words(text: str, policy: Policy) -> set[str]:
    """Return the long words of a text that are gone when it is redacted: what no file may hold."""
    redacted = policy.redact(text).text
    return {word for word in WORD.findall(text) if word not in redacted}


def _hook(sidecar: Sidecar, text: str) -> None:
    payload = {"hook_event_name": "UserPromptSubmit", "session_id": "h", "cwd": "/w", "prompt": f"We decided: {text}"}
    _command(sidecar, "hook", payload=json.dumps(payload))


def _command(sidecar: Sidecar, *words: str, payload: str = "") -> None:
    from tests.scorecard.conftest import MEMENTO

    subprocess.run(
        [MEMENTO, *words], input=payload.encode(), env=sidecar.environment, check=True, capture_output=True, timeout=60
    )
