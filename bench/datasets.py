"""Retrieval benchmarks as conversations with questions: LoCoMo, BEAM, LongMemEval, what is shaped like them, and
transcripts of coding agents with judged answers.

The files are given by path; none is part of this project.
"""

from __future__ import annotations

import json
import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

DEV: Final = frozenset({"conv-26", "conv-30", "conv-41"})
"""LoCoMo's conversations to tune on; the others are for measuring."""
_LOCOMO_TYPES: Final = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
_BEAM_ABSTENTION: Final = "abstention"
"""What BEAM calls a question that its chat does not answer."""
_LONGMEMEVAL_ABSTENTION: Final = "_abs"
"""How LongMemEval ends the id of a question that its sessions do not answer, although it names some."""
_BEAM_MARKER: Final = re.compile(r"\s*->->\s*[\d,\s]+$")


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a haystack."""

    id: str
    session: str
    role: str
    speaker: str
    text: str
    timestamp: int
    """Unix milliseconds; 0 = unknown."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the ids of the turns that answer it."""

    text: str
    kind: str
    gold: frozenset[str]
    gold_sessions: frozenset[str]
    at: int | None = None
    """When it is asked, Unix milliseconds, where the file says so."""
    turns_marked: bool = True
    """Whether the file marks turns. Where it marks sessions only, all turns of those are `gold`, and no figure at turn
    level means anything."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One haystack with its questions."""

    name: str
    turns: list[Turn]
    questions: list[Question] = field(default_factory=list)
    """Those that something in `turns` answers."""
    unanswerable: list[Question] = field(default_factory=list)
    """Those that nothing answers, without gold: what recall returns for them should score low."""


def benchmark(path: str) -> Path:
    """Return the path of a benchmark, for argparse."""
    found = Path(path).expanduser()
    if not found.exists():
        raise ArgumentTypeError(f"{path} is not there")
    return found


def load(path: Path) -> list[Conversation]:
    """Read a benchmark: a LoCoMo or LongMemEval file, or a folder of BEAM chats. Raises SystemExit for another."""
    if path.is_dir():
        folders = sorted(found.parent for found in path.rglob("probing_questions.json"))
        return [_read(str(folder), _beam, folder) for folder in folders]
    samples = _samples(path)
    for key, read in (("qa", _locomo), ("haystack_sessions", _longmemeval)):
        if samples and all(isinstance(one, dict) and key in one for one in samples):
            return [_read(f"{path}, entry {number}", read, one) for number, one in enumerate(samples, 1)]
    raise SystemExit(f"{path} is neither LoCoMo, nor LongMemEval, nor a folder of BEAM chats")


def coding(folder: Path, texts: Mapping[str, str]) -> Conversation:
    """Read the questions over a folder of transcripts; `texts` are the stored messages by id. Raises SystemExit.

    `questions.json` is an array of `{id, type, question, gold: [{grade, snippet, ...}]}`. A message answers where its
    text holds a snippet of grade 2, white space folded. An answer that was not stored stays gold, and cannot be found.
    """
    folded = {name: _folded(text) for name, text in texts.items()}

    def read(asked: list[dict[str, Any]]) -> Conversation:
        conversation = Conversation(folder.name, [])
        for one in asked:
            snippets = [_folded(gold["snippet"]) for gold in one["gold"] if gold["grade"] == 2]
            gold = {name for name, text in folded.items() if any(snippet in text for snippet in snippets)}
            question = Question(one["question"], one["type"], frozenset(gold or {"not stored"}), frozenset())
            if snippets:
                conversation.questions.append(question)
            elif one["type"] == "none":
                conversation.unanswerable.append(replace(question, gold=frozenset()))
        return conversation

    path = folder / "questions.json"
    return _read(str(path), read, _samples(path))


def _folded(text: str) -> str:
    return " ".join(text.split())


