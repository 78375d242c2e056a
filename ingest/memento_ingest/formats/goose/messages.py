"""One message of Goose's: `{role, created, content: [...]}`, with the same content in its lines and in its database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from memento_ingest.formats.shared.dialogue import Dialogue, Question, read_call
from memento_ingest.formats.shared.excerpt import Turn, block_text, string
from memento_ingest.formats.shared.statement import Call, Result, Statement, unknown
from memento_ingest.formats.shared.thread import chain_key, clean
from memento_ingest.formats.shared.tool_text import given_text
from memento_policies import Role

_ROLES: Final[dict[str, Role]] = {"user": "user", "assistant": "assistant"}
_REQUESTS: Final = frozenset({"toolRequest", "frontendToolRequest"})
_ASKING: Final = "ask_user"
"""The name under which an extension's question is kept, since no tool call names it."""
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
    questions = [block["data"] for block in blocks if _is_action(block, "elicitation")]
    answers = [block["data"] for block in blocks if _is_action(block, "elicitationResponse")]
    reason = next((_REASONS[kind] for block in blocks if (kind := string(block.get("type"))) in _REASONS), "no_text")
    return Statement(
        (Turn(role, text, key=key),) if text else (),
        (
            *(_call(block) for block in blocks if string(block.get("type")) in _REQUESTS),
            *(Call(string(data.get("id")), _ASKING, "", _question(data)) for data in questions),
        ),
        (
            *(_result(block, created) for block in blocks if block.get("type") == "toolResponse"),
            *(_reply(data, created) for data in answers),
        ),
        skipped=reason,
    )


def _call(block: Mapping[str, Any]) -> Call:
    call = _value(block.get("toolCall"))
    name, arguments = string(call.get("name")), call.get("arguments")
    return Call(string(block.get("id")), name, given_text(arguments), read_call(name, arguments))


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


def _is_action(block: Mapping[str, Any], action: str) -> bool:
    data = block.get("data")
    return block.get("type") == "actionRequired" and isinstance(data, dict) and data.get("actionType") == action


def _question(data: Mapping[str, Any]) -> Dialogue:
    """Return the question that an extension asks: a message, and a JSON schema with a field for each answer."""
    schema = data.get("requested_schema")
    fields = schema.get("properties") if isinstance(schema, dict) else None
    named = (
        [(name, field) for name, field in fields.items() if isinstance(field, dict)] if isinstance(fields, dict) else []
    )
    message = string(data.get("message")).strip()
    questions = tuple(
        Question(
            message if len(named) == 1 else string(field.get("description")) or string(field.get("title")) or name,
            (name,),
            {option: option for option in field.get("enum") or () if isinstance(option, str)},
            is_secret=field.get("format") == "password",
        )
        for name, field in named
    )
    return Dialogue("question", message, questions)


def _reply(data: Mapping[str, Any], created: int | None) -> Result:
    details = {"answers": data.get("user_data")}
    return Result(string(data.get("id")), "", name=_ASKING, scope=f"goose {created or ''}", details=details)


def _value(wrapped: object) -> Mapping[str, Any]:
    value = wrapped.get("value", wrapped) if isinstance(wrapped, dict) else {}
    return value if isinstance(value, dict) else {}
