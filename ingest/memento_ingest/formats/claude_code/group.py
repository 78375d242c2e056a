"""An assistant message that is still open: its records follow one another, each with one block, some of them grown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from memento_ingest.formats.claude_code.state import State
from memento_ingest.span import Span
from memento_policies import Message


class Mark(NamedTuple):
    """A line that a later run may have to begin at, with the state before it."""

    line: int
    offset: int
    state: State


class Stretch(NamedTuple):
    """Bytes of the source."""

    offset: int
    length: int


class Group:
    """The text blocks of consecutive records with one message id, and the span of the first of them.

    `asides` are the other messages of that first record.
    """

    def __init__(
        self,
        message_id: str,
        key: str,
        mark: Mark,
        place: Stretch,
        header: Mapping[str, Any],
        asides: Sequence[Message] = (),
    ) -> None:
        self.message_id = message_id
        self.key = key
        self.mark = mark
        self._place = place
        self.blocks: list[str] = []
        self._header = header
        self._asides = asides

    def add(self, texts: list[str]) -> None:
        """Add text blocks; of two blocks of which one continues the other, the longer stays."""
        for text in texts:
            for number, block in enumerate(self.blocks):
                if text.startswith(block) or block.startswith(text):
                    self.blocks[number] = max(text, block, key=len)
                    break
            else:
                self.blocks.append(text)

    def span(self) -> Span:
        """Return the first record's span with the message as far as it was said."""
        message = Message(role="assistant", text="\n\n".join(self.blocks), key=self.key, **self._header)
        return Span(*self._place, messages=(message, *self._asides))
