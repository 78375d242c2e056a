"""`export FILE.jsonl` and `import`: a store moves, merges, and says what it could not read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3


@pytest.fixture
def other(memento: Cli, tmp_path: Path) -> Cli:
    """Another machine."""
    return type(memento)(tmp_path / "other", tmp_path / "no-model")


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_a_store_moves_whole_and_twice_is_once(memento: Cli, other: Cli, tmp_path: Path, suffix: str) -> None:
    memento("ingest", SAMPLES, "--no-embed")
    path = tmp_path / f"export{suffix}"
    memento("export", path, "--sources")
    assert path.stat().st_mode & 0o777 == 0o600
    first = other("import", path).json
    assert (first["stored"], first["complete"], first["unread"]) == (len(memento.rows()), True, 0)
    assert other.rows() == memento.rows()
    again = other("import", path).json
    assert (again["stored"], again["known"]) == (0, first["stored"])
    assert all(offset == accounted for offset, accounted in other.accounts())
    assert other("ingest", SAMPLES, "--no-embed").json["stored"] == 0


def test_two_stores_merge_and_what_either_forgot_stays_out(memento: Cli, other: Cli, tmp_path: Path) -> None:
    kept = memento("remember", "The pier is closed on Mondays.", "--json").json["id"]
    forgotten = memento("remember", "The spare key lies under the third stone.", "--json").json["id"]
    memento("ignore", "--session", "private")
    memento("export", tmp_path / "first.jsonl")
    other("import", tmp_path / "first.jsonl")
    other("remember", "The lamp is green.")
    other("forget", kept, "--yes")
    memento("forget", forgotten, "--yes")
    memento("export", tmp_path / "first.jsonl", "--force")
    other("export", tmp_path / "second.jsonl")
    other("import", tmp_path / "first.jsonl")
    left = memento("import", tmp_path / "second.jsonl")
    assert left.json["left_out"]["untrusted"] >= 1  # somebody else's file forgets nobody's own word
    assert "forgotten memories were left out" in left.err
    assert len(memento.rows()) == 2
    memento("import", tmp_path / "second.jsonl", "--keep-trust")
    assert [row[1] for row in memento.rows()] == [row[1] for row in other.rows()] == ["The lamp is green."]
    assert other("ignore", "--json").json["sessions"] == ["private"]


def test_damaged_lines_are_told_and_the_rest_comes_in(memento: Cli, other: Cli, tmp_path: Path) -> None:
    memento("ingest", SAMPLES, "--no-embed")
    path = tmp_path / "export.jsonl"
    memento("export", path)
    lines = path.read_text().splitlines()
    bad = [
        "not json",
        '{"memory": {"id": 5}}',
        '{"memory": ' + "[" * 100_000,
        '{"memory": {"id": "x", "timestamp": 1e99}}',
    ]
    path.write_text("\n".join([lines[0], *bad, *lines[1:-1]]) + "\n")
    done = other("import", path, code=4)
    assert (done.json["unread"], done.json["complete"]) == (4, False)
    assert "line 2" in done.err
    assert "was cut off" in done.err
    assert other.rows() == memento.rows()


def test_what_is_no_export_is_refused(memento: Cli, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    for content in (b"", b"{}\n", b"hello\n", b'{"memento": {"version": 99}}\n'):
        path.write_bytes(content)
        assert "is no export of this version" in memento("import", path, code=2).err
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(b'{"memento": {"version": 1}}\n')[:-12])
    assert "cannot read" in memento("import", tmp_path / "x.jsonl.gz", code=2).err
    assert "cannot read" in memento("import", tmp_path / "nothing.jsonl", code=2).err


def test_secrets_that_someone_put_in_are_redacted(memento: Cli, tmp_path: Path) -> None:
    memory = {"id": "ab" * 16, "text": f"The token is {TOKEN}.", "timestamp": 1, "source": "x"}
    records = [{"memento": {"version": 1}}, {"memory": memory}, {"end": {"memories": 1}}]
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    memento("import", path)
    assert TOKEN not in memento("recent").out
