"""The stores that `bench/eval_all.py` asks: one for each haystack, filled once and kept by its content.

A store is made again where its turns or transcripts, the model, the schema, the policy or the formats differ from those
it was made with; weights and whatever else only reading needs do not count.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

from bench.datasets import Conversation, coding, load
from bench.eval import fill

import memento_ingest
import memento_policies
from memento.config import load_config
from memento.embedding import Embedder, load_embedder
from memento.memory import Memory
from memento.storage import rows, schema
from memento.store import MemoryStore
from memento_ingest.batch_ingest import Ingestion, Options

SETTINGS: Final = {"cache.table_size": 0, "recall.min_score": 0.0}
"""A store does not keep the vectors of questions: a second run is to be as slow as the first. No result is left out for
its score: the table counts what each floor would do."""


@dataclass(frozen=True, slots=True)
class Haystack:
    """What one store is filled with, and what it is asked."""

    name: str
    content: bytes
    """What it is made of, for telling whether a kept store is the same."""
    fill: Callable[[MemoryStore], None]
    read: Callable[[MemoryStore], Conversation]
    """Return the conversation, its questions and their gold; called once the store is full."""


def haystacks(path: Path) -> Iterator[Haystack]:
    """Yield what a development set holds: a folder of transcripts with questions, or what `load` reads."""
    if (path / "transcripts").is_dir():
        yield _transcripts(path)
        return
    for conversation in load(path):
        yield _turns(conversation)


def _turns(conversation: Conversation) -> Haystack:
    content = json.dumps([astuple(turn) for turn in conversation.turns]).encode()
    return Haystack(conversation.name, content, lambda store: fill(store, conversation), lambda _: conversation)


def _transcripts(folder: Path) -> Haystack:
    def ingest(store: MemoryStore) -> None:
        Ingestion(store.policy, Options(), store).run([str(folder / "transcripts")])
        store.embed_pending()

    def read(store: MemoryStore) -> Conversation:
        with store.database.read() as connection:
            return coding(folder, {memory.id: memory.text for memory in rows.all_memories(connection)})

    return Haystack(folder.name, _digest(folder / "transcripts") + _digest(*memento_ingest.__path__), ingest, read)


@cache
def _digest(*folders: str | Path) -> bytes:
    """Return a hash over the names and contents of the files in some folders."""
    made = blake2b(digest_size=16)
    for folder in map(Path, folders):
        for path in sorted(found for found in folder.rglob("*") if found.is_file() and found.suffix != ".pyc"):
            made.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
            made.update(path.read_bytes())
    return made.digest()


def name_of(memory: Memory) -> str:
    """Return what a question's gold calls a memory: the id of its turn, its own where it came from a transcript."""
    return str(memory.meta.get("turn", memory.id))


def one_thread_embedder() -> Embedder:
    """Load the installed model as the settings have it, to be used on one thread."""
    config = load_config()
    wanted = config.settings.embedding.precision
    return load_embedder(config.model_dir, precision=wanted, threads=1, rust=config.settings.rust)


@contextmanager
def filled(haystack: Haystack, folder: Path, embedder: Embedder) -> Iterator[MemoryStore]:
    """Open the haystack's store in `folder`; it is filled and embedded where it is not there."""
    made_with = f"{embedder.model}\0{max(schema.KNOWN)}\0".encode() + _digest(*memento_policies.__path__)
    place = folder / blake2b(made_with + haystack.content, digest_size=12).hexdigest()
    config = load_config(SETTINGS)
    if not place.exists():
        unfinished = place.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        with MemoryStore(unfinished / "m.db", config=config, embedder=embedder) as store:
            haystack.fill(store)
        unfinished.rename(place)
    with MemoryStore(place / "m.db", config=config, embedder=embedder) as store:
        yield store
