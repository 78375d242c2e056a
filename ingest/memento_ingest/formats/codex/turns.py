"""Keys under which the mirrored forms of one Codex message converge.

A message may be written up to three times: as the item the model gets, as an event, as a completed item. A key is made
of the turn it belongs to, its role, its text, and which of the turn's equal messages *of its form* it is. A turn is
named by its id where the rollout states one, which copies into forks keep; else by the chain of the prompts before
it, which begins at the thread the rollout was forked from.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from memento_ingest.formats.shared.ids import digest, short_id
from memento_ingest.formats.shared.statement import State
from memento_ingest.formats.shared.thread import chain_key

Form = Literal["item", "event", "completed"]
"""Which of the three a record is: a `response_item`, an `event_msg` of its own, or an `item_completed`."""

_MAX_COUNTED: Final = 64


class CodexState(State):
    """The state of a rollout's parser."""

    turn: str = ""
    """The current turn's id, or what stands for it."""
    has_turn_id: bool = False
    replied: bool = False
    """Whether the assistant has said or done something since the last prompt."""
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    """How often each form of the turn's messages was met, by digest of role and text."""
    user_events: bool = False
    """Whether the file has prompts as events; then a user's item is never a prompt of its own."""
    completed_in: str = ""
    """The latest turn with a prompt as completed item; such a turn's events say nothing new."""
    expects_events: bool = False
    """Whether the version that wrote the file writes prompts as events."""
    branch: str = ""
    sidechain: bool = False
    known_calls: tuple[str, ...] = ()
    """Ids of the latest tool calls that are items."""

    def called(self, call_id: str) -> None:
        """Remember a tool call that is an item."""
        if call_id and not self.knows(call_id):
            self.known_calls = (*self.known_calls, short_id(call_id))[-_MAX_COUNTED:]

    def knows(self, call_id: str) -> bool:
        """Tell whether a tool call is an item; what came long ago is forgotten."""
        return short_id(call_id) in self.known_calls

    def enter(self, turn: object) -> None:
        """Go to the turn of this id."""
        if isinstance(turn, str) and turn:
            self._go(short_id(turn).replace("\0", ""), is_id=True)

    def asked(self, form: Form, text: str) -> str:
        """Return the key of a prompt."""
        if self.replied and not self.has_turn_id:
            self._go(chain_key(self.scope, "turn", text), is_id=False)
        self.replied = False
        self.user_events = self.user_events or form != "item"
        if form == "completed":
            self.completed_in = self.scope
        return self._key("user", text, self._count(form, "user", text))

    def is_repeated(self, form: Form) -> bool:
        """Tell whether a prompt of this form was said in a better one; of items that holds for the whole file."""
        if form == "item":
            return self.user_events
        return form == "event" and self.completed_in == self.scope != ""

    def said(self, form: Form, text: str, item_id: str) -> str:
        """Return the key of an answer, or an empty string where it repeats one that has an id.

        An item's id is its key, unless an event without id was there first.
        """
        self.replied = True
        seen = self._seen(form, "assistant", text)
        if form != "event":
            self._count(form, "assistant", text)
            is_named = item_id and self._seen("event", "assistant", text) <= seen
            return short_id(item_id) if is_named else self._key("assistant", text, seen)
        if max(self._seen("item", "assistant", text), self._seen("completed", "assistant", text)) > seen:
            return ""
        return self._key("assistant", text, self._count(form, "assistant", text))

    def rolled_back(self, turns: object) -> tuple[str, ...]:
        """Return the keys of the last `turns` turns and forget them."""
        if not isinstance(turns, int) or turns < 1:
            return ()
        names = list(dict.fromkeys(place for place, _ in self.recent))[-turns:]
        keys = tuple(key for place, key in self.recent if place in names)
        self.recent = tuple(entry for entry in self.recent if entry[0] not in names)
        return keys

    @property
    def place(self) -> str:
        """The current turn, shortened."""
        return digest(self.scope)

    @property
    def scope(self) -> str:
        """The current turn, or the thread before its first one."""
        return self.turn or self.chain

    def _go(self, turn: str, *, is_id: bool) -> None:
        if turn != self.turn:
            self.turn, self.counts = turn, {}
        self.has_turn_id = is_id

    def _key(self, role: str, text: str, number: int) -> str:
        return chain_key(self.scope, role, text) + (f"#{number}" if number else "")

    def _seen(self, form: Form, role: str, text: str) -> int:
        return self.counts.get(f"{form[0]}{digest(role + text)}", 0)

    def _count(self, form: Form, role: str, text: str) -> int:
        """Count a message and return how many equal ones of its form the turn had before it."""
        seen = self._seen(form, role, text)
        counts = {**self.counts, f"{form[0]}{digest(role + text)}": seen + 1}
        if len(counts) > _MAX_COUNTED:
            del counts[next(iter(counts))]
        self.counts = counts
        return seen
