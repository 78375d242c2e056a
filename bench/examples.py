"""Labelled messages to fit and measure the policy on: benchmark turns, and the labelled turns of coding sessions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from bench.datasets import Conversation, Turn

from memento_policies import Kind, Message, Role
from memento_policies.before import EARLIER, OPENING, Before, after, joined

LABELLED: Final = Path(__file__).resolve().parent.parent / "tests" / "policies" / "labelled"
SKIPPED_KINDS: Final = frozenset({"noise", "progress", "boilerplate", "ack", "interrupted"})
_MATTERS: Final = frozenset({"decision", "preference", "fact", "fix", "correction", "todo", "summary"})
_SPEAKERS: Final[dict[str, tuple[Role, Kind]]] = {
    "user": ("user", "turn"),
    "assistant": ("assistant", "turn"),
    "tool": ("tool", "turn"),
    "call": ("assistant", "tool_call"),
    "summary": ("system", "summary"),
}


class Labelled(NamedTuple):
    """A labelled turn of a coding session: its kind as in labelled/README.md."""

    kind: str
    message: Message
    session: str

    @property
    def keep(self) -> bool:
        """Whether it should be kept."""
        return self.kind not in SKIPPED_KINDS


def labelled(split: str) -> Iterator[Labelled]:
    """Yield the labelled turns of `dev` or `test`, session by session; a result after an error is marked as such."""
    for path in sorted(LABELLED.glob(f"{split}-*.txt")):
        is_red = False
        for number, line in enumerate(path.read_text("utf-8").splitlines()):
            label, _, text = line.partition(" |")
            kind, speaker = label.split()
            role, shape = _SPEAKERS[speaker]
            text = text.removeprefix(" ").replace("\\n", "\n").replace("\\t", "\t")
            meta = {"after_failure": True} if is_red and (kind, role) == ("result", "tool") else {}
            if role == "tool" and kind in ("error", "result"):
                is_red = kind == "error"
            yield Labelled(
                kind,
                Message(role, text, 0, "bench", path.stem, f"{path.stem}:{number}", kind=shape, meta=meta),
                path.stem,
            )


def of_sessions(turns: Iterable[Labelled]) -> Iterator[Example]:
    """Yield labelled turns as examples: 1 for what matters, 0.5 for what is kept beside it, 0 for what is skipped."""
    for kind, message, session in turns:
        yield Example(message, 1.0 if kind in _MATTERS else 0.0 if kind in SKIPPED_KINDS else 0.5, session)


class Example(NamedTuple):
    """A message as it would be judged, whether it matters, and the group it is left out with."""

    message: Message
    label: float
    group: str


def of_conversations(conversations: Iterable[Conversation]) -> Iterator[Example]:
    """Yield every turn in order, with what was said before it; turns that answer a question matter."""
    for conversation in conversations:
        gold = {turn for question in conversation.questions for turn in question.gold}
        earlier: defaultdict[str, list[str]] = defaultdict(list)
        for _, session in groupby(conversation.turns, key=lambda turn: turn.session):
            said, before, met = list(session), OPENING, set[str]()
            for turn in said:
                if turn.speaker not in met:
                    met.add(turn.speaker)
                    before = joined(before, earlier[turn.speaker][-EARLIER:])
                yield Example(_message(turn, before), float(turn.id in gold), conversation.name)
                before = after(before, turn.text, turn.speaker)
            for turn in said:
                earlier[turn.speaker].append(turn.text)


def _message(turn: Turn, before: Before) -> Message:
    role: Role = "assistant" if turn.role == "assistant" else "user"
    meta = {"speaker": turn.speaker}
    return Message(role, turn.text, turn.timestamp, "bench", turn.session, turn.id, meta=meta, before=before)
