"""What Codex writes beside the turns of the main agent: results that only an event has, and words between agents.

In code mode a script calls tools; only the script is an item, and what its tools returned is an event. An event whose
call is an item repeats that item's result and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from memento_ingest.formats.codex.prompts import parts_text
from memento_ingest.formats.codex.turns import CodexState
from memento_ingest.formats.shared.excerpt import Turn, block_text, string
from memento_ingest.formats.shared.ids import is_unique, short_id
from memento_ingest.formats.shared.statement import Statement
from memento_ingest.formats.shared.thread import chain_key
from memento_ingest.formats.shared.tool_text import MAX_OUTPUT, cut, given_text, pair_text
from memento_ingest.jsonl import decode

ENDED: Final = frozenset({"mcp_tool_call_end", "exec_command_end", "dynamic_tool_call_response"})
"""Events that hold the result of a tool call."""
ENDED_ITEMS: Final = frozenset({"McpToolCall", "CommandExecution", "DynamicToolCall"})
"""The same as completed items."""

_HEADER: Final = re.compile(
    r"\A(?:[ \t]*(?:Message Type|Task name|Sender|Recipient|Author|Agent)[ \t]*:[^\n]*\n)*[ \t]*Payload[ \t]*:\s*",
    re.IGNORECASE,
)


def read_agent_message(payload: Mapping[str, Any], state: CodexState) -> Statement:
    """Read what one agent said to another: a message of the one that wrote it, never of the person."""
    content = payload.get("content")
    text = _HEADER.sub("", parts_text(content)).strip()
    if not text:
        return Statement(skipped="thinking" if content else "no_text")
    author = short_id(string(payload.get("author")).replace("\0", ""))
    # The same message is noted as an item and as a record of its own.
    key = chain_key(f"{state.session} {author} {string(payload.get('recipient'))}", "assistant", text)
    meta = {**meta_of(state), "sidechain": True, **({"agent_id": author} if author else {})}
    return Statement((Turn("assistant", text, key=key, meta=meta),), place=state.place)


def read_ended(value: Mapping[str, Any], call_id: str, state: CodexState) -> Statement:
    """Read the result of a tool call that no item has."""
    if state.knows(call_id):
        return Statement(skipped="mirrored")
    name, given = _called(value)
    output, is_error = _returned(value)
    text = pair_text(name, given, cut(output.strip(), MAX_OUTPUT))
    if not output.strip():
        return Statement(skipped="empty_result")
    call_id = short_id(call_id.replace("\0", ""))
    key = call_id if is_unique(call_id) else chain_key(f"{state.scope} {call_id}", "tool", output)
    meta = {**meta_of(state), "tool": short_id(name), **({"is_error": True} if is_error else {})}
    return Statement((Turn("tool", text, key=key, kind="tool_call", meta=meta),), place=state.place)


def _called(value: Mapping[str, Any]) -> tuple[str, str]:
    """Return the tool's name, with its server's, and the telling part of what it was given."""
    invocation = value.get("invocation")
    call = invocation if isinstance(invocation, dict) else value
    if command := call.get("command"):
        return "shell", given_text({"command": command})
    name = ".".join(filter(None, (string(call.get("server")), string(call.get("tool")))))
    return name.replace("\0", "") or "tool", given_text(call.get("arguments"))


def _returned(value: Mapping[str, Any]) -> tuple[str, bool]:
    result = value.get("result")
    if isinstance(result, dict) and ("Ok" in result or "Err" in result):
        value = {**value, "result": result.get("Ok"), "error": result.get("Err")}
        result = value["result"]
    error = value.get("error")
    if error:
        return string(error) or string(error.get("message") if isinstance(error, dict) else ""), True
    if isinstance(result, dict):
        return block_text(result.get("content")), result.get("isError") is True or result.get("is_error") is True
    if items := value.get("content_items", value.get("contentItems")):
        return block_text(items), value.get("success") is False
    names = ("aggregated_output", "aggregatedOutput", "formatted_output", "stdout", "stderr")
    output = next((text for name in names if (text := string(value.get(name))).strip()), string(result))
    return output, value.get("exit_code", value.get("exitCode")) not in (None, 0)


def meta_of(state: CodexState) -> dict[str, Any]:
    """Return the facts that all messages of a rollout carry."""
    meta = {"git_branch": state.branch, "sidechain": state.sidechain}
    return {name: value for name, value in meta.items() if value}


def output_text(output: object) -> tuple[str, bool]:
    """Return a result's text and whether it is a failure; shells write `{"output", "metadata": {"exit_code"}}`."""
    if isinstance(output, str) and output.startswith('{"'):
        value, _ = decode(output.encode("utf-8", "replace"))
        if isinstance(value, dict) and isinstance(value.get("output"), str):
            noted = value.get("metadata")
            return value["output"], isinstance(noted, dict) and noted.get("exit_code") not in (None, 0)
    if isinstance(output, dict):
        return block_text(output.get("content", output.get("output"))), output.get("success") is False
    return block_text(output), False
