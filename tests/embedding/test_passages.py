"""Chunking: nothing dropped, nothing too long, cut where a reader would cut, linear."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from memento.embedding.model_files import MAX_TOKENS, TOKENIZER
from memento.embedding.passages import Chunker, segment_end

CLS, SEP = 101, 102


@pytest.fixture(scope="module")
def chunker(model_dir: Path) -> Chunker:
    return Chunker(model_dir / TOKENIZER)


PROSE = [
    "word ",
    "unbelievably ",
    "end. ",
    "really?! ",
    "e.g. ",
    "foo_bar(baz)",
    '"Stop." ',
    "Ελλάς ",
    "\n",
    "\n\n",
    "  ",
]
ODD = ["漢字", "終わり。", "x" * 120, "[SEP]", "a\u0301", "\ud800", "\0", "😀", "\u2028", "ß", "\u200b"]
PIECES = st.sampled_from(PROSE + ODD)
LONG_TEXTS = st.lists(
    st.tuples(st.lists(PIECES | st.text(max_size=5), max_size=6), st.integers(1, 90)), max_size=6
).map(lambda groups: "".join("".join(pieces) * times for pieces, times in groups))


@given(text=LONG_TEXTS)
@settings(max_examples=150, deadline=None)
def test_chunks_tile_the_text_and_its_tokens(chunker: Chunker, text: str) -> None:
    chunks = chunker.chunks(text)
    assert chunks[0].start == 0
    assert chunks[-1].end == len(text)
    assert all(before.end == after.start for before, after in pairwise(chunks))
    assert all(len(chunk.ids) <= MAX_TOKENS for chunk in chunks)
    alone = [chunker.chunks(text[chunk.start : chunk.end]) for chunk in chunks]
    assert [[again.ids for again in part] for part in alone] == [[chunk.ids] for chunk in chunks]


def texts_of(chunker: Chunker, text: str) -> list[str]:
    return [text[chunk.start : chunk.end] for chunk in chunker.chunks(text)]


def test_a_short_text_is_one_chunk(chunker: Chunker) -> None:
    for text in ("", " ", "word", "one. two. three."):
        assert texts_of(chunker, text) == [text]
    assert chunker.chunks("")[0].ids == [CLS, SEP]


def test_sentences_are_kept_whole(chunker: Chunker) -> None:
    sentence = 'He said: "We never store secrets in the repository." '
    parts = texts_of(chunker, sentence * 60)
    assert len(parts) > 2
    assert all(part == sentence * (len(part) // len(sentence)) for part in parts)


def test_cjk_sentences_are_kept_whole(chunker: Chunker) -> None:
    parts = texts_of(chunker, "我们决定迁移到新的数据库。" * 60)
    assert len(parts) > 1
    assert all(part.endswith("。") for part in parts)


def test_without_sentences_lines_are_kept_whole(chunker: Chunker) -> None:
    parts = texts_of(chunker, "some code without any end of sentence\n" * 80)
    assert len(parts) > 1
    assert all(part.endswith("\n") for part in parts)


def test_without_lines_words_are_kept_whole(chunker: Chunker) -> None:
    parts = texts_of(chunker, "antidisestablishmentarianism " * 200)
    assert len(parts) > 1
    assert all(part.startswith("anti") for part in parts)


def test_special_tokens_in_a_text_are_ordinary_characters(chunker: Chunker) -> None:
    ids = chunker.chunks("before [SEP] [CLS] [MASK] after")[0].ids
    assert ids.count(SEP) == ids.count(CLS) == 1
    assert ids[0] == CLS
    assert ids[-1] == SEP


def test_lone_surrogates_keep_their_place(chunker: Chunker) -> None:
    assert chunker.chunks("a\ud83d b")[0].ids == chunker.chunks("a? b")[0].ids


@pytest.mark.parametrize(
    "unit", ["Ten words make a sentence that is not very long. ", "line after line\n", "x", "ab-", "漢", "\n", "[SEP]"]
)
def test_a_megabyte_takes_linear_time(chunker: Chunker, unit: str) -> None:
    text = unit * (1_000_000 // len(unit.encode()))
    started = time.process_time()
    chunks = chunker.chunks(text)
    assert time.process_time() - started < 4.0  # 0.1 to 0.9 s measured; quadratic work takes minutes.
    assert max(len(chunk.ids) for chunk in chunks) <= MAX_TOKENS


@given(LONG_TEXTS, st.integers(8, 4_000))
@settings(deadline=None)
def test_segments_tile_the_text_and_hold_no_more_bytes_than_they_may(text: str, size: int) -> None:
    start, parts = 0, []
    while start < len(text):
        stop = segment_end(text, start, size)
        assert start < stop
        parts.append(text[start:stop])
        start = stop
    assert "".join(parts) == text
    assert all(len(part.encode(errors="replace")) <= size for part in parts)


def test_a_segment_ends_where_a_reader_would_cut() -> None:
    text = "One sentence of a few words. " * 300
    assert text[: segment_end(text, 0, 1_000)].endswith("words. ")
    lines = "a line without an end\n" * 300
    assert lines[: segment_end(lines, 0, 1_000)].endswith("\n")
