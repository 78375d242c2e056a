"""What is written beside the memories, without secrets: the paths of sources and the states of their parsers."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from re import compile as compile_line
from typing import Any, Final

import msgspec

from memento_ingest.formats.shared.tool_text import seam_before
from memento_ingest.span import SAMPLE_BYTES
from memento_policies import Policy

_KEY_LINE: Final = compile_line(r"\s*[A-Za-z0-9+/]{16,}={0,2}\s*")


def stored_path(path: str, policy: Policy) -> str:
    """Return the name under which the store knows a file: its path, with every secret in it replaced.

    A digest of the whole path keeps files apart whose paths differ in nothing but the secret.
    """
    redacted = policy.redact(path)
    if not redacted.counts:
        return path
    return f"{redacted.text}#{blake2b(path.encode(), digest_size=4).hexdigest()}"


def redacted_sample(sample: bytes, policy: Policy) -> str:
    """Return the first bytes of a defect as they go into the quarantine.

    What was cut off at the limit may have cut a secret in two, past recognition: the last word goes as well. So does a
    line that is nothing but Base64: it is one of a key whose other lines are defects of their own.
    """
    text = policy.redact(sample.decode("utf-8", "replace").replace("\0", "\ufffd")).text
    if _KEY_LINE.fullmatch(text):
        return "[REDACTED:private_key]"
    return text[: seam_before(text, len(text))] if len(sample) >= SAMPLE_BYTES else text


def without_secrets(state: Mapping[str, Any], policy: Policy) -> Mapping[str, Any]:
    """Return a parser's state with the secrets in its texts replaced (a working directory, a session's name)."""
    if not state or not policy.redact(msgspec.json.encode(state).decode()).counts:
        return state
    cleaned: Mapping[str, Any] = _cleaned(state, policy)
    return cleaned


def _cleaned(value: Any, policy: Policy) -> Any:
    if isinstance(value, str):
        return policy.redact(value).text
    if isinstance(value, Mapping):
        return {policy.redact(key).text: _cleaned(one, policy) for key, one in value.items()}
    return [_cleaned(one, policy) for one in value] if isinstance(value, list | tuple) else value
