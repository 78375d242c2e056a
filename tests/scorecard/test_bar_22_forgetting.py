"""Bar 22: what was forgotten is in no byte of any file of the store, and no way in brings it back.

Each round plants one session of words that occur nowhere else, in every place that keeps something of a session,
forgets it, and searches the raw bytes of every file, backups unpacked, for each of the words. Then it tries every way
back in, and searches again after each.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memento.backup import Backup, BackupDirectory, create
from memento.backup.archive import read_database, read_manifest
from memento.base.identity import memory_id
from memento.config import Config, load_config
from memento.forgetting.erasure import forget
from memento.forgetting.receipt import ForgetReceipt
from memento.forgetting.selection import select
from memento.forgetting.spool import Spool
from memento.memory import NewMemory
from memento.restore.rollback import roll_back
from memento.storage.capture import Batch
from memento.store import MemoryStore
from memento.transfer.exporter import export
from memento.transfer.importer import merge
from memento.writes import journal
from memento_ingest.batch_ingest import Ingestion, Options
from memento_ingest.events import spool as hook_spool

if TYPE_CHECKING:
    import random

    from tests.scorecard.conftest import Bar

SYLLABLES = "ba de fi go hu ka le mi no pu ra se ti vo wu xa ye zi".split()
PLACES = ("text", "note", "title", "tag", "speaker", "folder", "meta", "broken", "spooled", "early", "tool")


class World:
    """One store with a session that is to be forgotten, beside others that stay."""

    def __init__(self, home: Path, rng: random.Random) -> None:
        self.home, self.rng = home, rng
        self.config: Config = load_config({}, {"MEMENTO_HOME": str(home / "memento")})
        self.words = {place: "".join(rng.choices(SYLLABLES, k=7)) for place in PLACES}
        self.session = f"{rng.getrandbits(128):032x}"
        self.project = f"/srv/{self.words['folder']}"
        self.transcript = home / "transcripts" / "one.jsonl"
        self.other = home / "transcripts" / "two.jsonl"
        self.transcript.parent.mkdir(parents=True)

    def open(self) -> MemoryStore:
        return MemoryStore(config=self.config)

    def read(self, store: MemoryStore, *paths: Path) -> None:
        Ingestion(store.policy, Options(), store).run([str(path) for path in paths])

    def spool(self) -> Spool:
        return Spool(lambda: hook_spool.files(self.config.home), hook_spool.scrub)

    def plant(self) -> None:
        """Fill the store, its journal, its spool, its backups, and an export beside it."""
        self.other.write_text("".join(self.record(n, f"We decided on rule {n} of the pier.", "x") for n in range(40)))
        with self.open() as store:
            self.read(store, self.other)
            self.transcript.write_text(self.lines(3))
            self.read(store, self.transcript)
            growing = NewMemory(memory_id("t", self.session), f"{self.words['early']} " * 400, 5, "t", self.session)
            store.commit(Batch(None, [growing]))
            self.back_up(store)
            self.transcript.write_text(self.lines(9))
            self.read(store, self.transcript)
            store.remember(
                f"Keep in mind that the {self.words['note']} is under the stone.", tags=[self.words["tag"]],
                speaker=self.words["speaker"], session_id=self.session, project=self.project,
                meta={"seen": {"by": [self.words["meta"]]}}, embed=False,
            )  # fmt: skip
            store.commit(Batch(None, [replace(growing, text="It was nothing of that kind at all. " * 200)]))
            self.back_up(store)
            export(store, self.home / "before.jsonl.zst")
            shutil.copy(BackupDirectory(store.path).all()[-1].path, self.home / "elsewhere.db.zst")
        self.say_to_spool(f"We decided on the {self.words['spooled']} together.")

    def lines(self, count: int) -> str:
        """Return the transcript: messages that repeat the words, a title, a tool call, and a line that is broken."""
        words = self.words
        title = {"type": "custom-title", "customTitle": f"The {words['title']}", "sessionId": self.session}
        said = [
            self.record(100, f"We decided that the {words['text']} goes ahead, whatever it costs us.", self.session),
            json.dumps(title) + "\n",
            self.record(101, f"I want you to remember the {words['text']} plan; never mention it.", self.session),
        ]
        said += [f'{{"type":"user","uuid":"x","message":{{"role":"user","content":"the {words["broken"]} \n']
        said += [self.record(110 + n, f"Step {n}: we chose the {words['text']} again.", self.session) for n in range(3)]
        said += [self.record(120, f"{words['tool']}: we decided to call it so.", self.session, sidechain=True)]
        return "".join(said[:count])

    def record(self, number: int, text: str, session: str, *, sidechain: bool = False) -> str:
        mine = session == self.session
        record: dict[str, Any] = {
            "type": "user",
            "uuid": f"{self.session[:8] if mine else '00000000'}-0000-4000-8000-{number:012d}",
            "sessionId": session,
            "timestamp": f"2026-01-01T00:00:{number % 60:02d}.000Z",
            "cwd": self.project if mine else "/srv/harbour",
            "isSidechain": sidechain,
            "message": {"role": "user", "content": text},
        }
        return json.dumps(record) + "\n"

    def say_to_spool(self, *only_there: str) -> None:
        """Spool what was said, as the hook does: what the transcript holds too, and what is only there."""
        facts = {"v": 1, "agent": "codex", "event": "UserPromptSubmit", "session_id": self.session, "cwd": self.project}
        said = (f"We decided that the {self.words['text']} goes ahead, whatever it costs us.", *only_there)
        lines = [
            json.dumps({**facts, "id": str(n), "received": time.time_ns() // 10**6, "prompt": text}) + "\n"
            for n, text in enumerate(said)
        ]
        hook_spool.append(hook_spool.folders(self.config.home)[:1], "".join(lines).encode())

    def back_up(self, store: MemoryStore) -> None:
        create(store.database, "hourly", BackupDirectory(store.path), retention_days=7)

    def forget(self) -> ForgetReceipt:
        """Forget the session in one of the ways there are."""
        with self.open() as store:
            way = self.rng.choice(("session", "project", "ids", "session"))
            if way == "session":
                return forget(store, select(store, session=self.session), self.spool(), sessions=[self.session])
            if way == "ids":
                ids = [memory.id for memory in select(store, session=self.session)]
                return forget(store, select(store, ids), self.spool(), sessions=[self.session])
            chosen = [*select(store, project=self.project), *select(store, session=self.session)]
            once = list({memory.id: memory for memory in chosen}.values())
            return forget(store, once, self.spool(), sessions=[self.session])

    def found(self) -> list[str]:
        """Return the words that a file of the store holds, and the file."""
        return [
            f"{place} in {name}"
            for name, content in self.contents()
            for place, word in self.words.items()
            if word.encode() in content.lower()
        ]

    def contents(self) -> Iterator[tuple[str, bytes]]:
        for path in sorted(self.config.home.rglob("*")):
            if path.is_file():
                yield path.name, path.read_bytes()
                if path.name.endswith(".db.zst"):
                    yield f"{path.name} unpacked", b"".join(read_database(path))


def ways_back(world: World) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield every way in by which what was forgotten could come back."""
    config = world.config

    def in_store(do: Callable[[MemoryStore], object]) -> Callable[[], None]:
        def run() -> None:
            with world.open() as store:
                do(store)

        return run

    def restored(backup: Backup) -> Callable[[], None]:
        def run() -> None:
            roll_back(config.db_path, "", [backup], take_over=False)
            with world.open() as store:
                world.read(store, world.transcript, world.other)

        return run

    def touched(store: MemoryStore) -> None:
        world.transcript.write_text(world.lines(9) + world.record(1, "We decided to go on.", "x"))
        world.read(store, world.transcript)

    def copied(store: MemoryStore) -> None:
        copy = world.home / "transcripts" / "copy.jsonl"
        shutil.copy(world.transcript, copy)
        world.read(store, copy)

    def titled(store: MemoryStore) -> None:
        again = {"type": "ai-title", "aiTitle": f"On the {world.words['title']}", "sessionId": world.session}
        with world.transcript.open("a") as file:
            file.write(json.dumps(again) + "\n")
        world.read(store, world.transcript)

    def hooked(store: MemoryStore) -> None:
        world.say_to_spool()
        for path in hook_spool.files(config.home):
            world.read(store, path)
            path.unlink()

    yield "re-read", in_store(touched)
    yield "a copy", in_store(copied)
    yield "the title once more", in_store(titled)
    yield "an import", in_store(lambda store: merge(store, world.home / "before.jsonl.zst"))
    yield "an older backup", restored(BackupDirectory(config.db_path).all()[-1])
    elsewhere = world.home / "elsewhere.db.zst"
    yield "a backup from elsewhere", restored(Backup(elsewhere, read_manifest(elsewhere)))
    yield "the journal", in_store(lambda store: journal.replay(store.database))
    yield "the hook's spool", in_store(hooked)


def test_nothing_is_left_and_nothing_comes_back(bar: Bar, tmp_path: Path) -> None:
    rounds, tried = bar.count("MEMENTO_FORGET_ROUNDS", 2), 0
    for number in range(rounds):
        world = World(tmp_path / str(number), bar.rng)
        world.plant()
        planted = {place.partition(" ")[0] for place in world.found()}
        assert planted == {*PLACES}, "each word must be somewhere before it is forgotten"
        receipt = world.forget()
        assert receipt.left == []
        assert world.found() == []
        for way, back in ways_back(world):
            back()
            assert world.found() == [], way
            tried += 1
        with world.open() as store:
            assert store.stats().memories >= 40
            export(store, world.home / "memento" / "after.jsonl")
        assert world.found() == []
        shutil.rmtree(world.home)
    bar.measured(f"{rounds} sessions of {len(PLACES)} words forgotten, {tried} ways back in: no byte of them")
