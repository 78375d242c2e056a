"""GitHub Copilot CLI's sessions: `~/.copilot/session-state/<id>/events.jsonl`, one event `{type, data, id}` a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from memento_ingest.formats.shared.agent_lines import AgentParser, sniff_records
from memento_ingest.formats.shared.dialogue import Dialogue, read_call
from memento_ingest.formats.shared.excerpt import Turn, block_text, string
from memento_ingest.formats.shared.ids import is_unique, short_id
from memento_ingest.formats.shared.statement import METADATA, Call, Result, State, Statement, unknown
from memento_ingest.formats.shared.thread import chain_key, clean
from memento_ingest.formats.shared.tool_text import given_text
from memento_ingest.span import Checkpoint, SourceInfo

SOURCE: Final = "copilot"

_FAMILIES: Final = frozenset(
    "session user assistant tool system subagent hook skill permission external_tool command user_input elicitation "
    "exit_plan_mode".split()
)
_SKIPPED: Final = {
    **dict.fromkeys(
        "assistant.turn_start assistant.turn_end assistant.intent assistant.usage assistant.streaming_delta "
        "assistant.message_start assistant.idle tool.execution_partial_result tool.execution_progress "
        "tool.user_requested subagent.started subagent.completed subagent.failed subagent.selected "
        "subagent.deselected skill.invoked abort result model.call_failure".split(),
        "metadata",
    ),
    "assistant.reasoning": "thinking",
    "assistant.reasoning_delta": "thinking",
    "assistant.message_delta": "partial",
    "system.message": "system",
    "system.notification": "system",
    "hook.start": "hook_output",
    "hook.end": "hook_output",
    "session.compaction_complete": "compact_summary",
}
_NOTICES: Final = ("session.", "permission.", "user_input.", "elicitation.")
"""Families of events that say nothing that another event does not say."""


class CopilotDialect:
    """Reads a session's events."""

    source = SOURCE
    state = State

    def is_record(self, value: Mapping[str, Any]) -> bool:
        """Tell whether an object is an event."""
        family, dot, _ = string(value.get("type")).partition(".")
        return bool(dot) and family in _FAMILIES and isinstance(value.get("data"), dict)

    def read(self, value: Mapping[str, Any], state: State) -> Statement:
        """Return what an event says."""
        kind, data = string(value.get("type")), value.get("data")
        data = data if isinstance(data, dict) else {}
        state.at(value.get("timestamp"))
        match kind:
            case "session.start" | "session.resume" | "session.context_changed":
                return _session(data, state)
            case "session.title_changed":
                return Statement(skipped="title", title=string(data.get("title")))
            case "session.model_change":
                state.model = clean(string(data.get("newModel")))[:64]
                return METADATA
            case "user.message":
                return _user(value, data, state)
            case "assistant.message":
                return _assistant(value, data, state)
            case "tool.execution_start":
                call = _call(data)
                # The message that asked for it comes first and is the better place to begin again.
                return Statement(calls=() if short_id(call.id) in state.calls else (call,), skipped="tool_use")
            case "tool.execution_complete":
                return _result(data)
            case "exit_plan_mode.requested":
                return _planned(data)
            case "exit_plan_mode.completed":
                return _decided(data)
        if kind in _SKIPPED:
            return Statement(skipped=_SKIPPED[kind])
        return METADATA if kind.startswith(_NOTICES) else unknown(kind)


def _session(data: Mapping[str, Any], state: State) -> Statement:
    state.belongs_to(data.get("sessionId"))
    context = data.get("context", data)
    state.works_in(context.get("cwd") if isinstance(context, dict) else None)
    return METADATA


def _user(value: Mapping[str, Any], data: Mapping[str, Any], state: State) -> Statement:
    source = string(data.get("source"))
    if source.startswith("skill-"):
        return Statement(skipped="instructions")
    if source in ("system", "autopilot", "command"):
        return Statement(skipped="injected")
    return Statement(
        _turn(value, Turn("user", string(data.get("content")), meta=_meta(data)), state), skipped="no_text"
    )


def _assistant(value: Mapping[str, Any], data: Mapping[str, Any], state: State) -> Statement:
    requests = data.get("toolRequests")
    calls = tuple(
        _call(request, _meta(data))
        for request in (requests if isinstance(requests, list) else [])
        if isinstance(request, dict)
    )
    model = clean(string(data.get("model")))[:64] or state.model
    meta = {**({"model": model} if model else {}), **_meta(data)}
    reason = "thinking" if data.get("reasoningText") else "no_text"
    turns = _turn(value, Turn("assistant", string(data.get("content")), meta=meta), state)
    return Statement(turns, calls, skipped=reason)


def _call(data: Mapping[str, Any], meta: Mapping[str, Any] | None = None) -> Call:
    name, arguments = _tool_name(data), data.get("arguments")
    meta = _meta(data) if meta is None else meta
    return Call(string(data.get("toolCallId")), name, given_text(arguments), read_call(name, arguments), meta)


def _planned(data: Mapping[str, Any]) -> Statement:
    """Remember the plan that the person is asked to approve."""
    dialogue = Dialogue("plan", string(data.get("planContent")) or string(data.get("summary")))
    return Statement(calls=(Call(_request(data), "exit_plan_mode", "", dialogue),))


def _decided(data: Mapping[str, Any]) -> Statement:
    """Read the person's verdict on a plan."""
    verdict = "Plan approved" if data.get("approved") is True else "Plan rejected"
    return Statement(results=(Result(_request(data), verdict, name="exit_plan_mode", details=data),))


def _request(data: Mapping[str, Any]) -> str:
    return string(data.get("requestId"))


def _result(data: Mapping[str, Any]) -> Statement:
    result, error = data.get("result"), data.get("error")
    output = block_text(result.get("content")) if isinstance(result, dict) else string(result)
    if not output and isinstance(error, dict):
        output = string(error.get("message"))
    failed = data.get("success") is False
    call_id, meta = string(data.get("toolCallId")), _meta(data)
    answer = Result(call_id, output or string(error), failed, _tool_name(data), details=result, meta=meta)
    return Statement(results=(answer,), skipped="empty_result")


def _turn(value: Mapping[str, Any], turn: Turn, state: State) -> tuple[Turn, ...]:
    """Return the turn with the event's id as its key; one that is not random is scoped by the session."""
    event = short_id(string(value.get("id")))
    if event and not is_unique(event):
        event = chain_key(f"{state.session} {event} {value.get('timestamp')}", turn.role, "")
    return (turn._replace(key=event),) if turn.text.strip() else ()


def _tool_name(data: Mapping[str, Any]) -> str:
    return string(data.get("toolName")) or string(data.get("name")) or string(data.get("mcpToolName"))


def _meta(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that every event of a subagent carries."""
    return {"sidechain": True} if data.get("parentToolCallId") else {}


_DIALECT: Final = CopilotDialect()


class Copilot:
    """The line format of Copilot CLI."""

    name = SOURCE

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether one of the first lines is an event."""
        return sniff_records(_DIALECT, head)

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> AgentParser[State]:
        """Return a parser that begins at the checkpoint, or at offset 0."""
        return AgentParser(_DIALECT, info, checkpoint)
