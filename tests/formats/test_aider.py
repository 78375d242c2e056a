"""Aider's history: who speaks, where a run begins, and that a growing file keeps its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings, strategies as st

from memento_ingest.formats.aider import Aider
from memento_ingest.span import Line, SourceInfo

if TYPE_CHECKING:
    from tests.formats.conftest import Reading

REAL = b"""
# aider chat started at 2026-09-01 10:00:00

> Aider v0.86.2  \n> Git repo: .git with 3 files  \n
#### refactor the auth module  \n#### to use bcrypt  \n
Sure. Two steps:

#### Step 1

> a quotation

```python
#### not a prompt
> nor a notice
# aider chat began
```

> Applied edit to auth.py  \n
# aider chat started at 2026-09-01 11:00:00

#### quit  \n"""
LINES = st.lists(
    st.sampled_from(
        [
            "# aider chat started at 2026-09-01 10:00:00",
            "# aider chat started at 2026-09-01 11:00:00",
            "#### go",
            "#### go  ",
            "> Applied edit",
            "> Applied edit  ",
            "Sure.",
            "```",
            "",
            "## A heading",
        ]
    ),
    max_size=14,
)


def test_who_speaks_in_a_real_history(reading: Reading) -> None:
    spans = reading.spans(Aider(), REAL)
    fence = "```python\n#### not a prompt\n> nor a notice\n# aider chat began\n```"
    assert reading.said(spans) == [
        ("tool", "Aider v0.86.2\nGit repo: .git with 3 files"),
        ("user", "refactor the auth module\nto use bcrypt"),
        ("assistant", f"Sure. Two steps:\n\n#### Step 1\n\n> a quotation\n\n{fence}"),
        ("tool", "Applied edit to auth.py"),
        ("user", "quit"),
    ]
    messages = reading.messages(spans)
    assert len({message.session_id for message in messages}) == 2
    assert messages[-1].timestamp - messages[0].timestamp == 3_600_000


def test_the_project_is_the_folder_of_the_history(reading: Reading) -> None:
    parser = Aider().parser(SourceInfo(".aider.chat.history.md", "/home/me/app/.aider.chat.history.md"))
    lines = [Line(0, b"# aider chat started at 2026-09-01 10:00:00\n"), Line(44, b"#### hi  \n")]
    spans = [span for line in lines for span in parser.feed(line)] + list(parser.finish())
    assert [message.project for message in reading.messages(spans)] == ["/home/me/app"]


@settings(max_examples=200, deadline=None)
@given(LINES, st.lists(st.integers(0, 400), max_size=6))
def test_any_split_gives_the_same_messages(reading: Reading, lines: list[str], cuts: list[int]) -> None:
    data = "".join(f"{line}\n" for line in lines).encode()
    whole = reading.longest(reading.spans(Aider(), data))
    ends = [place for place, byte in enumerate(data, 1) if byte == 10]
    for each in ([min(cut, len(data)) for cut in cuts], ends):
        assert reading.longest(reading.in_runs(Aider(), data, each)) == whole


def test_a_history_is_known_by_its_first_line() -> None:
    assert Aider().sniff(REAL, SourceInfo("notes.md"))
    assert not Aider().sniff(b"text\n" * 9 + REAL, SourceInfo("notes.md"))