def _samples(path: Path) -> list[Any]:
    """Return what a file holds: a JSON array, one object, or an object on each line. Raises SystemExit."""
    try:
        text = path.read_text("utf-8")
        try:
            data = json.loads(text)
        except ValueError:
            data = [json.loads(line) for line in text.split("\n") if line.strip()]
    except OSError as error:
        raise SystemExit(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SystemExit(f"{path} is neither JSON nor JSON lines: {error}") from None
    return data if isinstance(data, list) else [data]


def _read(name: str, read: Callable[[Any], Conversation], sample: Any) -> Conversation:
    try:
        return read(sample)
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise SystemExit(f"{name} cannot be read: {type(error).__name__}: {error}") from None


def _locomo(sample: dict[str, Any]) -> Conversation:
    said = sample["conversation"]
    turns: list[Turn] = []
    for number in range(1, 1 + sum(1 for key in said if re.fullmatch(r"session_\d+", key))):
        session = f"session_{number}"
        when = _time(said.get(f"{session}_date_time", ""), "%I:%M %p on %d %B, %Y")
        for position, turn in enumerate(said.get(session, [])):
            text = turn["text"] + (f" [shares {turn['blip_caption']}]" if turn.get("blip_caption") else "")
            turns.append(Turn(turn["dia_id"], session, "user", turn["speaker"], text, _at(when, position)))
    session_of = {turn.id: turn.session for turn in turns}
    questions = []
    for asked in sample["qa"]:
        gold = {part for named in asked["evidence"] for part in re.split(r"[;\s]+", named) if part in session_of}
        if gold:
            kind = _LOCOMO_TYPES[asked["category"]]
            questions.append(_question(asked["question"], kind, gold, session_of))
    return Conversation(sample["sample_id"], turns, questions)


def _beam(folder: Path) -> Conversation:
    turns: list[Turn] = []
    for batch in json.loads((folder / "chat.json").read_text("utf-8")):
        when = 0
        for number, exchange in enumerate(batch["turns"]):
            for turn in exchange:
                when = _time(turn.get("time_anchor", ""), "%B-%d-%Y") or when
                text = _BEAM_MARKER.sub("", turn["content"])
                session = f"{batch['batch_number']}-{number}"
                turns.append(Turn(str(turn["id"]), session, turn["role"], "", text, _at(when, len(turns))))
    session_of = {turn.id: turn.session for turn in turns}
    conversation = Conversation(f"beam-{folder.name}", turns)
    for kind, asked in json.loads((folder / "probing_questions.json").read_text("utf-8")).items():
        for one in asked:
            gold = {name for name in _names(one.get("source_chat_ids")) if name in session_of}
            question = _question(one["question"], kind, gold, session_of)
            if gold:
                conversation.questions.append(replace(question, turns_marked=one.get("gold") != "session"))
            elif kind == _BEAM_ABSTENTION:
                conversation.unanswerable.append(question)
    return conversation


def _longmemeval(sample: dict[str, Any]) -> Conversation:
    """Read one question with its haystack. Without marked turns, all turns of the sessions that answer it are gold."""
    sessions = _parsed(sample["haystack_sessions"])
    names = sample.get("haystack_session_ids") or [f"session_{number}" for number in range(len(sessions))]
    dates = sample.get("haystack_dates") or []
    turns: list[Turn] = []
    marked: set[str] = set()
    for session, date, said in zip(names, [*dates, *[""] * (len(sessions) - len(dates))], sessions, strict=True):
        when = _day(date)
        for number, one in enumerate(_parsed(said)):
            turn = {"content": one} if isinstance(one, str) else one
            identity = f"{session}_{number}"
            text = turn["content"] or ""
            turns.append(Turn(identity, session, turn.get("role") or "user", "", text, _at(when, number)))
            if turn.get("has_answer"):
                marked.add(identity)
    session_of = {turn.id: turn.session for turn in turns}
    answers = frozenset(_names(sample.get("answer_session_ids"))).intersection(names)
    gold = frozenset(marked or {turn.id for turn in turns if turn.session in answers})
    found = answers or frozenset(session_of[name] for name in gold)
    at = _day(sample.get("question_date")) or None
    kind, name = str(sample.get("question_type") or "question"), str(sample.get("question_id", ""))
    if name.endswith(_LONGMEMEVAL_ABSTENTION):
        unanswerable = Question(sample["question"], kind, frozenset(), frozenset(), at)
        return Conversation(name, turns, unanswerable=[unanswerable])
    question = Question(sample["question"], kind, gold, found, at, turns_marked=bool(marked))
    return Conversation(name, turns, [question] if gold else [])


def _parsed(value: Any) -> list[Any]:
    """Return a list; where a file holds it as text, that is JSON, or one thing said."""
    if not isinstance(value, str):
        return list(value)
    try:
        parsed = json.loads(value)
    except ValueError:
        return [value]
    return parsed if isinstance(parsed, list) else [value]


def _question(text: str, kind: str, gold: set[str], session_of: dict[str, str]) -> Question:
    return Question(text, kind, frozenset(gold), frozenset(session_of[name] for name in gold))


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    for one in value if isinstance(value, list) else [] if value is None else [value]:
        if isinstance(one, list | dict):
            yield from _names(one)
        else:
            yield str(one)


def _at(when: int, position: int) -> int:
    """Return the time of a turn, a second after the one before it; 0 where its session's is unknown."""
    return when + 1000 * position if when else 0


def _day(text: Any) -> int:
    """Return the time that LongMemEval writes as `2023/05/20 (Sat) 02:21`; 0 for what is none."""
    return _time(re.sub(r"\s*\(\w+\)", "", str(text or "")), "%Y/%m/%d %H:%M")


def _time(text: str, form: str) -> int:
    try:
        return round(datetime.strptime(text.strip(), form).replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError:
        return 0
