"""One message of Goose's: `{role, created, content: [...]}`, with the same content in its lines and in its database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from memento_ingest.formats.excerpt import Turn, block_text, string
from memento_ingest.formats.statement import Call, Result, Statement, unknown
from memento_ingest.formats.thread import chain_key, clean
from memento_ingest.formats.tool_text import given_text
from memento_policies import Role

_ROLES: Final[dict[str, Role]] = {"user": "user", "assistant": "assistant"}
_REQUESTS: Final = frozenset({"toolRequest", "frontendToolRequest"})
_REASONS: Final = {"thinking": "thinking", "redactedThinking": "thinking", "image": "media"}


def read_message(value: Mapping[str, Any], created: int | None) -> Statement:
    """Return what a message says; `created` is its time in Unix milliseconds.

    The key is made of the time and the text, for ids changed when Goose moved its sessions into a database.
    """
    role = _ROLES.get(string(value.get("role")))
    if role is None:
        return unknown(f"role/{string(value.get('role'))}")
    metadata = value.get("metadata")
    if isinstance(metadata, dict) and metadata.get("userVisible") is False:
        return Statement(skipped="hidden")
    content = value.get("content")
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    text = clean(block_text([block for block in blocks if block.get("type") == "text"])).strip()
    key = chain_key(f"goose {created or ''}", role, text)
    reason = next((_REASONS[kind] for block in blocks if (kind := string(block.get("type"))) in _REASONS), "no_text")
    return Statement(
        (Turn(role, text, key=key),) if text else (),
        tuple(_call(block) for block in blocks if string(block.get("type")) in _REQUESTS),
        tuple(_result(block, created) for block in blocks if block.get("type") == "toolResponse"),
        skipped=reason,
    )


def _call(block: Mapping[str, Any]) -> Call:
    call = _value(block.get("toolCall"))
    return Call(string(block.get("id")), string(call.get("name")), given_text(call.get("arguments")))


def _result(block: Mapping[str, Any], created: int | None) -> Result:
    result = block.get("toolResult")
    failed, output = False, ""
    if isinstance(result, dict):
        failed = result.get("status") == "error"
        value = result.get("value")
        # A list of blocks, and in newer versions an object that holds it.
        content = value.get("content") if isinstance(value, dict) else value
        failed = failed or (isinstance(value, dict) and value.get("isError") is True)
        output = block_text(content) or string(result.get("error"))
    return Result(string(block.get("id")), output, failed, scope=f"goose {created or ''}")


def _value(wrapped: object) -> Mapping[str, Any]:
    value = wrapped.get("value", wrapped) if isinstance(wrapped, dict) else {}
    return value if isinstance(value, dict) else {}
