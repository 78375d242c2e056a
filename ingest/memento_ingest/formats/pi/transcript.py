"""Pi's sessions, and OpenClaw's, which are the same lines: a header, then entries that form a tree.

Pi: `~/.pi/agent/sessions/--<path>--/<time>_<uuid>.jsonl`. OpenClaw: `agents/<agent>/sessions/<id>[-topic-<n>].jsonl`,
archived as `.jsonl.reset.<time>` and `.jsonl.deleted.<time>`; its `.checkpoint.*` files repeat sessions and are not
read. A turn that hangs on an earlier entry than the latest starts a branch; what it leaves behind is inactive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from memento_ingest.formats.shared.agent_lines import AgentParser, sniff_records
from memento_ingest.formats.shared.branches import Link, abandoned
from memento_ingest.formats.shared.dialogue import read_call
from memento_ingest.formats.shared.excerpt import Turn, block_text, string
from memento_ingest.formats.shared.ids import short_id
from memento_ingest.formats.shared.sniffing import first_value
from memento_ingest.formats.shared.statement import METADATA, WINDOW, Call, Result, State, Statement, unknown
from memento_ingest.formats.shared.thread import chain_key, clean
from memento_ingest.formats.shared.tool_text import MAX_OUTPUT, cut, given_text, pair_text
from memento_ingest.span import Checkpoint, SourceInfo

_SKIPPED: Final = {
    "model_change": "metadata",
    "thinking_level_change": "metadata",
    "label": "metadata",
    "custom": "metadata",
    "custom_message": "injected",
    "compaction": "compact_summary",
    "branch_summary": "compact_summary",
}
_TYPES: Final = frozenset({"session", "message", "session_info", *_SKIPPED})
_ROLES_SKIPPED: Final = {
    "custom": "injected",
    "hookMessage": "hook_output",
    "branchSummary": "compact_summary",
    "compactionSummary": "compact_summary",
    "system": "system",
    "developer": "system",
}
_CHECKPOINT: Final = re.compile(r"\.checkpoint\.")
_OPENCLAW_FOLDER: Final = re.compile(r"[/\\]agents[/\\][^/\\]+[/\\]sessions[/\\][^/\\]*$")


class PiState(State):
    """The state of a session's parser."""

    links: tuple[Link, ...] = ()
    """The latest entries; ids that are not random are unique in the file, which is all that is needed here."""


class PiDialect:
    """Reads a session's entries.

    An entry's key is made of its id, its time and what it says: ids are short, and a fork repeats them under its own
    header.
    """

    state = PiState

    def __init__(self, source: str) -> None:
        self.source = source

    def is_record(self, value: Mapping[str, Any]) -> bool:
        """Tell whether an object is a session's header or one of its entries."""
        kind = string(value.get("type"))
        if kind == "session":
            return "id" in value and "timestamp" in value and "message" not in value
        if kind == "message":
            message = value.get("message")
            return isinstance(message, dict) and "role" in message and "timestamp" in value
        return kind in _TYPES and "parentId" in value and "id" in value

    def read(self, value: Mapping[str, Any], state: PiState) -> Statement:
        """Return what a header or an entry says."""
        kind = string(value.get("type"))
        state.at(value.get("timestamp"))
        if kind == "session":
            state.belongs_to(value.get("id"))
            state.works_in(value.get("cwd"))
            return METADATA
        entry, parent = short_id(string(value.get("id"))), short_id(string(value.get("parentId")))
        statement = self._entry(kind, value, state)
        key = next((turn.key for turn in statement.turns), "")
        inactive = abandoned(state.links, entry, parent) if key else ()
        if entry:
            state.links = (*state.links, (entry, parent, key))[-WINDOW:]
        return replace(statement, inactive=inactive) if inactive else statement

    def _entry(self, kind: str, value: Mapping[str, Any], state: PiState) -> Statement:
        if kind == "message":
            message = value.get("message")
            return _message(value, message, state) if isinstance(message, dict) else unknown("message")
        if kind == "session_info":
            return Statement(skipped="title", title=string(value.get("name")))
        if kind == "model_change":
            state.model = clean(string(value.get("modelId")))[:64]
        return Statement(skipped=_SKIPPED[kind]) if kind in _SKIPPED else unknown(kind)


