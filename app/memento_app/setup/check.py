"""`memento setup --check`: a marked prompt goes the whole way, from an agent's own hook command back out by recall.

The marked rows are forgotten at the end, and the sessions they are of are on the disk before they are made: what an
interrupted check left is removed by the next one.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from memento.base import durable
from memento.base.counted import counted
from memento.config import Config
from memento.errors import MementoError
from memento.forgetting import erasure
from memento.forgetting.spool import Spool
from memento.memory import Memory
from memento.store import MemoryStore
from memento_app.setup.agents import Agent
from memento_ingest.batch_ingest import Ingestion, Options
from memento_ingest.discovery import readable
from memento_ingest.events import spool as spooled
from memento_ingest.hooks.agents import HookedAgent
from memento_ingest.hooks.context import PROMPT_EVENTS
from memento_ingest.hooks.entries import installed
from memento_ingest.hooks.install import status
from memento_ingest.hooks.problems import NAME as HOOKS_LOG
from memento_ingest.hooks.settings_file import SettingsFile
from memento_ingest.redacting import stored_path
from memento_ingest.server import client
from memento_ingest.sidecar.lock import holder

HOOK_SECONDS: Final = 10.0
ROW_SECONDS: Final = 20.0
"""How long a running sidecar may take to bring the marked prompt into the store."""
RECALL_SECONDS: Final = 5.0
_PENDING: Final = "setup-check.json"
_PROMPTS: Final = (*sorted(PROMPT_EVENTS), "beforeSubmitPrompt")
"""The events that hand a prompt over, in every agent's spelling."""


@dataclass(frozen=True)
class Checked:
    """What became of one agent's marked prompt."""

    agent: str
    ok: bool
    stage: str
    """The last one that was tried: `hook`, `row`, `recall`, `removed`, or `transcripts` of an agent without hooks."""
    text: str
    remedy: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


class _Failed(Exception):
    def __init__(self, stage: str, text: str, remedy: str) -> None:
        super().__init__(text)
        self.stage, self.text, self.remedy = stage, text, remedy


@dataclass(frozen=True)
class _Mark:
    """A prompt that nobody else has written, and its session."""

    session: str
    words: tuple[str, ...]

    @property
    def prompt(self) -> str:
        """The prompt: made-up words throughout, so that forgetting it leaves nothing that other texts hold."""
        first, second, third, fourth, fifth, sixth = self.words
        return f"{first} {second}: we decided on {third} {fourth} for the check of {fifth} {sixth}"


def check(config: Config, agents: Sequence[Agent], spool: Spool) -> Iterator[Checked]:
    """Yield what became of each agent's marked prompt, once all are removed again. Raises StoreError."""
    with MemoryStore(config=config) as store:
        _remove(store, spool, _pending(config))
        marks = {agent.name: _mark() for agent in agents if agent.hooked}
        _note_pending(config, [mark.session for mark in marks.values()])
        try:
            found = [
                _checked(store, agent.hooked, marks[agent.name]) if agent.hooked else _transcripts(store, agent)
                for agent in agents
            ]
        finally:  # also after Ctrl-C
            left = _remove(store, spool, [mark.session for mark in marks.values()])
    for one in found:
        if one.ok and left and one.stage != "transcripts":
            yield Checked(one.agent, False, "removed", f"the check's own row is still in {left[0]}", "`memento doctor`")
        else:
            yield one


def _checked(store: MemoryStore, agent: HookedAgent, mark: _Mark) -> Checked:
    started = time.monotonic()
    try:
        _run_hook(agent, mark)
        memory = _stored(store, agent, mark)
        _recalled(store, memory)
    except _Failed as failure:
        return Checked(agent.name, False, failure.stage, failure.text, failure.remedy)
    by = "the sidecar" if holder(store.path) else "this command (no sidecar runs: `memento service install`)"
    text = f"hook, row and recall in {time.monotonic() - started:.1f} s; read by {by}; removed again"
    return Checked(agent.name, True, "removed", text)


