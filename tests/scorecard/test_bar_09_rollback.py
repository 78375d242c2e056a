"""Bar 9: a damaged store goes back to its backup and forward again to all that was said and written."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from memento.backup import BackupDirectory, create
from memento.config import Config, load_config
from memento.restore.healing import heal
from memento.store import MemoryStore
from memento_ingest.batch_ingest import Ingestion, Options

if TYPE_CHECKING:
    from tests.scorecard.conftest import Bar, Prompts

PAGE = 4096


def test_corruptions_are_undone(bar: Bar, prompts: Prompts, tmp_path: Path) -> None:
    count = bar.count("MEMENTO_CORRUPTIONS", 6)
    slowest = 0.0
    healed = 0
    for number in range(count):
        home = tmp_path / str(number)
        home.mkdir()
        config = load_config({}, {"MEMENTO_HOME": str(home), "MEMENTO_MODEL_DIR": str(home / "no-model")})
        transcript = home / "t.jsonl"
        oracle = _live(bar, prompts, config, transcript)
        path = config.db_path
        _damage(bar, path)
        began = time.monotonic()
        healing = heal(path, config)
        with MemoryStore(config=config) as store:
            _ingest(store, transcript)
            slowest = max(slowest, time.monotonic() - began)
            found = {memory.text for memory in store.get_recent(10_000)}
            assert found == oracle, (number, len(found), len(oracle))
            restored = store.healing()
        assert heal(path, config) is None
        if restored and restored.aside:
            healed += 1
            assert Path(restored.aside).stat().st_size > 0
            assert not healing or healing.at <= restored.at
    assert healed > 0
    bar.holds(
        f"{count:,} corruptions, {healed:,} rolled back to a backup, all rows as the oracle: longest",
        slowest,
        30,
        "s",
        30,
    )


def _live(bar: Bar, prompts: Prompts, config: Config, transcript: Path) -> set[str]:
    """Write a transcript, ingest it, say things, back up now and then; return the texts that must be there."""
    oracle: set[str] = set()
    lines = 0
    with MemoryStore(config=config) as store:
        for turn in range(8):
            with transcript.open("ab") as file:
                for _ in range(bar.rng.randrange(5, 60)):
                    file.write(prompts.line(lines))
                    oracle.add(prompts.text(lines))
                    lines += 1
            _ingest(store, transcript)
            said = f"Said by hand in turn {turn}."
            kept = store.remember(said, embed=False)
            oracle.add(said)
            if turn in (1, 4):
                create(store.database, "hourly", BackupDirectory(store.path), retention_days=7)
            if turn == 6:
                store.delete(kept)
                oracle.discard(said)
    return oracle


def _ingest(store: MemoryStore, transcript: Path) -> None:
    run = Ingestion(store.policy, Options(), store)
    run.run([str(transcript)])
    assert not run.report.problems


def _damage(bar: Bar, path: Path) -> None:
    """Damage the file in one of five ways, and plant logs that belong to nothing."""
    content = bytearray(path.read_bytes())
    kind = bar.rng.choice(("header", "pages", "text", "tail", "noise"))
    if kind == "header":
        content[: bar.rng.randrange(16, 100)] = bytes(bar.rng.randrange(16, 100))
    elif kind == "pages":
        for _ in range(bar.rng.randrange(1, 6)):
            start = bar.rng.randrange(len(content) // PAGE) * PAGE
            content[start : start + PAGE] = bytes(PAGE)
    elif kind == "text":
        where = content.index(b"We decided on rule number")
        content[where + 3] ^= 1 << bar.rng.randrange(5)
    elif kind == "tail":
        del content[bar.rng.randrange(PAGE, len(content)) :]
    else:
        start = bar.rng.randrange(len(content) - 2 * PAGE)
        content[start : start + PAGE] = bar.rng.randbytes(PAGE)
    path.write_bytes(content)
    for suffix in ("-wal", "-shm", "-journal"):
        if bar.rng.random() < 0.5:
            Path(f"{path}{suffix}").write_bytes(bar.rng.randbytes(3 * PAGE))
