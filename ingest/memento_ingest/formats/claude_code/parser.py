"""Parser of one Claude Code transcript.

Invariant: the spans tile what was fed, and a run resumed at a checkpoint goes on like one that never stopped. What
is open - an assistant message that may get more blocks, a tool call that waits for its result - holds the checkpoint
back to its first line, by some `LOOKBACK_LINES` lines and `LOOKBACK_BYTES` bytes at most; farther than that nothing is
joined in any run, so it makes no difference where a source was split. Texts of open things live in memory only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import PurePath
from typing import Any, Final, NamedTuple

from memento_ingest.formats.claude_code.entry import Block, Body, Content, Entry, decode_entry, entry_from
from memento_ingest.formats.claude_code.envelopes import Prompt, read_prompt
from memento_ingest.formats.claude_code.group import Group, Mark, Stretch
from memento_ingest.formats.claude_code.state import MAX_CALLS, Call, State, restore
from memento_ingest.formats.claude_code.tools import content_text, input_text, output_text
from memento_ingest.formats.ids import short_id
from memento_ingest.formats.thread import chain_key, file_session
from memento_ingest.formats.tool_text import pair_text
from memento_ingest.jsonl import Record, records
from memento_ingest.span import SAMPLE_BYTES, Checkpoint, Line, SourceInfo, Span, Title
from memento_policies import Message

SOURCE: Final = "claude-code"
LOOKBACK_LINES: Final = 64
LOOKBACK_BYTES: Final = 4 * 1024 * 1024

_TITLES: Final = {"summary": 0, "ai-title": 1, "custom-title": 2}
_METADATA: Final = (
    "agent-color agent-name agent-setting attribution-snapshot content-replacement context-collapse-commit "
    "context-collapse-snapshot file-history-delta file-history-snapshot fork-context-ref last-prompt mode "
    "permission-mode pr-link queue-operation speculation-accept tag task-summary worktree-state"
).split()
_SKIPPED: Final = {"progress": "progress", "system": "system", **dict.fromkeys(_METADATA, "metadata")}
KNOWN_TYPES: Final = frozenset({"user", "assistant", "attachment", *_TITLES, *_SKIPPED})

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NO_CONTENT: Final = "(no content)"
"""What Claude Code writes as the text of an empty message."""
_SYNTHETIC: Final = "<synthetic>"
"""The model of a message that Claude Code wrote itself to report an API error."""
_BLOCK_REASONS: Final = {"thinking": "thinking", "redacted_thinking": "thinking", "image": "media", "document": "media"}
_CALLS: Final = ("tool_use", "server_tool_use", "mcp_tool_use")
_MAX_TYPE: Final = 64


class _Item(NamedTuple):
    """A stretch of a line: a record, or what became of bytes that are none."""

    offset: int
    length: int
    entry: Entry | None
    span: Span | None = None

    def skip(self, reason: str, unknown_type: str = "") -> Span:
        return Span(self.offset, self.length, skipped=reason, unknown_type=unknown_type)


class ClaudeCodeParser:
    """A `LineParser`; its keys are the ids Claude Code gives, whatever file and session they are found in."""

    def __init__(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> None:
        stem = PurePath(info.name).stem
        self._info = info
        self._file_session = stem if _UUID.fullmatch(stem) else ""
        self._file_agent = stem.removeprefix("agent-") if stem.startswith("agent-") else ""
        self._state = restore(checkpoint.state) if checkpoint else State()
        self._offset = checkpoint.offset if checkpoint else 0
        self._group: Group | None = None
        self._inputs: dict[str, tuple[str, Mark]] = {}
        self._unfinished: Checkpoint | None = None

    def feed(self, line: Line) -> Iterable[Span]:
        """Return the spans that are complete with this line."""
        if not line.data.endswith(b"\n"):
            self._unfinished = self.checkpoint()
        self._offset = line.offset
        spans: list[Span] = []
        if self._group and self._is_far(self._group.mark.line, self._group.mark.offset):
            self._close(spans)
        entry = decode_entry(line.data)
        if entry:
            self._read(_Item(line.offset, len(line.data), entry), entry, None, spans)
        else:
            self._salvage(line, spans)
        self._state.line += 1
        self._offset = line.offset + len(line.data)
        return spans

    def finish(self) -> Iterable[Span]:
        """Return the open message as far as it was said; a later run may read more of it."""
        return [self._group.span()] if self._group else []

    def checkpoint(self) -> Checkpoint:
        """Return the first line of what is still open, or the end of what was fed; never past an unfinished line."""
        if self._unfinished:
            return self._unfinished
        marks = [self._group.mark] if self._group else []
        for call_id, (_, mark) in self._inputs.items():
            call = self._state.calls.get(call_id)
            if call and not self._is_far(call.line, call.offset):
                marks.append(mark)
        mark = min(marks, default=None, key=lambda mark: mark.offset) or self._mark()
        return Checkpoint(mark.offset, mark.state.to_json())

    def _mark(self) -> Mark:
        return Mark(self._state.line, self._offset, self._state.copy())

    def _is_far(self, line: int, offset: int) -> bool:
        return self._state.line - line > LOOKBACK_LINES or self._offset - offset > LOOKBACK_BYTES

    def _ends_group(self, entry: Entry, group: Group) -> bool:
        """Tell whether someone else speaks; notices and metadata between two blocks don't end a message."""
        if entry.type == "assistant":
            return _message_id(entry.message) != group.message_id
        return entry.type == "user" or _is_queued(entry)

    def _close(self, spans: list[Span]) -> None:
        if self._group:
            self._state.close(self._group.message_id, self._group.blocks)
            spans.append(self._group.span())
            self._group = None

    def _salvage(self, line: Line, spans: list[Span]) -> None:
        """Read a line that is not one well-formed record."""
        items = _items(line)
        mark = None
        if len(items) > 1:  # they share one mark, the line's, so nothing older may stay open across it
            self._close(spans)
            mark = self._mark()
        for item in items:
            if item.entry:
                self._read(item, item.entry, mark, spans)
            elif item.span:
                spans.append(item.span)

    def _read(self, item: _Item, entry: Entry, mark: Mark | None, spans: list[Span]) -> None:
        """Read one record; `mark` is where it must be read from again, its own line if none is given."""
        if self._group and self._ends_group(entry, self._group):
            self._close(spans)
        state = self._state
        if entry.type == "assistant":
            mark = mark or self._mark()
            state.carry(entry.cwd, entry.sessionId, entry.timestamp)
            if span := self._assistant(item, entry, mark):
                spans.append(span)
            return
        state.carry(entry.cwd, entry.sessionId, entry.timestamp)
        if entry.type == "user":
            spans.append(self._user(item, entry))
        elif entry.attachment and _is_queued(entry):
            spans.append(self._prompt(item, entry, entry.attachment.prompt))
        else:
            state.link(entry.uuid, entry.parentUuid, "")
            spans.append(self._notice(item, entry))

    def _notice(self, item: _Item, entry: Entry) -> Span:
        """Return the span of a record that is nobody's message."""
        if entry.type in _TITLES:
            return self._title(item, entry)
        if entry.type == "attachment":
            kind = entry.attachment.type if entry.attachment else ""
            return item.skip("hook_output" if kind.startswith("hook_") else "attachment")
        if reason := _SKIPPED.get(entry.type):
            return item.skip(reason)
        return item.skip("unknown_type", entry.type[:_MAX_TYPE] or "(none)")

    def _assistant(self, item: _Item, entry: Entry, mark: Mark) -> Span | None:
        """Read one record of an assistant message; its text waits in the group for what may follow."""
        body = entry.message or Body()
        message_id = _message_id(body)
        texts, reason = self._blocks(body.content, mark)
        if entry.isApiErrorMessage or body.model == _SYNTHETIC:
            texts, reason = [], "api_error"
        if texts and message_id:
            texts, reason = [text for text in texts if not self._state.is_copy(message_id, text)], "duplicate_block"
        group = self._group
        if not texts or group:
            self._state.link(entry.uuid, entry.parentUuid, group.key if group and texts else "")
            if group:
                group.add(texts)
            return item.skip("merged_block" if texts else reason)
        if message_id:
            key = f"{message_id}#{self._state.groups(message_id)}"
        else:
            key = self._record_key(entry, "assistant", "\n\n".join(texts))
        self._state.link(entry.uuid, entry.parentUuid, key)
        header = self._header(entry) | {"meta": self._meta(entry, body.model)}
        group = Group(message_id, key, mark, Stretch(item.offset, item.length), header)
        group.add(texts)
        if not message_id:
            return group.span()
        self._group = group
        return None

    def _blocks(self, content: Content, mark: Mark) -> tuple[list[str], str]:
        """Return the text blocks, and the reason to skip the record if there are none; remember its tool calls."""
        blocks = [Block(type="text", text=content)] if isinstance(content, str) else content or ()
        texts = []
        reason = "no_text"
        for block in blocks:
            if block.type == "text":
                text = _clean(block.text or "").strip()
                if text and text != _NO_CONTENT:
                    texts.append(text)
            elif block.type in _CALLS:
                self._call(block, self._group.mark if self._group else mark)
                reason = "tool_use"
            elif reason == "no_text":
                reason = _BLOCK_REASONS.get(block.type, reason)
        return texts, reason

    def _call(self, block: Block, mark: Mark) -> None:
        if not block.id:
            return
        call_id, name = short_id(block.id), _clean(short_id(block.name or ""))
        self._state.call(call_id, Call(name, self._state.line, self._offset))
        self._inputs[call_id] = (_clean(input_text(name, block.input)), mark)
        if len(self._inputs) > MAX_CALLS:
            self._inputs = {key: self._inputs[key] for key in self._state.calls if key in self._inputs}

    def _user(self, item: _Item, entry: Entry) -> Span:
        content = entry.message.content if entry.message else None
        if isinstance(content, list):
            results = [block for block in content if block.type == "tool_result"]
            if results:
                return self._results(item, entry, results)
        return self._prompt(item, entry, content)

    def _results(self, item: _Item, entry: Entry, results: list[Block]) -> Span:
        """Return tool calls with their results. Text beside a result is Claude Code's own, not a person's."""
        messages = []
        for number, block in enumerate(results):
            call_id = short_id(block.tool_use_id or "")
            name, given = self._answered(call_id)
            text = pair_text(name, given, _clean(output_text(block.content)))
            if not text:
                continue
            key = call_id or self._record_key(entry, "tool", text) + (f"#{number}" if number else "")
            meta = {**self._meta(entry), "tool": name, **({"is_error": True} if block.is_error else {})}
            messages.append(
                Message(role="tool", text=text, key=key, kind="tool_call", meta=meta, **self._header(entry))
            )
        self._state.link(entry.uuid, entry.parentUuid, messages[0].key if messages else "")
        return Span(item.offset, item.length, messages=messages) if messages else item.skip("empty_result")

    def _answered(self, call_id: str) -> tuple[str, str]:
        """Return name and input of the call with this id, as far as they are known, and forget it."""
        call = self._state.answered(call_id)
        given, _ = self._inputs.pop(call_id, ("", None))
        if call is None:
            return "", ""
        return call.name, "" if self._is_far(call.line, call.offset) else given

    def _prompt(self, item: _Item, entry: Entry, content: Content) -> Span:
        """Return what a person typed, or why the record holds nothing of that kind."""
        reason = "compact_summary" if entry.isCompactSummary else ""
        reason = reason or ("meta" if entry.isMeta or entry.isVisibleInTranscriptOnly else "")
        prompt = Prompt("", reason) if reason else read_prompt(_clean(content_text(content, "\n\n")))
        if not prompt.text:
            self._state.link(entry.uuid, entry.parentUuid, "")
            return item.skip(prompt.skipped)
        key = self._record_key(entry, "user", prompt.text)
        inactive: tuple[str, ...] = ()
        if entry.type == "user" and not entry.isSidechain:
            inactive = self._state.abandoned(entry.uuid, entry.parentUuid)
        # A queued prompt hangs beside the turn it interrupts and is on no branch of its own.
        self._state.link(entry.uuid, entry.parentUuid, key if entry.type == "user" else "")
        meta = self._meta(entry)
        if prompt.command:
            meta = {**meta, "command": prompt.command}
        message = Message(role="user", text=prompt.text, key=key, meta=meta, **self._header(entry))
        return Span(item.offset, item.length, messages=(message,), inactive=inactive)

    def _title(self, item: _Item, entry: Entry) -> Span:
        text = _clean(entry.customTitle or entry.aiTitle or entry.summary or entry.title or "").strip()
        session = self._file_session or self._state.session
        titles = (Title(session, text, _TITLES[entry.type]),) if text and session else ()
        return Span(item.offset, item.length, skipped="title", titles=titles)

    def _record_key(self, entry: Entry, role: str, text: str) -> str:
        """Return the record's own id, the original's for a copy; without any, the chained hash of what was said."""
        uuid = (entry.forkedFrom and entry.forkedFrom.messageUuid) or entry.uuid
        if uuid:
            return short_id(uuid)
        stated = f"{entry.sessionId or ''} {entry.timestamp or ''} {role}"
        self._state.chain = chain_key(self._state.chain, stated, text)
        return self._state.chain

    def _header(self, entry: Entry) -> dict[str, Any]:
        """Return what every message of the record has in common."""
        in_file = "" if entry.isSidechain else self._file_session
        return {
            "timestamp": self._state.time or self._info.modified,
            "source": SOURCE,
            "session_id": in_file or self._state.session or self._file_session or file_session(self._info),
            "project": self._state.cwd,
        }

    def _meta(self, entry: Entry, model: str | None = None) -> Mapping[str, Any]:
        return _meta(model, entry.gitBranch, entry.agentId or self._file_agent, bool(entry.isSidechain))


