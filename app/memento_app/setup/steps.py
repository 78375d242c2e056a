"""The steps of setup, in their order: model, wirings, history, service, and one recall of it.

A step that fails is told with its remedy and does not keep the next one from its work.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final, Literal, NamedTuple, Protocol

from memento.base import killpoints
from memento.base.counted import counted
from memento.config import Config
from memento.embedding import find_model
from memento.errors import MementoError, ModelError
from memento.memory import Recall
from memento.store import MemoryStore
from memento_app.setup.agents import Agent, choose, find_agents
from memento_app.setup.changes import Changes
from memento_app.setup.wirings import Service, Wiring, wirings_of
from memento_ingest.batch_ingest import Ingestion, Options
from memento_ingest.redacting import stored_path

EMBED_SECONDS: Final = 120.0
"""After which embedding is left to a sidecar, where one runs: what is left is found by words until then."""
QUESTION: Final = "what did we decide?"
_LOOKED_AT: Final = 200
"""Memories among which the project that was worked on most is looked for."""
_SHOWN: Final = 3

State = Literal["done", "already", "failed", "left"]


class Bar(Protocol):
    """How far a step is."""

    @property
    def advance(self) -> Callable[[int], None]:
        """Take note that this much more was done."""
        ...

    @property
    def total(self) -> Callable[[int], None]:
        """Say how much there is to do."""
        ...


class Voice(Protocol):
    """How setup speaks while it works."""

    def steps(self) -> AbstractContextManager[Callable[[int, int, str], None]]:
        """Lend what takes (done, total, what) of a download."""
        ...

    def bar(self, what: str, *, of_bytes: bool) -> AbstractContextManager[Bar]:
        """Show progress with an estimate of the time that is left."""
        ...


class Step(NamedTuple):
    """What a step would do, or did."""

    name: str
    state: State | Literal["planned"]
    text: str
    diff: str = ""


def plan(config: Config, agents: Sequence[Agent], known: frozenset[str]) -> Iterator[Step]:
    """Yield what each step would do; nothing is changed. `known` are the sources that were read before."""
    yield _model_plan(config)
    wirings = [one for agent in agents for one in wirings_of(agent)]
    for wiring in (*wirings, Service(config)):
        yield from _wiring_plan(wiring)
    files = [file for agent in agents for file in agent.files]
    new = sum(str(file.path) not in known for file in files)
    size = sum(agent.size for agent in agents)
    if files:
        what = f"read {counted(len(files), 'transcript')} ({size / 1e6:,.1f} MB), {new:,} of them for the first time"
        yield Step("history", "planned", what)
        yield Step("recall", "planned", "ask one question of that history")


def _model_plan(config: Config) -> Step:
    found = find_model(config.model_dir)
    if found is not None:
        return Step("model", "already", f"{found.model} is in {config.model_dir}")
    return Step("model", "planned", f"get the embedding model into {config.model_dir} (90 MB to download)")


def _wiring_plan(wiring: Wiring) -> Iterator[Step]:
    try:
        planned = wiring.plan()
    except MementoError as error:
        yield Step(wiring.name, "failed", str(error))
        return
    if planned.text:
        yield Step(wiring.name, "planned", planned.text, planned.diff)
    else:
        note = planned.note
        yield Step(wiring.name, "left" if note else "already", note or f"{wiring.name}: nothing is to be done")


class Setup:
    """One run of setup over the chosen agents."""

    def __init__(
        self, config: Config, agents: Sequence[Agent], changes: Changes, voice: Voice, *, are_all: bool = True
    ) -> None:
        self._config, self._agents, self._changes, self._voice = config, agents, changes, voice
        self._are_all = are_all
        self.answer: Recall | None = None

    def run(self) -> Iterator[Step]:
        """Do what is to be done, yielding each step when it has ended. Raises StoreError."""
        yield self._get_model()
        killpoints.reach("setup.model")
        for wiring in (one for agent in self._agents for one in wirings_of(agent)):
            yield self._wire(wiring)
            killpoints.reach("setup.wired")
        with MemoryStore(config=self._config) as store:
            yield self._read_history(store)
            killpoints.reach("setup.history")
        service = self._wire(Service(self._config))
        yield service
        killpoints.reach("setup.service")
        with MemoryStore(config=self._config) as store:
            yield self._embed(store, is_limited=service.state in ("done", "already"))
            killpoints.reach("setup.embedded")
            yield self._ask(store)

    def _get_model(self) -> Step:
        from memento.embedding.published_model import pull

        before = _model_plan(self._config)
        if before.state == "already":
            return before
        try:
            with self._voice.steps() as progress:
                files = pull(self._config.model_dir, progress=progress)
        except ModelError as error:
            return Step("model", "failed", f"{error}. Recall works by words until `memento model pull` has worked")
        return Step("model", "done", f"{files.model} is installed in {files.folder}")

    def _wire(self, wiring: Wiring) -> Step:
        (planned,) = _wiring_plan(wiring)
        if planned.state != "planned":
            return planned
        try:
            advice = self._changes.make(wiring)
        except MementoError as error:
            return Step(wiring.name, "failed", str(error))
        done = f"{wiring.name}: installed"
        return Step(wiring.name, "done", f"{done}. {advice}" if advice else done)

    def _read_history(self, store: MemoryStore) -> Step:
        names = {agent.name for agent in self._agents}
        files = [file for agent in self._agents for file in agent.files]
        with self._voice.bar("reading", of_bytes=True) as bar:
            run = Ingestion(store.policy, Options(), store, bar.advance)
            report = run.run_files(files, bar.total)
            seen = {file.path for file in files}
            met = [agent for agent in find_agents(store.projects()) if self._are_all or agent.name in names]
            if new := [file for agent in met for file in agent.files if file.path not in seen]:
                run.run_files(new)  # of agents that keep their history in the projects just met
        read = f"{report.seen:,} messages read, {report.stored:,} new ones kept"
        if report.problems:
            path, why = report.problems[0]
            return Step("history", "failed", f"{read}; {counted(len(report.problems), 'file')} not: {path}: {why}")
        return Step("history", "done" if report.sources else "already", read)

    def _embed(self, store: MemoryStore, *, is_limited: bool) -> Step:
        deadline = time.monotonic() + EMBED_SECONDS if is_limited else None
        try:
            with self._voice.bar("embedding", of_bytes=False) as bar:
                bar.total(store.to_embed())
                done = store.embed_pending(deadline, progress=bar.advance)
        except MementoError as error:
            return Step("embedding", "left", f"found by words only for now: {error}")
        left = store.to_embed()
        rest = f"; the service embeds the other {left:,}" if left and is_limited else ""
        return Step("embedding", "done" if done else "already", f"{counted(done, 'memory')} embedded{rest}")

    def _ask(self, store: MemoryStore) -> Step:
        if not store.get_recent(1):
            return Step("recall", "left", "there is no memory to recall yet")
        project = own_project(store)
        self.answer = store.recall(QUESTION, _SHOWN, min_score=0.0, project=project)
        return Step("recall", "done", f"{QUESTION} (in {project})" if project else QUESTION)


def own_project(store: MemoryStore) -> str:
    """Return the project that was worked on most lately; empty where memories name none."""
    projects = Counter(memory.project for memory in store.get_recent(_LOOKED_AT) if memory.project)
    return projects.most_common(1)[0][0] if projects else ""


def chosen_agents(config: Config, only: Sequence[str]) -> tuple[list[Agent], frozenset[str]]:
    """Return the agents of these names that are here, and the sources that were read before.

    No store is made where there is none. Raises UsageError, StoreError.
    """
    if not config.db_path.exists():
        return choose(find_agents(), only), frozenset()
    with MemoryStore(config=config) as store:
        agents = choose(find_agents(store.projects()), only)
        read = {one.path for one in store.progress()}
        files = [file.path for agent in agents for file in agent.files]
        return agents, frozenset(str(path) for path in files if stored_path(str(path), store.policy) in read)
