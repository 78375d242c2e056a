"""What is said of a file that no format recognises: the remedy must be one that helps."""

from __future__ import annotations

import bz2
import gzip
import lzma

import pytest

from memento_ingest.formats.unreadable import UNKNOWN, reason

TABLES = [
    (b"role,content\nuser,hello\n", "talk.csv"),
    (b"\xef\xbb\xbfrole;content\r\nuser;hello\r\n", "TALK.CSV"),
    ("role,content\nuser,h\u00e9llo\n".encode("utf-16"), "talk.csv"),
    (b"role\tcontent\nuser\thello\n", "talk.txt"),
    (b"role,when,content\n" + b"user,today,hello\n" * 30, "-"),
    (b'role;when;content\nuser;today;"a; b"\nuser;today;b\n', "talk"),
    (b"| role | content |\n|---|:--:|\n| user | hello |\n", "talk.md"),
    (b"role | content\n--- | ---\nuser | hello\n", "talk.md"),
    (b"# Talk\n\n| role |\n| --- |\n| user |\n", "talk.md"),
    (b"+------+------+\n| role | text |\n+======+======+\n| user | hi   |\n", "talk.txt"),
]
OTHERS = [
    (b"Dear Anna,\nfirst, thank you.\nSecond, no.\n", "letter.txt"),
    (b"# Notes\n\n---\n\nA rule stands above.\n", "notes.md"),
    (b'{"a": 1, "b": 2, "c": 3}\n' * 5, "rows.jsonl"),
    (b"<table><tr><td>a</td></tr></table>", "page.html"),
    (b"\0\1\2,\3\n", "rows.csv"),
]


@pytest.mark.parametrize(("head", "name"), TABLES)
def test_a_table_is_called_one(head: bytes, name: str) -> None:
    said = reason(head, name)
    assert "tables" in said
    assert "--format" not in said


@pytest.mark.parametrize(("head", "name"), OTHERS)
def test_what_is_no_table_is_not_called_one(head: bytes, name: str) -> None:
    assert reason(head, name) == UNKNOWN


def test_what_is_compressed_is_to_be_unpacked() -> None:
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        assert "unpack it first" in reason(pack(b'{"role": "user"}'), "talk.jsonl.gz")


@pytest.mark.parametrize("head", [b"", b"\n\n", b" \t\n"])
def test_what_holds_nothing_is_empty(head: bytes) -> None:
    assert reason(head, "talk.csv") == "empty"
