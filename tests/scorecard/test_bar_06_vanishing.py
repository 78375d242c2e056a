"""Bar 6: ingested transcripts are deleted, blanked, copied by a fork or compressed: no row is lost or doubled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import zstandard

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar, Prompts, Sidecar

LINES = 3


def rollout(number: int, texts: list[str]) -> bytes:
    """Return a rollout of Codex with these prompts."""
    head = {"type": "session_meta", "payload": {"id": str(UUID(int=number)), "cwd": "/w", "cli_version": "0.140.0"}}
    said = [{"type": "event_msg", "payload": {"type": "user_message", "message": text}} for text in texts]
    return b"".join(json.dumps(record).encode() + b"\n" for record in (head, *said))


def delete(path: Path) -> None:
    path.unlink()


def blank(path: Path) -> None:
    path.write_bytes(b"")


def fork(path: Path) -> None:
    """Copy the conversation into a new session, as a resumed session begins: same records, another session id."""
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    copied = [{**record, "sessionId": f"fork-of-{path.stem}"} for record in records]
    forked = path.with_name(f"fork-{path.name}")
    forked.write_bytes(b"".join(json.dumps(record).encode() + b"\n" for record in copied))


def compress(path: Path) -> None:
    """Replace a rollout by its compressed form."""
    packed = path.with_name(path.name + ".zst")
    packed.write_bytes(zstandard.ZstdCompressor().compress(path.read_bytes()))
    path.unlink()


def test_no_row_is_lost_or_doubled(
    bar: Bar, sidecar: Sidecar, prompts: Prompts, eventually: Callable[..., float]
) -> None:
    count = bar.count("MEMENTO_VANISHING_FILES", 60)
    happenings: list[Callable[[Path], None]] = [delete, blank, fork, compress]
    plan: list[tuple[Path, Callable[[Path], None]]] = []
    for number in range(count):
        numbers = range(number * LINES, (number + 1) * LINES)
        happens = happenings[number % len(happenings)]
        if happens is compress:
            path = sidecar.folder / f"rollout-2026-09-01T10-12-16-{UUID(int=number)}.jsonl"
            path.write_bytes(rollout(number, [prompts.text(one) for one in numbers]))
        else:
            path = sidecar.folder / f"{number}.jsonl"
            path.write_bytes(b"".join(prompts.line(one, f"session-{number}") for one in numbers))
        plan.append((path, happens))
    wanted = prompts.texts(count * LINES)
    sidecar.start()
    eventually(lambda: sidecar.rows() >= len(wanted), 60 + count / 10)
    assert sidecar.texts() == wanted
    bar.rng.shuffle(plan)
    for path, happens in plan:
        happens(path)
    (sidecar.folder / "last.jsonl").write_bytes(prompts.line(count * LINES))  # seen after all that came before
    wanted = prompts.texts(count * LINES + 1)
    copies = sum(happens in (fork, compress) for _, happens in plan)
    files = count + copies + 1
    eventually(lambda: sidecar.query("SELECT count(*) FROM sources")[0][0] == files, 60 + count / 10)
    eventually(lambda: sidecar.rows() >= len(wanted), 30)
    assert sidecar.texts() == wanted
    sidecar.stop()
    with (sidecar.folder / "last.jsonl").open("ab") as file:
        file.write(prompts.line(count * LINES + 1))
    sidecar.start()  # which looks at everything again, what changed last at last
    eventually(lambda: sidecar.rows() > len(wanted), 60 + count / 10)
    assert sidecar.stop() == 0
    assert sidecar.texts() == prompts.texts(count * LINES + 2)
    bar.measured(f"{count:,} transcripts of {count * LINES:,} rows: 0 lost, 0 doubled")
