"""The beginning of a JSON document as a value: what is open where it was cut off is closed."""

from __future__ import annotations

import re
from typing import Any, Final

from memento_ingest.jsonl import decode, mend

_MAX_DEPTH: Final = 100
# A string, with its end (group 1) unless it is cut off, or a structural character.
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+("?)|[{}\[\],]', re.DOTALL)
_CLOSERS: Final = {b"{": b"}", b"[": b"]"}


def first_value(head: bytes) -> Any:
    """Return the JSON value that begins the head, as far as it goes; of an array, no more than the first object.

    None where there is none. A member whose value is cut off is left out.
    """
    text = mend(head)
    open_closers: list[bytes] = []
    cut = 0  # up to here the text is valid once `open_closers` are appended
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token[:1] == b'"':
            if not match[1]:
                break
            continue
        if token == b",":
            cut = match.start()
            continue
        if token in _CLOSERS:
            open_closers.append(_CLOSERS[token])
        elif not open_closers or open_closers.pop() != token:
            return None
        cut = match.end()
        finished = token == b"}" and all(closer == b"]" for closer in open_closers)
        if finished or not open_closers or len(open_closers) > _MAX_DEPTH:
            break
    return decode(text[:cut] + b"".join(reversed(open_closers)))[0] if cut else None
