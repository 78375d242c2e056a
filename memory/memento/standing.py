"""The part of a MemoryStore that knows standing instructions: what the user said once about how to work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from memento.base import arguments
from memento.config import Config
from memento.errors import UsageError
from memento.memory import EVERYWHERE, INSTRUCTION, KNOWLEDGE, PINNED, REPLACES, STATED_TIME, Instruction, Memory
from memento.storage import curation, instructions as standing, rows
from memento.writes import journal

if TYPE_CHECKING:
    from memento.storage.database import Database
    from memento_policies import Policy
    from memento_policies.retention import Retention

_TERSE: Final = 24
"""An instruction of fewer characters is shown with the rest of its memory, if that is brief."""
_BRIEF: Final = 200
"""Most characters of a brief memory."""
_LOOKED_AT: Final = 500
"""Instructions that hold, of which those asked for are chosen."""


class StandingInstructions(ABC):
    """What holds, and how the user changes it."""

    config: Config
    _database: Database
    _retention: Retention | None = None

    @property
    @abstractmethod
    def policy(self) -> Policy:
        """The policy in force, loaded on first use. Raises PolicyError."""

    @abstractmethod
    def get(self, memory_id: str) -> Memory | None:
        """Return the memory with this id, or whose id alone begins with it."""

    def instructions(self, project: str | None = None, *, limit: int = 100, speaker: str = "") -> list[Instruction]:
        """Return the standing instructions that hold, pinned ones first, then by importance and recency.

        With `project`, the whole path of a folder or its last part, those that hold there: given there or in a folder
        above it, given in no project, or pinned for everywhere. What was given nearer to it supersedes what was given
        above. `speaker` asks for those of a person who is named in the transcripts.

        Left out are those that a newer one supersedes, what was forgotten or has faded, and whatever is not the user's
        own word: an assistant's, and what was imported from elsewhere. Raises UsageError for limit < 1 and an argument
        of another type, PolicyError for a policy file that cannot be used.
        """
        where = None if project is None else arguments.checked_text("project", project).rstrip("/")
        count, who = arguments.whole_number("limit", limit, 1), arguments.checked_text("speaker", speaker)
        with self._database.read() as connection:
            found = standing.current(connection, where, who, _LOOKED_AT)
            memories = rows.by_nums(connection, [one.num for one in found])
        held = [(memories[one.num], one) for one in found if one.num in memories]
        outdated = self._outdated([memory for memory, _ in held], where or "")
        current: dict[tuple[str, str], Instruction] = {}
        for memory, one in held:
            told = memory.project, " ".join(memory.text.lower().split())
            if memory.id not in outdated and told not in current and len(current) < count:
                current[told] = Instruction(memory, self._told(memory), bool(one.pinned), bool(one.everywhere))
        return list(current.values())

    def pin(self, memory_id: str, *, everywhere: bool = False) -> bool:
        """Pin a standing instruction, so that it comes before the others; `everywhere` makes it hold in all projects.

        Any memory of the user's own words becomes an instruction by it. `memory_id` is an id or an unambiguous
        beginning. Returns False when there is no such memory. Raises UsageError when several ids begin with it, and
        for a memory that is not the user's own word.
        """
        memory = self._own(memory_id)
        return memory is not None and self._pin(journal.Pin(memory.id, True, everywhere))

    def unpin(self, memory_id: str) -> bool:
        """Let a pinned instruction go: it is one as others are. Returns and raises what `pin` does."""
        memory = self._own(memory_id)
        return memory is not None and self._pin(journal.Pin(memory.id, pinned=False))

    def reword(self, memory_id: str, text: str) -> str | None:
        """Keep an instruction in new words of the user's own, in the place of the old ones; return its new id.

        It holds where the old one did, and is pinned if that was. Returns None when there is no such memory. Raises
        UsageError when several ids begin with it, for an empty text, for a memory that is not the user's own word, and
        for one that was replaced already.
        """
        from memento.writes.direct_message import direct_message
        from memento.writes.new_memory import explicit_memory

        old = self._own(memory_id)
        if old is None:
            return None
        if old.superseded_by:
            raise UsageError(f"{old.id[:8]} was replaced by {old.superseded_by[:8]}: change that one")
        meta = {REPLACES: old.id}
        said = direct_message(self._database, text, old.source, speaker=old.speaker, project=old.project, meta=meta)
        if said.text.split() == old.text.split():
            return old.id
        key = blake2b(f"{old.id}\0{said.text}".encode("utf-8", "replace"), digest_size=16).hexdigest()
        tags = (INSTRUCTION, *(mark for mark in (PINNED, EVERYWHERE) if mark in old.tags))
        # What is said to `memento` is the user's own, whatever file the old words were read from.
        message = replace(said, source="cli", key=key)
        new = explicit_memory(message, self.policy, importance=None, tags=tags, collection=KNOWLEDGE)
        journal.write(self._database, lambda _: [journal.Write(new, revive=True)])
        with self._database.write() as connection:  # consolidation would do the same
            curation.mark_superseded(connection, [(old.id, new.id)])
        return new.id

    def _own(self, memory_id: str) -> Memory | None:
        memory = self.get(memory_id)
        if memory and (memory.role, memory.kind, memory.trust) != ("user", "turn", "user"):
            whose = "imported" if memory.trust == "import" else f"what the {memory.role} said"
            remedy = f"say it yourself: `memento remember --tag {INSTRUCTION} TEXT`"
            raise UsageError(f"{memory.id[:8]} is {whose}, not your own word: {remedy}")
        return memory

    def _pin(self, entry: journal.Pin) -> bool:
        return bool(journal.write(self._database, lambda _: [entry])[0])

    def _told(self, memory: Memory) -> str:
        """Return the sentences of a memory that instruct; all of it where none does by itself, or they say too little.

        "No console logs! It should return an error." is one instruction.
        """
        told = " ".join(self.policy.sentences(memory.text, INSTRUCTION))
        return told if len(told) >= (_TERSE if len(memory.text) <= _BRIEF else 1) else memory.text

    def _outdated(self, memories: Sequence[Memory], where: str) -> set[str]:
        """Return the ids of those that a newer one of the same project supersedes, as consolidation will mark them.

        In a folder, one of a folder nearer to it counts as newer than one from above.
        """
        from memento_policies.instructions import instructions
        from memento_policies.known import Known
        from memento_policies.retention import load_retention

        if self._retention is None:
            self._retention = load_retention(self.config.policy_dir)
        alternatives = self._retention.alternatives
        known: defaultdict[str, Known] = defaultdict(lambda: Known(alternatives))
        outdated: set[str] = set()
        for memory in sorted(memories, key=lambda one: (len(one.project), one.timestamp, one.id)):
            is_above = bool(memory.project) and PurePath(where).is_relative_to(memory.project)
            holds_from = where if is_above else memory.project
            if STATED_TIME not in memory.meta:  # when it was said is not known
                for told in instructions(memory.text):
                    outdated.update(one.source for one in known[holds_from].hear(told, memory.id))
        return outdated