def _run_hook(agent: HookedAgent, mark: _Mark) -> None:
    """Run the agent's own command for a prompt. Raises _Failed."""
    again = f"`memento hooks install {agent.name}`"
    try:
        state = status(agent)
        handlers = installed(SettingsFile(agent.file()).settings(), agent)
    except MementoError as error:
        raise _Failed("hook", str(error), again) from None
    event = next((name for name in _PROMPTS if name in handlers), "")
    if state.problems:
        raise _Failed("hook", state.problems[0].text, state.problems[0].remedy)
    if not event:
        raise _Failed("hook", f"{agent.file()} holds no hook for prompts", again)
    handler = handlers[event]
    if isinstance(arguments := handler.get("args"), list):
        command = [str(handler["command"]), *map(str, arguments)]
    else:
        command = ["/bin/sh", "-c", str(handler.get("command") or handler.get("bash"))]
    payload = _payload(agent, event, mark)
    try:
        done = subprocess.run(
            command, input=json.dumps(payload).encode(), capture_output=True, timeout=HOOK_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _Failed("hook", f"{' '.join(command)}: {error}", again) from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        text = f"{' '.join(command)} ended with {done.returncode}"
        raise _Failed("hook", f"{text}: {said[-1]}" if said else text, again)


def _payload(agent: HookedAgent, event: str, mark: _Mark) -> dict[str, Any]:
    """Return what the agent would hand over. Without a transcript, so that the hook's text is what is stored; without
    a folder, since forgetting takes the folder of a row for a project that is to be forgotten too.
    """
    session = "conversation_id" if agent.name == "cursor" else "session_id"
    return {"hook_event_name": event, "prompt": mark.prompt, session: mark.session}


def _stored(store: MemoryStore, agent: HookedAgent, mark: _Mark) -> Memory:
    """Return the row of the marked prompt, waiting for the sidecar where one runs. Raises _Failed."""
    until = time.monotonic() + ROW_SECONDS
    is_watched = holder(store.path) is not None
    if not is_watched:
        names = [str(path) for path in spooled.files(store.config.home)]
        Ingestion(store.policy, Options(), store).run(names)
    while not (rows := _rows(store, mark.session)):
        if not is_watched or time.monotonic() > until:
            raise _why_no_row(store.config, mark, is_watched=is_watched)
        time.sleep(0.1)
    return rows[0]


def _why_no_row(config: Config, mark: _Mark, *, is_watched: bool) -> _Failed:
    if _holds(spooled.files(config.home), mark):
        who = f"the sidecar did not read it within {ROW_SECONDS:.0f} s" if is_watched else "it could not be ingested"
        return _Failed("row", f"the hook kept the prompt, and {who}", "`memento status`, then `memento service logs`")
    log, text = config.home / HOOKS_LOG, "the hook ran, and nothing of it is in the spool"
    with suppress(OSError, IndexError):
        text += f"; its log says: {log.read_text('utf-8', 'replace').splitlines()[-1]}"
    return _Failed("hook", text, f"see {log}; the agent's MEMENTO_HOME must be {config.home}")


def _recalled(store: MemoryStore, memory: Memory) -> None:
    """Find the row by its words. Raises _Failed."""
    if holder(store.path):
        asked = {"plain": True, "min_score": 0.0}
        answer = client.recall(store.path, memory.text, 5, RECALL_SECONDS, asked)
        if answer is None:
            raise _Failed(
                "recall", "the sidecar does not answer", "`memento service status`, `memento service install`"
            )
    else:
        answer = store.recall(memory.text, 5, plain=True, min_score=0.0, deadline=RECALL_SECONDS)
    if memory.id not in {found.id for found in answer}:
        raise _Failed("recall", f"the row {memory.id[:8]} is stored, and recall does not find it", "`memento doctor`")


def _transcripts(store: MemoryStore, agent: Agent) -> Checked:
    """Check an agent without hooks: its transcripts are what is captured of it."""
    known = {one.path for one in store.progress()}
    read = sum(stored_path(readable(file.path), store.policy) in known for file in agent.files)
    text = f"{read:,} of {counted(len(agent.files), 'transcript')} read (this agent has no hooks)"
    remedy = "" if read == len(agent.files) else "`memento setup`, or `memento watch`, reads them"
    return Checked(agent.name, not remedy, "transcripts", text, remedy)


def _remove(store: MemoryStore, spool: Spool, sessions: Sequence[str]) -> list[str]:
    """Forget the rows of these sessions and what the spool holds of them; return where something is left."""
    rows = [row for session in sessions for row in _rows(store, session)]
    left: list[str] = []
    if rows:
        left = erasure.forget(store, rows, spool, sessions=sessions).left
    for path in spool.files() if sessions else ():
        with suppress(OSError):
            spool.scrub(path, _holds_any(sessions))
    if not left:
        (store.config.home / _PENDING).unlink(missing_ok=True)
    return left


def _rows(store: MemoryStore, session: str) -> list[Memory]:
    return store.get_recent(10, session=session)


def _holds(files: Sequence[Path], mark: _Mark) -> bool:
    with suppress(OSError):
        return any(mark.session.encode() in path.read_bytes() for path in files)
    return False


def _holds_any(sessions: Sequence[str]) -> Callable[[bytes], bool]:
    return lambda line: any(session.encode() in line for session in sessions)


def _mark() -> _Mark:
    rng = random.SystemRandom()
    consonants, vowels = "bdfgklmnprstv", "aeiou"
    words = ["".join(rng.choice(consonants) + rng.choice(vowels) for _ in range(5)) for _ in range(6)]
    return _Mark(str(uuid4()), tuple(words))


def _pending(config: Config) -> list[str]:
    try:
        found = json.loads((config.home / _PENDING).read_bytes())
    except (OSError, ValueError):
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _note_pending(config: Config, sessions: Sequence[str]) -> None:
    durable.replace(config.home / _PENDING, json.dumps(list(sessions)).encode())
