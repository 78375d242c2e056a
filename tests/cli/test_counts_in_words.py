"""Counts in words: one of a thing is not several."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memento.base.counted import counted

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (1, ("memory",), "1 memory"),
        (0, ("memory",), "0 memories"),
        (2, ("entry",), "2 entries"),
        (1_000, ("byte",), "1,000 bytes"),
        (2, ("day",), "2 days"),
        (1, ("row is", "rows are"), "1 row is"),
        (3, ("row is", "rows are"), "3 rows are"),
    ],
)
def test_one_and_several(number: int, words: tuple[str, ...], said: str) -> None:
    assert counted(number, *words) == said


def test_a_store_with_one_of_each(memento_with_model: Cli, tmp_path: Path) -> None:
    memento = memento_with_model
    log = tmp_path / "one.jsonl"
    log.write_text('{"role": "user", "content": "We decided: the harbour is closed on Mondays."}\n{"role": \n')
    ran = [memento("ingest", log, "--table", "--no-embed", "--format", "generic-jsonl")]
    commands = (
        "stats --table", "quarantine --table", "model status --table", "index status --table", "index rebuild",
        "recall harbour --table --deadline 9", "model embed", "consolidate --table", "audit --table", "scrub --table",
        "policy diff --table", "backup", "jobs run cache checkpoint hourly-backup", f"export {tmp_path}/x.jsonl",
        "forget --query harbour --yes --all-matching --table",
    )  # fmt: skip
    ran += [memento(*command.split()) for command in commands]
    for one in ran:
        assert not re.search(r"(?<![\d.,:])1 (?!was |is )[a-z]+s\b", one.out + one.err), one
