"""Cline: session files of today, task histories of before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from memento_ingest.formats.cline.conversation import Cline
from memento_ingest.formats.registry import detect
from memento_ingest.span import SourceInfo, Span

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

FORMAT = Cline()
MODERN = "cline/session_berths.messages.json"
LEGACY = "cline/api_conversation_history.json"
HISTORY = "api_conversation_history.json"
PATH = f"/home/u/saoudrizwan.claude-dev/tasks/1767225600000/{HISTORY}"


def read_history(reading: Reading, *messages: object, path: str = PATH) -> list[Span]:
    data = json.dumps(list(messages)).encode()
    spans: list[Span] = []

    class Stream:
        def __init__(self) -> None:
            self.left = data

        def read(self, size: int = -1) -> bytes:
            chunk, self.left = self.left[:7], self.left[7:]
            return chunk

    spans = list(FORMAT.read(Stream(), SourceInfo(HISTORY, path, 7)))  # type: ignore[arg-type]
    reading.check_tiling(spans, len(data))
    for message in reading.messages(spans):
        reading.check_message(message)
    return spans


def user(*texts: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text} for text in texts], **more}


def assistant(*content: Any, **more: Any) -> dict[str, Any]:
    blocks = [{"type": "text", "text": block} if isinstance(block, str) else block for block in content]
    return {"role": "assistant", "content": blocks, **more}


def reasons(spans: list[Span]) -> list[str]:
    return [span.skipped for span in spans if span.skipped]


def test_the_sample_of_a_session_gives_exactly_its_messages(reading: Reading) -> None:
    spans = reading.spans(FORMAT, reading.fixture(MODERN), "session_berths.messages.json")
    assert [(m.role, m.text, m.key, m.session_id, m.timestamp) for m in reading.messages(spans)] == [
        ("user", "Count the berths", "session_berths/msg_user_1", "session_berths", 1767225600000),
        ("assistant", "There are five.", "session_berths/msg_assistant_1", "session_berths", 1767225604000),
    ]
    assert reasons(spans) == ["thinking"]


def test_the_sample_of_a_task_gives_exactly_its_messages(reading: Reading) -> None:
    spans = reading.spans(FORMAT, reading.fixture(LEGACY), HISTORY)
    assert reading.said(spans) == [("user", "Count the berths"), ("assistant", "There are five.")]


def test_files_beside_the_conversation_are_none(reading: Reading) -> None:
    for name in ("taskHistory.json", "session_berths.json"):
        data = reading.fixture(f"cline/{name}")
        assert detect(data, SourceInfo(name)) is None


def test_a_session_has_its_tasks_id(reading: Reading) -> None:
    (message,) = reading.messages(read_history(reading, user("<task>\nGo\n</task>")))
    assert (message.text, message.session_id, message.timestamp, message.source) == ("Go", "1767225600000", 7, "cline")


def test_appended_messages_double_nothing(reading: Reading) -> None:
    told = [user("<task>a</task>"), assistant("b"), user("<feedback>c</feedback>"), assistant("d", ts=1767225600123)]
    before = reading.longest(read_history(reading, *told[:2]))
    after = reading.longest(read_history(reading, *told))
    assert list(before.items()) == list(after.items())[:2]
    assert list(after.values()) == ["a", "b", "c", "d"]
    assert reading.longest(read_history(reading, *told, path="/elsewhere/" + HISTORY)) == after


def test_messages_with_times_keep_their_keys_when_older_ones_are_condensed(reading: Reading) -> None:
    told = [user(f"<task>text {n}</task>", ts=1767225600000 + n) for n in range(6)]
    before = reading.longest(read_history(reading, *told))
    after = reading.longest(read_history(reading, told[0], *told[4:]))
    assert after.items() <= before.items()
    assert len(after) == 3


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["<task>\nGo\n</task>", "<environment_details>\n# VSCode\n</environment_details>"], [("user", "Go")]),
        (['<user_input mode="act">Go on</user_input>'], [("user", "Go on")]),
        (["plain words"], [("user", "plain words")]),
        (["<task>See 'a.py'</task>", '<file_content path="a.py">\nx = 1\n</file_content>'], [("user", "See 'a.py'")]),
        (
            ["[read_file for 'a.py'] Result:", "x = 1", "<environment_details>e"],
            [("tool", "[read_file for 'a.py'] Result:\nx = 1")],
        ),
        (
            ["[execute_command for 'ls'] Result:", "The user denied it.\n<feedback>\nuse find\n</feedback>"],
            [("tool", "[execute_command for 'ls'] Result:\nThe user denied it."), ("user", "use find")],
        ),
        (["[ERROR] You did not use a tool in your previous response!"], []),
        (["[TASK RESUMPTION] Resumed.", "<user_message>\nGo on\n</user_message>"], [("user", "Go on")]),
        (["<environment_details>\n# VSCode\n</environment_details>"], []),
    ],
)
def test_a_persons_words_are_told_from_the_editors(
    reading: Reading, texts: list[str], said: list[tuple[str, str]]
) -> None:
    spans = read_history(reading, user(*texts))
    assert reading.said(spans) == said
    assert all(m.kind == ("tool_call" if m.role == "tool" else "turn") for m in reading.messages(spans))
    assert said or reasons(spans) in (["notice"], ["environment"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<thinking>hm</thinking>\nDone.", "Done."),
        ("I look.\n<read_file>\n<path>a.py</path>\n</read_file>", "I look."),
        (
            "<attempt_completion>\n<result>\nAll green.\n</result>\n<command>open x</command>\n</attempt_completion>",
            "All green.",
        ),
        ("<ask_followup_question><question>Which?</question><options>[1]</options></ask_followup_question>", "Which?"),
        ("Use `<div>` and <b>bold</b>.", "Use `<div>` and <b>bold</b>."),
        ("<write_to_file><path>a</path><content>x", ""),
    ],
)
def test_an_answer_is_told_from_calls_and_thoughts(reading: Reading, text: str, said: str) -> None:
    spans = read_history(reading, assistant(text))
    assert [t for _, t in reading.said(spans)] == ([said] if said else [])
    assert said or reasons(spans) == ["tool_use"]


def test_a_call_and_its_result_are_one_message(reading: Reading) -> None:
    call = {"type": "tool_use", "id": "t1", "name": "execute_command", "input": {"command": "ls"}}
    result = {
        "type": "tool_result",
        "tool_use_id": "t1",
        "content": [{"type": "text", "text": "a b"}],
        "is_error": True,
    }
    spans = read_history(reading, assistant("Look:", call), {"role": "user", "content": [result]})
    messages = reading.messages(spans)
    assert reading.said(spans) == [("assistant", "Look:"), ("tool", "execute_command: ls\n→ a b")]
    assert (messages[1].kind, messages[1].meta) == ("tool_call", {"tool": "execute_command", "is_error": True})
    assert reasons(spans) == ["tool_use"]


def test_odd_records_are_counted(reading: Reading) -> None:
    image = {"role": "user", "content": [{"type": "image", "source": {}}]}
    oracle = {"role": "oracle", "content": "x"}
    hologram = {"role": "user", "content": [{"type": "hologram"}]}
    spans = read_history(reading, user("hi"), image, oracle, hologram, {"role": "user", "content": None}, 5)
    assert reading.said(spans) == [("user", "hi")]
    assert reasons(spans)[:4] == ["media", "unknown_type", "unknown_type", "empty"]


def test_a_file_cut_short_gives_its_complete_messages(reading: Reading) -> None:
    data = json.dumps([user("one"), assistant("two"), user("three")]).encode()[:-30]
    spans = reading.spans(FORMAT, data, HISTORY)
    assert reading.said(spans) == [("user", "one"), ("assistant", "two")]
    assert [span.defect for span in spans if span.defect] == ["truncated"]
