from __future__ import annotations

from io import BytesIO

from hypothesis import given, strategies as st

from memento_ingest.lines import LongLine, read_lines
from memento_ingest.span import Line


class Trickle(BytesIO):
    """A stream that gives at most a few bytes a read, as a pipe may."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__(data)
        self.step = step

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self.step)


CONTENT = st.lists(st.sampled_from([b"\n", b"a", b"bb", b"\r", b"\0", "\u2028".encode()]), max_size=40).map(b"".join)


@given(CONTENT, st.integers(1, 9), st.integers(1, 12), st.integers(0, 1000))
def test_lines_and_long_lines_tile_the_stream(data: bytes, step: int, max_line: int, offset: int) -> None:
    expected = [piece for piece in data.split(b"\n") if piece]
    position = offset
    seen = []
    for line in read_lines(Trickle(data, step), offset, max_line=max_line):
        assert line.offset == position
        piece = data[position - offset : line.end - offset]
        position = line.end
        assert b"\n" not in piece[:-1]
        if isinstance(line, Line):
            assert line.data == piece
            assert len(piece) <= max(max_line, 1)
        else:
            assert line.terminated == piece.endswith(b"\n")
            assert line.length == len(piece) > max_line
        seen.append(piece.removesuffix(b"\n"))
    assert position == offset + len(data)
    assert [piece for piece in seen if piece] == expected


def test_a_last_line_without_newline_is_yielded_without_one() -> None:
    assert list(read_lines(BytesIO(b"one\ntwo"))) == [Line(0, b"one\n"), Line(4, b"two")]


def test_only_a_newline_ends_a_line() -> None:
    data = "a\u2028b\rc\x85d\x0ce\n".encode()
    assert list(read_lines(BytesIO(data))) == [Line(0, data)]


def test_a_line_over_the_limit_is_a_marker_and_the_next_line_is_read() -> None:
    data = b"x" * 3_000_000 + b"\n" + b"after\n" + b"y" * 1_500_000
    found = list(read_lines(BytesIO(data), max_line=1_200_000))
    assert found == [
        LongLine(0, 3_000_001, terminated=True),
        Line(3_000_001, b"after\n"),
        LongLine(3_000_007, 1_500_000, terminated=False),
    ]
    assert found[-1].end == len(data)


@given(st.lists(st.sampled_from([b"\n", b" \n", b"\r\n", b"text\n", b"\n" * 300, b" \t\n" * 400]), max_size=12))
def test_runs_of_blank_lines_are_one_and_nothing_else_is(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    lines = list(read_lines(BytesIO(content)))
    assert b"".join(line.data for line in lines if isinstance(line, Line)) == content
    assert all(line.data.count(b"\n") == 1 or line.data.isspace() for line in lines if isinstance(line, Line))
