"""What the assistant says to the person in the arguments of a tool call: a question, a plan, a final answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from memento_ingest.formats.shared.excerpt import string
from memento_ingest.jsonl import decode

Kind = Literal["question", "plan", "answer"]

# Names without case and punctuation: `AskUserQuestion` and `ask_user_question` are one tool of several agents.
_QUESTIONS: Final = frozenset(
    "askuserquestion askuserquestions askuser askusers askfollowupquestion askquestion askquestions ask question "
    "questions questionnaire requestuserinput requestuserinputasync userinput getuserinput askuserinput "
    "askuserinputv0 vscodeaskquestions".split()
)
_PLANS: Final = frozenset("exitplanmode exitplanmodev2 planexit exitspecmode createplan submitplan approveplan".split())
_ANSWERS: Final = frozenset(
    "attemptcompletion planmoderespond planmoderesponse actmoderespond newtask condense summarizetask taskcomplete "
    "sendusermessage submitandexit".split()
)
# Names that other tools have as well (`ask_question` of a documentation server): only with nothing but these arguments.
_AMBIGUOUS: Final = frozenset({"ask", "askquestion", "askquestions", "question", "questions", "userinput"})
_OF_QUESTIONS: Final = frozenset(
    "question questions prompt message header title options choices follow_up followUp multiSelect multiple multi "
    "allow_multiple allowMultiple allow_freeform allowFreeform allowCustom custom description context type placeholder "
    "id name label required metadata answers annotations runAsync timeout recommended task_progress".split()
)
_WORDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "question": ("question", "prompt", "message", "text"),
    "plan": ("plan", "planContent", "plan_content", "overview", "summary"),
    "answer": ("result", "response", "summary", "message", "context"),
}
_LISTED: Final = ("questions", "fields")
_CHOICES: Final = ("options", "choices", "follow_up", "followUp", "suggestions")
_LABELS: Final = ("label", "text", "title", "name", "value", "answer")


class Question(NamedTuple):
    """One question that a call asks."""

    text: str
    names: tuple[str, ...] = ()
    """The id and the header by which a result may refer to it."""
    options: Mapping[str, str] = {}
    """The label of each option that is offered, by its id or by itself."""
    offered: tuple[str, ...] = ()
    """The options as the person is shown them."""
    is_secret: bool = False
    """The person is told that the answer is not shown, so it is not kept either."""


class Dialogue(NamedTuple):
    """A tool call that says something to the person."""

    kind: Kind
    text: str
    """The assistant's words."""
    questions: tuple[Question, ...] = ()


def kind_of(tool: str) -> Kind | None:
    """Return what a tool of this name says to the person; None for any other tool."""
    name = _plain(tool)
    if name in _QUESTIONS:
        return "question"
    if name in _PLANS:
        return "plan"
    return "answer" if name in _ANSWERS else None


def read_call(tool: str, arguments: object) -> Dialogue | None:
    """Return what a tool call says to the person; None for a call outside of their conversation.

    `arguments` is a decoded JSON value or the text of one.
    """
    kind = kind_of(tool)
    if kind is None:
        return None
    given = _decoded(arguments)
    if not isinstance(given, Mapping):
        return Dialogue(kind, "")
    if kind != "question":
        return Dialogue(kind, _first(given, _WORDS[kind]))
    if _plain(tool) in _AMBIGUOUS and not _OF_QUESTIONS.issuperset(given):
        return None
    questions = tuple(_questions(given))
    text = "\n\n".join(filter(None, (_asked(question) for question in questions)))
    return Dialogue(kind, text, questions)


def kind_by_name(tool: str) -> Kind | None:
    """Return the kind of a call whose arguments are not known; None where other tools have the same name."""
    return None if _plain(tool) in _AMBIGUOUS else kind_of(tool)


def _plain(tool: str) -> str:
    return "".join(character for character in tool.lower() if character.isalnum())


def _questions(given: Mapping[str, Any]) -> Iterator[Question]:
    listed = next((found for name in _LISTED if isinstance(found := _decoded(given.get(name)), list)), None)
    for one in [given] if listed is None else listed:
        if isinstance(one, str) and one.strip():
            yield Question(one.strip())
        elif isinstance(one, Mapping) and (text := _first(one, _WORDS["question"])):
            names = tuple(filter(None, (string(one.get(name)).strip() for name in ("id", "name", "header", "label"))))
            is_secret = one.get("isSecret") is True or one.get("is_secret") is True
            options = [*_options(one)]
            offered = tuple(f"{label}: {meant}" if meant else label for _, label, meant in options)
            yield Question(text, names, {own_id: label for own_id, label, _ in options}, offered, is_secret)


def _options(question: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the id, the label and the description of each option."""
    found = next((value for name in _CHOICES if isinstance(value := _decoded(question.get(name)), list)), [])
    for option in found:
        if isinstance(option, str) and option.strip():
            yield option.strip(), option.strip(), ""
        elif isinstance(option, Mapping) and (label := _first(option, _LABELS)):
            yield string(option.get("id")).strip() or label, label, string(option.get("description")).strip()


def _asked(question: Question) -> str:
    return "\n".join([question.text, *(f"- {option}" for option in question.offered)])


def _first(given: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((text for name in names if (text := string(given.get(name)).strip())), "")


def _decoded(value: object) -> object:
    """Return a value that some models write as the text of JSON as what it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        found, defect = decode(value.encode("utf-8", "replace"))
        return value if defect else found
    return value
