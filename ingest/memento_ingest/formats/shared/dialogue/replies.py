"""What the person says in the result of a tool call: answers, notes, approvals, and words with a refusal.

Only a tool that talks to the person, or a result that begins as the agent's own notice of a refusal does, is read so:
other output may hold the same sentences, which no person wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from memento_ingest.formats.shared.dialogue.answers import Answer, read_answers
from memento_ingest.formats.shared.dialogue.calls import Dialogue, Question, kind_by_name
from memento_ingest.formats.shared.dialogue.notices import refusal, words_of
from memento_ingest.formats.shared.excerpt import string
from memento_ingest.formats.shared.tool_text import cut
from memento_ingest.jsonl import decode
from memento_policies import Role

MAX_CONTEXT: Final = 300
"""Characters kept of what an answer or a refusal is about."""
_SHORT: Final = 3
"""Words; so short an answer says nothing without its question."""
_APPROVED: Final = re.compile(
    r"\A\W*(?:(?:the )?user (?:has )?(?:approved|accepted)|(?:the )?plan (?:was |has been )?(?:approved|accepted)"
    r"|approved)\b",
    re.IGNORECASE,
)
_APPROVED_TEXT: Final = re.compile(r"^#+ Approved Plan[^\n]*\n(.*)\Z", re.DOTALL | re.MULTILINE)
_COMMENT: Final = re.compile(
    r"\b(?:user feedback|(?:feedback|comments?|changes|edits|notes)(?: from the user)?)[^\n:]{0,60}:\s*(.*)\Z",
    re.DOTALL | re.IGNORECASE,
)
APPROVED: Final = "Approved plan:"


class Words(NamedTuple):
    """What someone says in a call or its result."""

    role: Role
    text: str
    suffix: str
    """What tells its key from the call's."""
    meta: Mapping[str, Any] = {}


class Reply(NamedTuple):
    """A tool call's result: what the person says in it, and what is left of it as the tool's own."""

    words: Sequence[Words]
    output: str


def asked(dialogue: Dialogue | None) -> list[Words]:
    """Return what a call says by itself; a plan waits for the verdict on it."""
    if dialogue is None or dialogue.kind == "plan" or not dialogue.text:
        return []
    return [Words("assistant", dialogue.text, "#asked")]


def read_reply(
    tool: str,
    dialogue: Dialogue | None,
    output: str,
    *,
    is_error: bool = False,
    details: object = None,
    given: str = "",
    has_arguments: bool = True,
    feedback: str = "",
) -> Reply:
    """Read the result of a call of `tool`.

    `dialogue` is what `read_call` found, `given` the telling part of the call's arguments, and `has_arguments` whether
    they are known at all. `details` is the structured form of the result and `feedback` the person's words on it, where
    the transcript has such fields.
    """
    kind = dialogue.kind if dialogue else None if has_arguments else kind_by_name(tool)
    if is_error or feedback:
        said = feedback or refusal(output)
        if said is not None:
            return _refused(tool, dialogue, output, said, given)
    if kind == "plan":
        return _judged(tool, dialogue, output, details, is_error=is_error)
    if kind == "question" and not is_error:
        questions = dialogue.questions if dialogue else ()
        answers = read_answers(questions, output, details)
        if answers is not None:
            return Reply([*_answered(answers)], "")
    return Reply((), output)


def _answered(answers: Sequence[Answer]) -> Iterator[Words]:
    is_one = len(answers) == 1
    for number, (question, text) in enumerate(answers):
        suffix = f"#answer{number}" if number else "#answer"
        yield Words("user", answer_text(question, text, is_one=is_one), suffix, about(question))


def answer_text(question: Question, text: str, *, is_one: bool = True) -> str:
    """Return an answer as it is kept: with its question quoted above it where it says nothing without."""
    labels = set(question.options.values())
    chosen = text.partition("\n")[0]
    is_choice = chosen in labels or labels.issuperset(chosen.split(", "))
    if not question.text or not (is_choice or len(text.split()) <= _SHORT or not is_one):
        return text
    quoted = "\n".join(f"> {line}".rstrip() for line in cut(question.text, MAX_CONTEXT).split("\n"))
    return f"{quoted}\n\n{text}"


def about(question: Question) -> Mapping[str, Any]:
    """Return what is noted beside an answer: its question."""
    return {"question": cut(question.text, MAX_CONTEXT) or True}


def _refused(tool: str, dialogue: Dialogue | None, output: str, said: str, given: str) -> Reply:
    """Read a refusal with words; one of a question may carry the answers given so far."""
    words = _proposed(dialogue)
    answers = read_answers(dialogue.questions if dialogue else (), said, None, is_partial=True)
    rest = output.replace(said, "").strip()
    if answers is not None:
        return Reply([*words, *_answered(answers)], rest)
    if text := words_of(said):
        words.append(Words("user", text, "#feedback", _refused_call(tool, "" if dialogue else given)))
    return Reply(words, rest)


def refused(tool: str, said: str, given: str = "") -> Reply:
    """Return a result that is nothing but what the person said on refusing the call."""
    text = words_of(said)
    return Reply([Words("user", text, "#feedback", _refused_call(tool, given))] if text else (), "" if text else said)


def _proposed(dialogue: Dialogue | None) -> list[Words]:
    """Return the plan of a call that was not approved, as the assistant's."""
    is_plan = dialogue is not None and dialogue.kind == "plan"
    return [Words("assistant", dialogue.text, "#asked")] if dialogue and is_plan and dialogue.text else []


def _judged(tool: str, dialogue: Dialogue | None, output: str, details: object, *, is_error: bool) -> Reply:
    """Read the verdict on a plan."""
    verdict = _mapping(details) or _mapping(output)
    said = words_of(string(verdict.get("feedback")))
    approved = verdict.get("approved")
    if not isinstance(approved, bool):
        approved = not is_error and _APPROVED.match(output) is not None
    if not said:
        said = words_of((_comment(output) if approved else refusal(output)) or "")
    if not approved:
        feedback = [Words("user", said, "#feedback", _refused_call(tool))] if said else []
        return Reply([*_proposed(dialogue), *feedback], output.replace(said, "").strip() if said else output)
    meta = {"approved_plan": True}
    feedback = [Words("user", said, "#feedback", meta)] if said else []
    stated = _APPROVED_TEXT.search(output)
    plan = (stated[1].strip() if stated else "") or string(verdict.get("plan")).strip()
    plan = plan or (dialogue.text if dialogue else "")
    if not plan:
        return Reply(feedback, output)
    return Reply([Words("user", f"{APPROVED}\n\n{plan}", "#plan", meta), *feedback], "")


def _refused_call(tool: str, given: str = "") -> Mapping[str, Any]:
    return {"refused": cut(f"{tool}: {given}" if given else tool, MAX_CONTEXT) or True}


def _comment(output: str) -> str | None:
    first = _APPROVED_TEXT.split(output)[0]
    found = _COMMENT.search(first)
    return found[1] if found else None


def _mapping(value: object) -> Mapping[str, Any]:
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        value, _ = decode(value.encode("utf-8", "replace"))
    return value if isinstance(value, Mapping) else {}
