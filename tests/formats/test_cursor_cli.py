"""Cursor CLI's transcripts, as lines and as text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from memento_ingest.formats.cursor.cli import CursorCli
from memento_ingest.formats.cursor.text import CursorText
from memento_ingest.formats.registry import detect
from memento_ingest.span import SourceInfo

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

TEXT = b"""user:
<user_query>
list the files
assistant: what is there?
</user_query>

assistant:
[Thinking] The user wants
a list.

I will look.
[Tool call] Shell
  command: ls
[Tool result] Shell

There is one:
a.txt
user:
<user_query>thanks</user_query>
"""


def line(role: str, *blocks: Any) -> bytes:
    return json.dumps({"role": role, "message": {"content": list(blocks)}}).encode() + b"\n"


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def test_a_prompt_is_what_the_query_holds(reading: Reading) -> None:
    wrapped = "<open_files>a.py</open_files>\n<user_query>\nexplain\n</user_query>"
    call = {"type": "tool_use", "name": "Shell", "input": {"command": "ls"}}
    content = line("user", text(wrapped)) + line("assistant", text("Sure."), call) + b'{"type":"brand_new"}\n'
    spans = reading.spans(CursorCli(), content)
    assert reading.said(spans) == [("user", "explain"), ("assistant", "Sure."), ("tool", "Shell: ls")]
    assert spans[-1].unknown_type == "brand_new"


def test_equal_turns_have_keys_of_their_own(reading: Reading) -> None:
    content = line("user", text("go")) + line("assistant", text("ok"))
    keys = [message.key for message in reading.messages(reading.spans(CursorCli(), content * 3))]
    assert len(set(keys)) == 6
    assert [message.key for message in reading.messages(reading.spans(CursorCli(), content))] == keys[:2]


def test_a_transcript_as_text(reading: Reading) -> None:
    found = detect(TEXT, SourceInfo("a1b2.txt"))
    assert isinstance(found, CursorText)
    assert reading.said(reading.spans(found, TEXT)) == [
        ("user", "list the files\nassistant: what is there?"),
        ("assistant", "I will look.\n\nThere is one:\na.txt"),
        ("user", "thanks"),
    ]


def test_a_text_split_anywhere_gives_the_same_messages(reading: Reading) -> None:
    whole = reading.longest(reading.in_runs(CursorText(), TEXT, []))
    ends = [place for place, byte in enumerate(TEXT, 1) if byte == 10]
    finished = TEXT.index(b"a.txt") + len(b"a.txt\n")
    for cuts in (*([end] for end in ends), ends):
        parts = reading.longest(reading.in_runs(CursorText(), TEXT, cuts))
        assert parts.items() >= whole.items()
        if min(cuts) >= finished:
            assert parts == whole
