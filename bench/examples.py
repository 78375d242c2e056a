"""Labelled messages to fit and measure the policy on: benchmark turns, and the labelled turns of coding sessions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bench.datasets import Conversation

from memento_policies import Message, Role
from memento_policies.before import OPENING, after


class Example(NamedTuple):
    """A message as it would be judged, whether it matters, and the group it is left out with."""

    message: Message
    label: float
    group: str


def of_conversations(conversations: Iterable[Conversation]) -> Iterator[Example]:
    """Yield every turn in order, with what was before it in its session; turns that answer a question matter."""
    for conversation in conversations:
        gold = {turn for question in conversation.questions for turn in question.gold}
        session, before = "", OPENING
        for turn in conversation.turns:
            if turn.session != session:
                session, before = turn.session, OPENING
            role: Role = "assistant" if turn.role == "assistant" else "user"
            message = Message(
                role,
                turn.text,
                turn.timestamp,
                "bench",
                turn.session,
                turn.id,
                meta={"speaker": turn.speaker},
                before=before,
            )
            yield Example(message, float(turn.id in gold), conversation.name)
            before = after(before, turn.text, turn.speaker)
