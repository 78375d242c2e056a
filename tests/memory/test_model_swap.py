"""Another embedding model: the old one answers until the new one is complete, and then at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from memento.config import Config, load_config
from memento.embedding import find_model
from memento.embedding.user_model import install
from memento.health import INTEGRITY_CHECKS, CheckContext, run_checks
from memento.store import MemoryStore

MakeFolder = Callable[..., Path]
MEMORIES = 150
"""Three batches."""


@pytest.fixture(scope="module")
def models(sentence_folder: MakeFolder, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models of other weights and other dimensions, installed."""
    folder = tmp_path_factory.mktemp("models")
    made = {name: sentence_folder(folder / "made" / name, dimensions=size) for name, size in (("old", 48), ("new", 32))}
    return {name: install(source, folder).folder for name, source in made.items()}


def settings(model: Path) -> Config:
    return load_config({"embedding.model_dir": str(model)})


def text(number: int) -> str:
    return f"Note {number}: the meeting about topic {number * 7} moved."


@pytest.fixture
def store(tmp_path: Path, models: dict[str, Path]) -> Iterator[MemoryStore]:
    """A store whose memories the old model has embedded, opened with the new one configured."""
    path = tmp_path / "store.db"
    with MemoryStore(path, config=settings(models["old"])) as old:
        for number in range(MEMORIES):
            old.remember(text(number), embed=False)
        assert old.embed_pending() == MEMORIES
    with MemoryStore(path, config=settings(models["new"])) as opened:
        yield opened


class Stopped(Exception):
    pass


def stop(_embedded: int) -> None:
    raise Stopped


def finds(store: MemoryStore, number: int) -> None:
    """Expect a memory to be found by meaning."""
    best = store.recall(text(number), k=1)[0]
    assert best.text == text(number)
    assert best.dense == pytest.approx(1, abs=0.02)


def sound(store: MemoryStore) -> None:
    found = run_checks(CheckContext(store.database, store.config), INTEGRITY_CHECKS)
    assert [finding for finding in found if finding.level != "ok"] == []


def stamp(model: Path) -> str:
    files = find_model(model)
    assert files
    return files.model


def test_the_old_model_answers_until_the_new_one_is_complete(store: MemoryStore, models: dict[str, Path]) -> None:
    old, new = stamp(models["old"]), stamp(models["new"])
    assert store.models() == (old, new, {old: MEMORIES}, 0, MEMORIES)
    assert store.to_embed() == MEMORIES
    with pytest.raises(Stopped):
        store.embed_pending(progress=stop)
    assert store.models() == (old, new, {old: MEMORIES}, 64, MEMORIES - 64)
    for number in (0, MEMORIES - 1):
        finds(store, number)
        assert not store.recall(text(number)).notes
    late = store.remember("Something new is found while that goes on.")
    assert store.recall("Something new is found while that goes on.", k=1)[0].id == late
    assert store.models().answering == old
    store.embed_pending()
    assert store.models() == (new, "", {new: MEMORIES + 1}, 0, 0)
    finds(store, 3)
    assert store.recall("Something new is found while that goes on.", k=1)[0].id == late
    assert store.index_status().dimensions == 32
    assert store.embed_pending() == 0
    sound(store)


def test_what_changes_meanwhile_is_right_in_the_end(store: MemoryStore, models: dict[str, Path]) -> None:
    with pytest.raises(Stopped):
        store.embed_pending(progress=stop)
    newest = store.recall(text(MEMORIES - 1), k=1)[0].id
    second = store.recall(text(MEMORIES - 2), k=1)[0].id
    assert store.delete(newest)
    with store.database.write() as connection:
        connection.execute("UPDATE memories SET text = 'Changed since' WHERE id = ?", (second,))
    assert store.models().ready == 62
    store.embed_pending()
    new = stamp(models["new"])
    assert store.models().embedded == {new: MEMORIES - 1}
    with store.database.read() as connection:
        blob = connection.execute("SELECT embedding FROM memories WHERE id = ?", (second,)).get
    expected = store._semantic._models.embedder(new).embed(["Changed since"])[0]
    np.testing.assert_allclose(np.frombuffer(blob, np.float32), expected[0], atol=1e-6)