def _message(entry: Mapping[str, Any], message: Mapping[str, Any], state: PiState) -> Statement:
    role, content = string(message.get("role")), message.get("content")
    if role == "user":
        text = block_text(content)
        return Statement(_turns(entry, Turn("user", text)), skipped="media" if content and not text else "no_text")
    if role == "assistant":
        return _assistant(entry, message, state)
    if role == "toolResult":
        call_id = string(message.get("toolCallId"))
        name, is_error = string(message.get("toolName")), message.get("isError") is True
        # A fork repeats its calls with the times of the original.
        scope = f"{entry.get('id')} {entry.get('timestamp')}"
        result = Result(call_id, block_text(content), is_error, name, scope, message.get("details"))
        return Statement(results=(result,), skipped="empty_result")
    if role == "bashExecution":
        text = pair_text("bash", string(message.get("command")), cut(string(message.get("output")).strip(), MAX_OUTPUT))
        meta = {"tool": "bash", **({"is_error": True} if message.get("exitCode") not in (None, 0) else {})}
        return Statement(_turns(entry, Turn("tool", text, kind="tool_call", meta=meta)), skipped="empty_result")
    return Statement(skipped=_ROLES_SKIPPED[role]) if role in _ROLES_SKIPPED else unknown(f"message/{role}")


def _assistant(entry: Mapping[str, Any], message: Mapping[str, Any], state: PiState) -> Statement:
    content = message.get("content")
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    calls = tuple(_call(string(block.get("name")), block) for block in blocks if block.get("type") == "toolCall")
    model = clean(string(message.get("model")))[:64] or state.model
    text = content if isinstance(content, str) else block_text([b for b in blocks if b.get("type") == "text"])
    reason = "thinking" if any(block.get("type") == "thinking" for block in blocks) else "no_text"
    if message.get("stopReason") == "error":
        reason = "api_error"
    turn = Turn("assistant", text, meta={"model": model} if model else {})
    return Statement(_turns(entry, turn), calls, skipped=reason)


def _call(name: str, block: Mapping[str, Any]) -> Call:
    arguments = block.get("arguments")
    return Call(string(block.get("id")), name, given_text(arguments), read_call(name, arguments))


def _turns(entry: Mapping[str, Any], turn: Turn) -> tuple[Turn, ...]:
    """Return the turn with its key, if it says anything; entries of the first version have no id."""
    text = clean(turn.text).strip()
    if not text:
        return ()
    own = string(entry.get("id"))
    key = chain_key(f"{own} {entry.get('timestamp')}", turn.role, text) if own else ""
    return (turn._replace(text=text, key=key),)


def _is_imitation(value: Mapping[str, Any]) -> bool:
    """Tell the records of agents with the same envelope and Anthropic's blocks in it (Factory Droid)."""
    message = value.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    kinds = {block.get("type") for block in content if isinstance(block, dict)} if isinstance(content, list) else set()
    return value.get("type") == "session_start" or not kinds.isdisjoint(("tool_use", "tool_result"))


class Pi:
    """The line format of Pi."""

    name = "pi"

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether one of the first lines is an entry of a session, and the file is not one of OpenClaw's."""
        is_read = not _CHECKPOINT.search(info.name) and not is_openclaw(head, info)
        return is_read and sniff_records(PiDialect(self.name), head, _is_imitation)

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> AgentParser[PiState]:
        """Return a parser that begins at the checkpoint, or at offset 0."""
        # `<time>_<uuid>.jsonl`
        return AgentParser(PiDialect(self.name), info, checkpoint, info.name.partition("_")[2].partition(".")[0])


class OpenClaw:
    """The line format of OpenClaw up to 2026.7."""

    name = "openclaw"

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether one of the first lines is an entry of a session, and the file is OpenClaw's."""
        is_read = not _CHECKPOINT.search(info.name) and is_openclaw(head, info)
        return is_read and sniff_records(PiDialect(self.name), head, _is_imitation)

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> AgentParser[PiState]:
        """Return a parser that begins at the checkpoint, or at offset 0."""
        session = re.split(r"-topic-|\.", info.name, maxsplit=1)[0].strip("<>")
        return AgentParser(PiDialect(self.name), info, checkpoint, session)


def is_openclaw(head: bytes, info: SourceInfo) -> bool:
    """Tell OpenClaw's session files from Pi's: they are named after the session's id, or lie in an agent's folder."""
    if _OPENCLAW_FOLDER.search(info.path):
        return True
    header = first_value(head.partition(b"\n")[0])
    session = header.get("id") if isinstance(header, dict) and header.get("type") == "session" else None
    return isinstance(session, str) and bool(session) and info.name.startswith(session)
