"""The gate that every row passes on its way into the store.

Invariant: no field of a row holds a secret that the rules know, an unstorable text, or more than its limit.
`new_memory.make_memory` makes rows from messages (ingest, watch, hook, server, remember, observe) and cleans them here;
finished rows (an import, a foreign backup) pass an `Admission`, which also leaves out ignored rows, lowers claimed
trust, and counts both.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from re import ASCII, compile as pattern
from typing import Any, Final, get_args
from weakref import WeakKeyDictionary

from memento.base.times import require_storable
from memento.memory import NewMemory, Trust
from memento.storage.ignored import Ignored
from memento_policies import Kind, Policy, Role
from memento_policies.text import encode

_NAMES_KEPT: Final = 4_096
_redacted_names: Final[WeakKeyDictionary[Policy, dict[str, str]]] = WeakKeyDictionary()
"""Weak keys: a policy is a megabyte of compiled rules and must be freed with its store."""
MAX_TEXT: Final = 128 * 1024 * 1024
"""Maximum bytes of a text, that of the longest ingested line."""
MAX_TAGS: Final = 128
MAX_JSON: Final = 1024 * 1024
"""Bytes of `meta`, and of `why`."""
MAX_NESTING: Final = 64
LIMITS: Final[Mapping[str, int]] = {
    "source": 256, "session_id": 1024, "speaker": 256, "project": 4096, "collection": 256, "tag": 256, "title": 1024
}  # fmt: skip
"""Maximum characters of each short text. A longer one is cut and ends in a hash of the whole."""
TOO_LARGE: Final = {"left_out": "too_large"}
"""Replaces a `meta` or `why` beyond `MAX_JSON` or `MAX_NESTING`."""
ID: Final = pattern(r"[0-9a-f]{32}", ASCII)
"""A memory's id."""
_HASH_BYTES: Final = 8
_MAX_CACHED: Final = 512
"""Maximum characters of a short text whose redaction is cached."""


class Refused(ValueError):
    """A row cannot be admitted. The message names the field, never its value."""


def clean_memory(memory: NewMemory, policy: Policy) -> NewMemory:
    """Return the row with every field but `text` redacted and within its limits; its text is redacted already."""
    tags = [clean_name("tag", tag, policy) for tag in memory.tags[:MAX_TAGS]]
    return replace(
        memory,
        source=clean_name("source", memory.source, policy),
        session_id=clean_name("session_id", memory.session_id, policy),
        speaker=clean_name("speaker", memory.speaker, policy),
        project=clean_name("project", memory.project, policy),
        collection=clean_name("collection", memory.collection, policy),
        tags=tuple(dict.fromkeys(filter(None, tags))),
        meta=clean_json(memory.meta, policy),
        why=clean_json(memory.why, policy),
    )


def clean_name(name: str, text: str, policy: Policy) -> str:
    """Return a short text without secrets and within its limit."""
    if not text:
        return ""
    limit = LIMITS[name]
    if len(text) > 2 * limit:  # cut first, so that the rules do not run over megabytes
        text = _shorten(encode(text)[0], 2 * limit)
    return _shorten(_redact(text, policy), limit)


def clean_json(value: Mapping[str, Any], policy: Policy) -> Mapping[str, Any]:
    """Return an object without secrets in keys and values. Raises ValueError or TypeError if it is not JSON."""
    if not value:
        return {}
    if not _is_shallow(value):
        return TOO_LARGE
    plain = json.dumps(dict(value), ensure_ascii=False)
    storable_text, data = encode(plain)
    if len(data) > MAX_JSON:
        return TOO_LARGE
    redacted = policy.redact(storable_text)
    if not redacted.counts and storable_text == plain:
        return value
    try:
        loaded = json.loads(redacted.text)
    except ValueError:  # the secret spanned JSON punctuation
        return {"redacted": dict(redacted.counts)}
    return loaded if isinstance(loaded, dict) else {"redacted": dict(redacted.counts)}


class Admission:
    """Admits finished rows, for one import or one restore.

    `keeps_trust` is for a file known to be the user's own, whose rows keep their trust; rows of other files become
    `import`.
    """

    def __init__(self, policy: Policy, ignored: Ignored, *, keeps_trust: bool) -> None:
        self._policy, self._ignored, self._keeps_trust = policy, ignored, keeps_trust
        self.left_out: Counter[str] = Counter()
        """Numbers of rows left out, by reason."""
        self.lowered = 0
        """Number of rows whose claimed trust was lowered to `import`."""

    def admit(self, memory: NewMemory) -> NewMemory | None:
        """Return the row to write; None if it is left out. Raises Refused for a malformed row."""
        _require_sound(memory)
        text = self._policy.redact(encode(memory.text)[0]).text
        clean = clean_memory(replace(memory, text=text, importance=min(1.0, max(0.0, memory.importance))), self._policy)
        if self._ignored.covers(clean.session_id, clean.project):
            self.left_out["ignored"] += 1
            return None
        if not self._keeps_trust and clean.trust != "import":
            self.lowered += 1
            clean = replace(clean, trust="import")
        return clean

    def title(self, source: str, session_id: str, title: str) -> tuple[str, str, str] | None:
        """Return the source, session and title to write; None if the title is left out."""
        names = clean_name("source", source, self._policy), clean_name("session_id", session_id, self._policy)
        if names[1] in self._ignored.sessions:
            self.left_out["ignored"] += 1
            return None
        return *names, clean_name("title", title, self._policy)

    def session(self, session_id: str) -> str:
        """Return a session's id as rows hold it."""
        return clean_name("session_id", session_id, self._policy)

    def has_secret(self, text: str) -> bool:
        """Tell whether a text holds a secret."""
        return bool(self._policy.redact(encode(text)[0]).counts)


def _require_sound(memory: NewMemory) -> None:
    if not ID.fullmatch(memory.id):
        raise Refused("`id` is not 32 hexadecimal digits")
    for name, known in (("role", Role), ("kind", Kind), ("trust", Trust)):
        if getattr(memory, name) not in get_args(known):
            raise Refused(f"`{name}` is not one of {', '.join(get_args(known))}")
    if not memory.text.strip():
        raise Refused("`text` is empty")
    if len(memory.text) > MAX_TEXT:
        raise Refused("`text` is too long")
    if not math.isfinite(memory.importance):
        raise Refused("`importance` is not a number")
    try:
        require_storable(memory.timestamp)
    except OverflowError:
        raise Refused("`timestamp` is out of range") from None


def _redact(text: str, policy: Policy) -> str:
    return _redact_cached(text, policy) if len(text) <= _MAX_CACHED else policy.redact(encode(text)[0]).text


def _redact_cached(text: str, policy: Policy) -> str:
    """Redact a short text, with a cache, since the messages of a session share their names."""
    known = _redacted_names.setdefault(policy, {})
    if (clean := known.get(text)) is None:
        if len(known) >= _NAMES_KEPT:
            known.clear()
        clean = known[text] = policy.redact(encode(text)[0]).text
    return clean


def _shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    digest = blake2b(text.encode(), digest_size=_HASH_BYTES).hexdigest()
    return f"{text[: limit - len(digest) - 1]}#{digest}"


def _is_shallow(value: Any) -> bool:
    """Tell whether nothing is nested deeper than `MAX_NESTING`, since readers recurse."""
    level = [value]
    for _ in range(MAX_NESTING):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, Mapping) else one)
            if isinstance(inner, Mapping | list | tuple)
        ]
        if not level:
            return True
    return False
