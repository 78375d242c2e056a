"""Labelled messages to fit and measure the policy on: benchmark turns, and the labelled turns of coding sessions."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

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
    "run": ("tool", "tool_call"),
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
            meta = {"after_failure": True} if is_red and kind == "result" and _SPEAKERS[speaker][0] == "tool" else {}
            if _SPEAKERS[speaker][0] == "tool" and kind in ("error", "result"):
                is_red = kind == "error"
            yield Labelled(kind, _message_of(path.stem, number, speaker, text, meta), path.stem)


def _message_of(session: str, number: int, speaker: str, text: str, meta: Mapping[str, Any]) -> Message:
    role, shape = _SPEAKERS[speaker]
    text = text.removeprefix(" ").replace("\\n", "\n").replace("\\t", "\t")
    return Message(role, text, 0, "bench", session, f"{session}:{number}", kind=shape, meta=meta)


def of_sessions(turns: Iterable[Labelled]) -> Iterator[Example]:
    """Yield labelled turns as examples: 1 for what matters, 0.5 for what is kept beside it, 0 for what is skipped."""
    for kind, message, session in turns:
        yield Example(message, 1.0 if kind in _MATTERS else 0.0 if kind in SKIPPED_KINDS else 0.5, session)


class Valued(NamedTuple):
    """A message with the value that a reader gave it, 0 to 3, and the tags: see docs/judgement.md."""

    value: int
    tags: frozenset[str] | None
    """None where the reader gave no tags."""
    message: Message
    session: str
    weight: float = 1.0
    """How many messages like it there are."""


def valued(name: str = "*") -> Iterator[Valued]:
    """Yield the valued messages, session by session."""
    for path in sorted(LABELLED.glob(f"valued-{name}.txt")):
        for number, line in enumerate(path.read_text("utf-8").splitlines()):
            label, _, text = line.partition(" |")
            value, tags, speaker = label.split()
            given = frozenset(tags.split("+")) - {"-"}
            yield Valued(int(value), given, _message_of(path.stem, number, speaker, text, {}), path.stem)


def judged(folder: Path) -> Iterator[Valued]:
    """Yield the messages of `judged.json` in a folder of transcripts, found by file, role and beginning."""
    from bench.transcripts import read_transcript

    found: dict[str, list[tuple[int, Message]]] = {}
    for row in json.loads((folder / "judged.json").read_text("utf-8")):
        file = row["file"]
        if file not in found:
            found[file] = list(read_transcript(folder / "transcripts" / file))
        same = [
            (abs(line - row["line"]), len(message.text), number)
            for number, (line, message) in enumerate(found[file])
            if message.role == row["role"] and " ".join(message.text.split()).startswith(row["snippet"])
        ]
        if same:
            message = found[file][min(same)[2]][1]
            yield Valued(row["value"], None, message, f"judged:{file}", row["weight"])


def of_valued(rows: Iterable[Valued]) -> Iterator[Example]:
    """Yield valued messages as examples: what a reader gave 2 or 3 matters."""
    for row in rows:
        yield Example(row.message, float(row.value >= 2), row.session)


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