@lru_cache(maxsize=256)
def _meta(model: str | None, branch: str | None, agent: str, sidechain: bool) -> dict[str, Any]:
    meta = {"model": model, "git_branch": branch, "agent_id": agent, "sidechain": sidechain}
    return {name: value for name, value in meta.items() if value}


def _message_id(body: Body | None) -> str:
    return short_id(body.id) if body and body.id else ""


def _is_queued(entry: Entry) -> bool:
    return entry.attachment is not None and entry.attachment.type == "queued_command" and entry.type == "attachment"


def _clean(text: str) -> str:
    """Drop NULs, which hide the text after them from SQL."""
    return text.replace("\0", "") if "\0" in text else text


def _items(line: Line) -> list[_Item]:
    """Return what a line holds that is not one well-formed record."""
    found = records(line)
    return [_item(line, record, is_dirty=len(found) > 1) for record in found]


def _item(line: Line, record: Record, *, is_dirty: bool) -> _Item:
    offset, length, value, defect = record
    if isinstance(value, dict):
        entry = entry_from(value)
        # In a broken line an object of no known type is a part of a record that was cut, not a record.
        if not is_dirty or entry.type in KNOWN_TYPES:
            return _Item(offset, length, entry)
        defect = "broken_json"
    if defect:
        start = offset - line.offset
        sample = line.data[start : start + min(length, SAMPLE_BYTES)]
        return _Item(offset, length, None, Span(offset, length, defect=defect, sample=sample))
    return _Item(offset, length, None, Span(offset, length, skipped="blank" if record.blank else "not_an_object"))
