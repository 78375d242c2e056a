"""The way in for an agent's own loop: every message is offered, the policy decides, nothing offered is lost.

memory = AutoMemory(session_id="build-42")
memory.observe("We deploy on Thursdays only.", role="user")
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from memento.base import arguments
from memento.base.home import store_file
from memento.base.link_key import load_key
from memento.base.times import now_ms, to_ms
from memento.config import Config, load_config
from memento.errors import StoreError
from memento.memory import NewMemory
from memento.narrowing import When
from memento.storage.header import refuse_foreign_file
from memento.store import MemoryStore
from memento.writes import journal
from memento.writes.conversation import add_speaker, conversation_before
from memento.writes.new_memory import make_memory, require_role
from memento_policies import Decision, Message, load_policy
from memento_policies.before import OPENING, after


class Observation(NamedTuple):
    """What became of a message that was offered."""

    kept: bool
    """Whether the policy kept it, and its session or project is not ignored."""
    decision: Decision
    """Why, its text without secrets, tags and importance."""
    id: str
    """The memory's id; empty when it was skipped."""
    deferred: bool = False
    """True when the store could not be written and the memory waits in the journal."""


class AutoMemory:
    """Observes one agent session, from an agent's own loop; a context manager, closed by `close`.

    The store is opened by the first message that is kept, or that names who speaks. When it cannot be opened or
    written, kept messages go to the journal beside it, flushed to the disk, which the next store replays. `path` and
    `config` are MemoryStore's; `session_id`, `source` and `project` are written with every memory. Raises ConfigError
    and PolicyError, StoreError where another program's file stands.

    Thread safety: one session is one sequence of messages, so an instance belongs to one thread at a time. Several
    instances may share a file.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        session_id: str = "",
        source: str = "agent",
        project: str = "",
        config: Config | None = None,
    ) -> None:
        self.config = config or load_config()
        self.path = self.config.db_path if path is None else store_file(path)
        self._session, self._source, self._project = session_id, source, project
        refuse_foreign_file(self.path, may_be_damaged=True)  # no journal beside another program's file
        self._policy = load_policy(self.config.policy_dir, load_key(self.path.parent))
        self._store: MemoryStore | None = None
        self._before = OPENING
        self._speakers: set[str] = set()

    def observe(
        self,
        text: str,
        role: str = "user",
        *,
        timestamp: When | None = None,
        key: str = "",
        meta: Mapping[str, Any] | None = None,
    ) -> Observation:
        """Offer one message; return the decision and, if it was kept, the memory's id.

        `role` is `user`, `assistant`, `tool` or `system`; `timestamp` the event's own time, now unless given. `key` is
        the message's own id where it has one, so that a repeat is recognised; without it, the same text of the same
        role in one session is one memory. `meta` is what JSON can hold; a `speaker` in it marks people who talk to
        each other. It returns once the memory is on the disk; its embedding is made by the next recall.

        Raises UsageError for an unknown role, a time that cannot be read and meta that JSON cannot hold; StoreError
        only when store and journal both fail.
        """
        arguments.checked_text("text", text)
        facts = arguments.json_object("meta", meta or {})
        own_key = key or blake2b(f"{role}\0{text}".encode("utf-8", "replace"), digest_size=16).hexdigest()
        if speaker := str(facts.get("speaker") or ""):
            self._listen(speaker)
        message = Message(
            role=require_role(role),
            text=text,
            timestamp=now_ms() if timestamp is None else to_ms(timestamp),
            source=self._source,
            session_id=self._session,
            key=f"{self._session}\0{own_key}",
            project=self._project,
            meta=facts,
            before=self._before,
        )
        if speaker:
            self._before = after(self._before, text, speaker)
        decision = self._policy.decide(message)
        if not decision.keep:
            return Observation(False, decision, "")
        if self._is_ignored():
            return Observation(False, replace(decision, keep=False, reason="ignored"), "")
        memory = make_memory(message, decision, self._policy)
        return Observation(True, decision, memory.id, deferred=not self._write(memory))

    @property
    def store(self) -> MemoryStore:
        """The store, opened on first use. Raises StoreError."""
        if self._store is None:
            self._store = MemoryStore(self.path, config=self.config)
        return self._store

    def _is_ignored(self) -> bool:
        """Tell whether the user wants this session or project kept out."""
        with suppress(StoreError):
            return self.store.ignored().covers(self._session, self._project)
        return False  # the list cannot be read: the message waits in the journal

    def _listen(self, speaker: str) -> None:
        """Look up what somebody said before, when he speaks for the first time here."""
        if speaker in self._speakers:
            return
        with suppress(StoreError):  # then all he says is news, and more is kept
            if self._speakers:
                self._before = add_speaker(self.store.database, self._before, speaker)
            else:
                self._before = conversation_before(self.store.database, self._session, speaker)
        self._speakers.add(speaker)

    def _write(self, memory: NewMemory) -> bool:
        try:
            self.store.write(memory)
        except StoreError:
            journal.append(journal.journal_path(self.path), journal.Write(memory))
            return False
        return True

    def close(self) -> None:
        """Close the store; the next message that is kept opens it again."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
