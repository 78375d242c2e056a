"""What is written beside the memories, without secrets: the paths of sources and the states of their parsers."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from memento_policies import Policy


def stored_path(path: str, policy: Policy) -> str:
    """Return the name under which the store knows a file: its path, with every secret in it replaced.

    A digest of the whole path keeps files apart whose paths differ in nothing but the secret.
    """
    redacted = policy.redact(path)
    if not redacted.counts:
        return path
    return f"{redacted.text}#{blake2b(path.encode(), digest_size=4).hexdigest()}"


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