def test_a_model_that_is_gone_leaves_words_and_the_finished_part(
    tmp_path: Path, store: MemoryStore, models: dict[str, Path]
) -> None:
    finds(store, 1)
    shutil.copytree(models["old"], tmp_path / "kept")
    shutil.rmtree(models["old"])
    try:
        assert store.models().answering == stamp(models["new"])
        with pytest.raises(Stopped):
            store.embed_pending(progress=stop)
        finds(store, MEMORIES - 1)
        found = store.recall(text(0), k=1, deadline=5)
        assert found[0].text == text(0)
        store.embed_pending()
        finds(store, 0)
        sound(store)
    finally:
        shutil.copytree(tmp_path / "kept", models["old"])


def test_what_was_ready_counts_when_the_old_model_goes(store: MemoryStore, models: dict[str, Path]) -> None:
    with pytest.raises(Stopped):
        store.embed_pending(progress=stop)
    with store.database.write() as connection:
        connection.execute("DELETE FROM meta WHERE key LIKE 'model:%'")
    with MemoryStore(store.path, config=store.config) as again:
        seen: list[int] = []
        assert again.embed_pending(progress=seen.append) == MEMORIES - 64
        assert again.models().embedded == {stamp(models["new"]): MEMORIES}
        sound(again)


def test_a_third_model_begins_anew(
    store: MemoryStore, models: dict[str, Path], sentence_folder: MakeFolder, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        store.embed_pending(progress=stop)
    third = install(sentence_folder(tmp_path / "third", dimensions=40), tmp_path / "models").folder
    store.take_up(settings(third))
    assert store.models()[3:] == (0, MEMORIES)
    store.embed_pending()
    assert store.models() == (stamp(third), "", {stamp(third): MEMORIES}, 0, 0)
    finds(store, 5)


def test_a_process_with_the_old_settings_goes_along(store: MemoryStore, models: dict[str, Path]) -> None:
    with MemoryStore(store.path, config=settings(models["old"])) as watching:
        finds(watching, 1)
        store.embed_pending()
        finds(watching, 2)
        watching.remember("Written by the process that began with the old model.")
        assert watching.embed_pending() == 0
        assert watching.models() == (stamp(models["new"]), "", {stamp(models["new"]): MEMORIES + 1}, 0, 0)
        # asked to, it goes back
        watching.take_up(settings(models["old"]))
        watching.embed_pending()
        assert watching.models().embedded == {stamp(models["old"]): MEMORIES + 1}
        finds(watching, 3)


def test_recall_alone_never_begins_a_swap(store: MemoryStore, models: dict[str, Path]) -> None:
    for number in range(5):
        finds(store, number)
    assert store.models().ready == 0


SWAP = """
import sys
from pathlib import Path
from memento.config import load_config
from memento.store import MemoryStore

path, model = sys.argv[1:]
with MemoryStore(path, config=load_config({"embedding.model_dir": model})) as store:
    store.embed_pending()
"""


@pytest.mark.parametrize(
    ("place", "finished"),
    [
        ("commit.before:2", False),  # the first is of the model's folder, three are of batches
        ("commit.after:3", False),
        ("model.switched", False),
        ("commit.before:5", False),
        ("commit.after:5", True),
    ],
)
def test_a_kill_leaves_one_model_complete(
    store: MemoryStore, models: dict[str, Path], place: str, finished: bool
) -> None:
    old, new = stamp(models["old"]), stamp(models["new"])
    command = [sys.executable, "-c", SWAP, str(store.path), str(models["new"])]
    killed = subprocess.run(command, env={**os.environ, "MEMENTO_KILL_AT": place}, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert store.models().embedded == {new if finished else old: MEMORIES}
    for number in (0, 70, MEMORIES - 1):
        finds(store, number)
    sound(store)
    subprocess.run(command, check=True, timeout=60)
    assert store.models().embedded == {new: MEMORIES}
    finds(store, 70)
    sound(store)
