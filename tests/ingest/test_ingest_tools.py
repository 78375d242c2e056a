"""Tool records in view of those before them: repeats are counted once, green runs matter after red ones only."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hypothesis import HealthCheck, given, settings, strategies as st

from memento.base.identity import row_hash
from memento.storage.rows import HASHED

if TYPE_CHECKING:
    from tests.ingest.conftest import Ingest, Stores

FEW: Final = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
RED: Final = "FAILED tests/test_quay.py::test_crane - AssertionError: assert 2 == 3\n1 failed, 4 passed in 0.31s"
GREEN: Final = "5 passed in 0.28s"
CHECK: Final = "> biome check .\nChecked 12 files in 5ms. No fixes applied."


def transcript(*runs: tuple[str, str, bool], start: int = 0) -> bytes:
    """Return a Claude Code transcript in which Bash runs these commands with these outputs."""
    lines: list[bytes] = []
    for number, (command, output, is_error) in enumerate(runs, start):
        use = {"type": "tool_use", "id": f"toolu_{number}", "name": "Bash", "input": {"command": command}}
        result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": output, "is_error": is_error}
        for role, content in (("assistant", use), ("user", result)):
            record: dict[str, Any] = {
                "type": role,
                "uuid": f"{role}-{number}",
                "sessionId": "s",
                "timestamp": f"2026-03-01T10:{number // 60:02}:{number % 60:02}.000Z",
                "message": {"role": role, "content": [content]},
            }
            lines.append(json.dumps(record).encode() + b"\n")
    return b"".join(lines)


def kept(ingest: Ingest) -> list[tuple[str, int]]:
    """Return the call of every row and how often it was said again."""
    found = ingest.query("SELECT text, coalesce(meta ->> 'repeated', 0) FROM memories ORDER BY timestamp")
    return [(str(text).partition("\n")[0], int(count)) for text, count in found]


SESSION: Final = (
    ("pytest", GREEN, False),
    ("pytest -x", RED, True),
    ("cd /app && pytest", RED.replace("0.31", "1.72"), True),
    ("git status", 'On branch main\n  (use "git push" to publish your local commits)', False),
    ("pytest", GREEN, False),
    ("git push origin main", "To github.com:o/r.git\n   1f2e3d4..5a6b7c8  main -> main", False),
    ("pytest", GREEN, False),
    ("git push origin main", "To github.com:o/r.git\n   5a6b7c8..9d8e7f6  main -> main", False),
    ("git push origin main", "To github.com:o/r.git\n   9d8e7f6..0a1b2c3  main -> main", False),
    ("git push origin v2", "To github.com:o/r.git\n * [new tag] v2 -> v2", False),
)
KEPT: Final = [
    ("Bash: pytest -x", 1),
    ("Bash: pytest", 0),
    ("Bash: git push origin main", 2),
    ("Bash: git push origin v2", 0),
]


def test_repeats_are_counted_with_the_first(stores: Stores, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(transcript(*SESSION))
    ingest = stores.new()
    report = ingest.whole(path)
    assert kept(ingest) == KEPT
    assert report.skipped["repeated"] == 3
    assert ingest.query("SELECT messages FROM ledger WHERE reason = 'repeated'").fetchall() == [(3,)]


@FEW
@given(cuts=st.lists(st.floats(0, 1, exclude_max=True), max_size=5))
def test_any_split_keeps_and_counts_the_same(stores: Stores, tmp_path: Path, cuts: list[float]) -> None:
    data, path, ingest = transcript(*SESSION), tmp_path / "s.jsonl", stores.new()
    path.write_bytes(b"")
    for start, end in pairwise([0, *sorted({int(cut * len(data)) for cut in cuts} - {0}), len(data)]):
        with path.open("ab") as file:
            file.write(data[start:end])
        ingest.run(path)
    once = stores.new()
    once.whole(path)
    assert ingest.rows() == once.rows()
    assert ingest.ledger() == once.ledger()
    assert kept(ingest) == KEPT


def test_reading_again_or_a_copy_counts_nothing_twice(stores: Stores, tmp_path: Path) -> None:
    first, copy = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    for path in (first, copy):
        path.write_bytes(transcript(*SESSION))
    ingest = stores.new()
    ingest.run(first)
    before = ingest.rows()
    ingest.run(copy)
    first.write_bytes(b"{}\n" + transcript(*SESSION))  # another beginning: read from there again
    ingest.run(first)
    assert ingest.rows() == before


def test_a_forgotten_row_takes_what_repeated_it_along(stores: Stores, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(transcript(*SESSION))
    ingest = stores.new()
    ingest.run(path)
    (pushed,) = ingest.query("SELECT id FROM memories WHERE text LIKE '%push origin main%'")
    assert ingest.store.delete(str(pushed[0]))
    with path.open("ab") as file:
        file.write(transcript(SESSION[5], start=len(SESSION)))
    ingest.run(path)
    path.write_bytes(b"{}\n" + path.read_bytes())
    ingest.run(path)
    assert not [one for one in ingest.texts() if "push origin main" in one]


def test_the_count_survives_a_row_that_grows(stores: Stores, tmp_path: Path) -> None:
    path, longer = tmp_path / "s.jsonl", tmp_path / "longer.jsonl"
    path.write_bytes(transcript(*SESSION))
    grown = (*SESSION[:5], ("git push origin main", SESSION[5][1] + "\n   (and more of it)", False))
    longer.write_bytes(transcript(*grown))
    ingest = stores.new()
    ingest.run(path)
    ingest.run(longer)
    assert KEPT[2] in kept(ingest)
    assert any("and more of it" in text for text in ingest.texts())
    for *columns, stated in ingest.query(f"SELECT {', '.join(HASHED)}, content_hash FROM memories"):
        assert row_hash(columns) == stated


def test_a_commit_is_stored_without_what_its_hooks_print(stores: Stores, tmp_path: Path) -> None:
    path, done = tmp_path / "s.jsonl", "[main 1f2e3d4] Add the crane\n 2 files changed"
    path.write_bytes(transcript(("git commit -m 'Add the crane'", f"{CHECK}\n{done}", False)))
    ingest = stores.new()
    ingest.whole(path)
    assert ingest.texts() == [f"Bash: git commit -m 'Add the crane'\n→ {done}"]


def test_the_state_stays_small_in_a_long_session(stores: Stores, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(transcript(*((f"git push origin branch-{n}", "Everything up-to-date", False) for n in range(200))))
    ingest = stores.new()
    ingest.whole(path)
    (state,) = ingest.query("SELECT state -> '-tools' FROM sources")
    assert len(state[0]) < 16_000
