"""What the records of a Codex rollout mean: `{timestamp, type, payload}`, or the payload alone in the oldest files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from memento_ingest.formats.codex.others import (
    ENDED,
    ENDED_ITEMS,
    meta_of,
    output_text,
    read_agent_message,
    read_ended,
)
from memento_ingest.formats.codex.prompts import injected, parts_text, passthrough, typed
from memento_ingest.formats.codex.turns import CodexState, Form
from memento_ingest.formats.shared.dialogue import read_call
from memento_ingest.formats.shared.excerpt import Turn, string
from memento_ingest.formats.shared.statement import METADATA, Call, Result, Statement, unknown
from memento_ingest.formats.shared.thread import chain_key, clean
from memento_ingest.formats.shared.tool_text import given_text

__all__ = ["SOURCE", "CodexDialect", "CodexState"]

SOURCE: Final = "codex"

_SKIPPED: Final = {
    "compacted": "compact_summary",
    **dict.fromkeys("world_state inter_agent_communication_metadata".split(), "metadata"),
}
_BETWEEN: Final = "inter_agent_communication"
_TYPES: Final = frozenset({"session_meta", "response_item", "event_msg", "turn_context", _BETWEEN, *_SKIPPED})
_ITEMS: Final = {
    "reasoning": "thinking",
    "web_search_call": "tool_use",
    "image_generation_call": "tool_use",
    "compaction": "compact_summary",
    "compaction_summary": "compact_summary",
    "context_compaction": "compact_summary",
    "ghost_snapshot": "metadata",
    "other": "metadata",
}
_CALLS: Final = frozenset({"function_call", "custom_tool_call", "local_shell_call", "tool_search_call"})
_OUTPUTS: Final = frozenset({"function_call_output", "custom_tool_call_output", "tool_search_output"})
_BARE: Final = frozenset({"message", "agent_message", *_ITEMS, *_CALLS, *_OUTPUTS})
# Events that repeat what an item says, and those that say nothing about the conversation.
_EVENTS: Final = {
    **dict.fromkeys(
        "exec_command_begin patch_apply_begin patch_apply_end mcp_tool_call_begin web_search_begin web_search_end "
        "view_image_tool_call dynamic_tool_call_request image_generation_begin image_generation_end "
        "request_user_input elicitation_request request_permissions exec_approval_request "
        "apply_patch_approval_request".split(),
        "mirrored",
    ),
    **dict.fromkeys(
        "task_started task_complete turn_started turn_complete token_count turn_aborted context_compacted error "
        "warning stream_error background_event plan_update turn_diff item_started undo_started undo_completed "
        "exited_review_mode sub_agent_activity thread_settings_applied thread_goal_updated "
        "model_reroute thread_rolled_back thread_name_updated collab_agent_spawn_begin collab_agent_spawn_end "
        "collab_waiting_begin collab_waiting_end collab_close_begin collab_close_end collab_agent_interaction_begin "
        "collab_agent_interaction_end guardian_assessment".split(),
        "metadata",
    ),
    **dict.fromkeys("agent_reasoning agent_reasoning_raw_content agent_reasoning_section_break".split(), "thinking"),
}
_COMPLETED: Final = {
    "Reasoning": "thinking",
    "HookPrompt": "hook_output",
    "ContextCompaction": "metadata",
    **dict.fromkeys(
        "FileChange CollabAgentToolCall SubAgentActivity WebSearch ImageView ImageGeneration Plan TodoList "
        "Sleep".split(),
        "mirrored",
    ),
}


class CodexDialect:
    """Reads rollouts; every message has a key of its own (`turns`)."""

    source = SOURCE
    state = CodexState

    def is_record(self, value: Mapping[str, Any]) -> bool:
        """Tell whether an object is a record of a rollout; a bare item is none, for other formats look alike."""
        return string(value.get("type")) in _TYPES and isinstance(value.get("payload"), dict)

    def read(self, value: Mapping[str, Any], state: CodexState) -> Statement:
        """Return what a record says."""
        state.at(value.get("timestamp"))
        kind, payload = string(value.get("type")), value.get("payload")
        if not isinstance(payload, dict):
            if kind in _BARE:
                return _item(value, state)
            return _first_line(value, state) if "id" in value and not kind else _bare_or_unknown(value)
        if kind == "response_item":
            return _item(payload, state)
        if kind == "event_msg":
            return _event(payload, state)
        if kind == "session_meta":
            return _session(payload, state)
        if kind == "turn_context":
            state.enter(payload.get("turn_id"))
            state.works_in(payload.get("cwd"))
            state.model = clean(string(payload.get("model"))) or state.model
            return METADATA
        if kind == _BETWEEN:
            return read_agent_message(payload, state)
        return Statement(skipped=_SKIPPED[kind]) if kind in _SKIPPED else unknown(kind)


def _bare_or_unknown(value: Mapping[str, Any]) -> Statement:
    return METADATA if "record_type" in value else unknown(value.get("type"))


def _first_line(value: Mapping[str, Any], state: CodexState) -> Statement:
    """Read the first line of the oldest files: `{id, timestamp, instructions, git}`."""
    state.belongs_to(value.get("id"))
    state.chain = state.chain or state.session
    return METADATA


def _session(payload: Mapping[str, Any], state: CodexState) -> Statement:
    """Read a file's head. A fork repeats its parent's below its own: the first one counts."""
    if not state.session:
        state.belongs_to(payload.get("id"))
        state.chain = string(payload.get("forked_from_id"))[:128].replace("\0", "") or state.session
        state.works_in(payload.get("cwd"))
        origin = payload.get("source")
        state.sidechain = bool(payload.get("parent_thread_id")) or (isinstance(origin, dict) and "subagent" in origin)
    state.expects_events = state.expects_events or bool(payload.get("cli_version"))
    git = payload.get("git")
    state.branch = clean(string(git.get("branch"))) if isinstance(git, dict) else state.branch
    return METADATA


def _item(payload: Mapping[str, Any], state: CodexState) -> Statement:
    """Read what the model was given or gave."""
    kind = string(payload.get("type")) or ("message" if "role" in payload else "")
    if kind == "message":
        return _message(payload, state)
    if kind in _CALLS:
        state.replied = True
        return replace(_call(kind, payload, state), verdict="keep", place=state.place)
    if kind in _OUTPUTS:
        return replace(_output(payload, state), verdict="keep", place=state.place)
    if kind == "agent_message":
        return read_agent_message(payload, state)
    if kind in _ITEMS:
        state.replied = state.replied or kind == "reasoning"
        return Statement(skipped=_ITEMS[kind], verdict="keep" if kind in ("reasoning", "web_search_call") else "")
    return unknown(kind)


def _message(payload: Mapping[str, Any], state: CodexState) -> Statement:
    role, content = payload.get("role"), payload.get("content")
    if role == "assistant":
        return _answer("item", parts_text(content), string(payload.get("id")), state)
    if role != "user":
        return Statement(skipped="system")
    kinds = passthrough(payload, "content_item_kinds")
    text = typed(parts_text(content, kinds))
    reason = injected(text) or ("" if text else _why_empty(content))
    if reason:
        return Statement(skipped=reason)
    state.enter(passthrough(payload, "turn_id"))
    if state.is_repeated("item"):
        return Statement(skipped="mirrored")
    prompt = _prompt("item", text, state)
    return replace(prompt, provisional="mirrored") if state.expects_events else prompt


def _why_empty(content: object) -> str:
    if parts_text(content).strip():
        return "injected"
    return "media" if isinstance(content, list) and content else "no_text"


def _event(payload: Mapping[str, Any], state: CodexState) -> Statement:
    kind = string(payload.get("type"))
    if kind == "item_completed":
        return _completed(payload, state)
    if kind in ("task_started", "turn_started"):
        state.enter(payload.get("turn_id"))
        return METADATA
    if kind == "user_message":
        text = typed(string(payload.get("message")))
        if state.is_repeated("event"):
            return Statement(skipped="mirrored", verdict="drop")
        if not text:
            return Statement(skipped="media" if payload.get("images") else "no_text", verdict="drop")
        return replace(_prompt("event", text, state), verdict="drop")
    if kind == "agent_message":
        return _answer("event", string(payload.get("message")), "", state)
    if kind == "thread_rolled_back":
        return Statement(inactive=state.rolled_back(payload.get("num_turns")))
    if kind == "thread_name_updated":
        return Statement(skipped="title", title=string(payload.get("thread_name")))
    if kind == "entered_review_mode":
        return _review(payload, state)
    if kind in ENDED:
        return read_ended(payload, string(payload.get("call_id")), state)
    return Statement(skipped=_EVENTS[kind]) if kind in _EVENTS else unknown(f"event_msg/{kind}")


def _review(payload: Mapping[str, Any], state: CodexState) -> Statement:
    """Read what the person asked a review to look at; only this event has it."""
    target = payload.get("target")
    text = string(target.get("instructions")).strip() if isinstance(target, dict) else ""
    if not text:
        return METADATA
    key = chain_key(f"{state.scope} review", "user", text)
    return Statement((Turn("user", text, key=key, meta=meta_of(state)),), place=state.place)


def _completed(payload: Mapping[str, Any], state: CodexState) -> Statement:
    state.enter(payload.get("turn_id"))
    item = payload.get("item")
    item = item if isinstance(item, dict) else {}
    kind, text = string(item.get("type")), parts_text(item.get("content"))
    if kind == "UserMessage":
        text = typed(text)
        if not text:
            return Statement(skipped="media" if item.get("content") else "no_text", verdict="drop")
        return replace(_prompt("completed", text, state), verdict="drop")
    if kind == "AgentMessage":
        return _answer("completed", text, string(item.get("id")), state)
    if kind in ENDED_ITEMS:
        return read_ended(item, string(item.get("call_id")) or string(item.get("id")), state)
    return Statement(skipped=_COMPLETED[kind]) if kind in _COMPLETED else unknown(f"item/{kind}")


def _prompt(form: Form, text: str, state: CodexState) -> Statement:
    key = state.asked(form, text)
    return Statement((Turn("user", text, key=key, meta=meta_of(state)),), place=state.place)


def _answer(form: Form, text: str, item_id: str, state: CodexState) -> Statement:
    text = text.strip()
    if not text:
        return Statement(skipped="no_text", verdict="keep")
    key = state.said(form, text, item_id)
    if not key:
        return Statement(skipped="mirrored", verdict="keep")
    meta = {**({"model": state.model} if state.model else {}), **meta_of(state)}
    return Statement((Turn("assistant", text, key=key, meta=meta),), place=state.place, verdict="keep")


def _call(kind: str, payload: Mapping[str, Any], state: CodexState) -> Statement:
    name = string(payload.get("name")) or {"local_shell_call": "shell", "tool_search_call": "tool_search"}.get(kind, "")
    arguments = payload.get("arguments", payload.get("input", payload.get("action")))
    call_id = string(payload.get("call_id")) or string(payload.get("id"))
    state.called(call_id)
    call = Call(call_id, name, given_text(arguments), read_call(name, arguments), meta_of(state))
    return Statement(calls=(call,), skipped="tool_use")


def _output(payload: Mapping[str, Any], state: CodexState) -> Statement:
    output, is_error = output_text(payload.get("output", payload.get("tools")))
    call_id = string(payload.get("call_id"))
    state.called(call_id)
    result = Result(call_id, output, is_error, scope=state.scope, meta=meta_of(state))
    return Statement(results=(result,), skipped="empty_result")
