"""Hundreds of damaged transcripts: every complete record is recovered, and the bytes add up."""

from __future__ import annotations

import io
import json
import os
import random
from collections import Counter

import pytest

from memento_ingest.formats.claude_code import ClaudeCode
from memento_ingest.lines import read_lines
from memento_ingest.span import Line, SourceInfo, Span

FILES = int(os.environ.get("MEMENTO_DIRTY_FILES", "300"))
SEED = int(os.environ.get("MEMENTO_SEED", "20261122"))
WORDS = 'offset transaction naïve 中文 \u2028 cache {brace} [list] \\back "quote" 🎉 null 3.14'.split(" ")


def record(rng: random.Random, name: str) -> bytes:
    """A user record whose text begins with its name."""
    text = " ".join([name, *rng.choices(WORDS, k=rng.randint(0, 30))])
    fields = {
        "parentUuid": None,
        "sessionId": "s",
        "type": "user",
        "message": {"role": "user", "content": rng.choice([text, [{"type": "text", "text": text}]])},
        "uuid": name,
        "toolUseResult": {"stdout": {"deep": [1, {"x": rng.random()}]}},
    }
    return json.dumps(fields, ensure_ascii=rng.random() < 0.5).encode()


def odd_record(rng: random.Random, name: str) -> bytes:
    """A complete record that strict decoders refuse."""
    odd = rng.choice([rb'"\ud83d lone"', b'"\xff\xfe bad bytes"', b"9" * 5000, b"NaN", b"[-Infinity, 1e999]"])
    return (
        b'{"type":"user","odd":'
        + odd
        + b',"uuid":"'
        + name.encode()
        + b'","message":{"content":"'
        + name.encode()
        + b'"}}'
    )


def dirty_file(rng: random.Random) -> tuple[bytes, list[str]]:
    """Return a damaged transcript and the names of the records that are complete in it."""
    parts, complete = [], []
    for number in range(rng.randint(1, 12)):
        name = f"r{number}"
        data = odd_record(rng, name) if rng.random() < 0.2 else record(rng, name)
        damage = rng.random()
        if damage < 0.2:  # a crash: the record is cut and the next one follows without a newline
            parts.append(data[: rng.randint(1, len(data) - 1)])
            continue
        complete.append(name)
        parts.append(data)
        if damage < 0.3:
            parts.append(b"\0" * rng.randint(1, 600) + b"\n" * rng.randint(0, 1))
        elif damage < 0.4:
            depth = rng.choice([2_000] * 19 + [100_000])
            parts.append(b'{"a":' * depth + b"1" + b"}" * depth + b"\n")
        elif damage < 0.5:
            parts.append(rng.choice([b"\r\n", b"\n\n", b" \n", b'\n"text"\n42\n[1]\n', b"\n}\n", b"\n\xff\xfe\n"]))
        elif damage < 0.85:
            parts.append(b"\n")  # the rest lost its newline: `}{`
    return b"".join(parts), complete


def parse(data: bytes) -> list[Span]:
    parser = ClaudeCode().parser(SourceInfo("x"))
    spans = [s for line in read_lines(io.BytesIO(data)) if isinstance(line, Line) for s in parser.feed(line)]
    return sorted([*spans, *parser.finish()], key=lambda span: span.offset)


@pytest.mark.parametrize("part", range(10))
def test_every_complete_record_of_a_damaged_file_is_recovered(part: int) -> None:
    sizes: Counter[str] = Counter()
    for number in range(part, FILES, 10):
        seed = SEED + number
        data, complete = dirty_file(random.Random(seed))
        spans = parse(data)
        position = 0
        for span in spans:
            assert span.offset == position, f"seed {seed}"
            position += span.length
            sizes["stored" if span.messages else "skipped" if span.skipped else "quarantined"] += span.length
        assert position == len(data), f"seed {seed}"
        assert [m.key for span in spans for m in span.messages] == complete, f"seed {seed}"
        assert all(m.text.split()[0] == m.key for span in spans for m in span.messages), f"seed {seed}"
    assert all(sizes[outcome] for outcome in ("stored", "quarantined"))
