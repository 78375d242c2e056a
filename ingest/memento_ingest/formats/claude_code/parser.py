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
from typing import Any, Final

from memento_ingest.formats.claude_code.entry import Block, Body, Content, Entry, decode_entry
from memento_ingest.formats.claude_code.envelopes import Prompt, read_aside, read_prompt
from memento_ingest.formats.claude_code.group import Group, Mark, Stretch
from memento_ingest.formats.claude_code.items import SKIPPED, TITLES, Item, items_of
from memento_ingest.formats.claude_code.state import MAX_CALLS, Call, State, restore
from memento_ingest.formats.claude_code.tools import Input, content_text, details_of, output_text, read_input
from memento_ingest.formats.shared.dialogue import Words, asked, is_prose, read_reply, refused
from memento_ingest.formats.shared.ids import short_id
from memento_ingest.formats.shared.thread import chain_key, clean, file_session
from memento_ingest.formats.shared.tool_text import MAX_OUTPUT, cut, pair_text
from memento_ingest.span import Checkpoint, Line, SourceInfo, Span, Title
from memento_policies import Message

SOURCE: Final = "claude-code"
LOOKBACK_LINES: Final = 64
LOOKBACK_BYTES: Final = 4 * 1024 * 1024

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NO_CONTENT: Final = "(no content)"
"""What Claude Code writes as the text of an empty message."""
_SYNTHETIC: Final = "<synthetic>"
"""The model of a message that Claude Code wrote itself to report an API error."""
_BLOCK_REASONS: Final = {"thinking": "thinking", "redacted_thinking": "thinking", "image": "media", "document": "media"}
_CALLS: Final = ("tool_use", "server_tool_use", "mcp_tool_use")
_ORIGINS: Final = {"task-notification": "task_notification", "hook": "hook_output", "system": "system"}
"""Who queues prompts beside the person, and the reason to skip what they queue."""
_MAX_TYPE: Final = 64
_ASKED_FOR: Final = frozenset({"Bash", "Edit", "MultiEdit", "Write", "NotebookEdit", "ExitPlanMode"})
"""Tools that the person is asked to allow."""
_SECOND: Final = re.compile(r"(?:[2-9]|\d\d+)\.")


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
        self._inputs: dict[str, tuple[Input, Mark]] = {}

    def feed(self, line: Line) -> Iterable[Span]:
        """Return the spans that are complete with this line."""
        self._offset = line.offset
        spans: list[Span] = []
        if self._group and self._is_far(self._group.mark.line, self._group.mark.offset):
            self._close(spans)
        entry = decode_entry(line.data)
        if entry:
            self._read(Item(line.offset, len(line.data), entry), entry, None, spans)
        else:
            self._salvage(line, spans)
        self._state.line += 1
        self._offset = line.offset + len(line.data)
        return spans

    def finish(self) -> Iterable[Span]:
        """Return the open message as far as it was said; a later run may read more of it."""
        return [self._group.span()] if self._group else []

    def checkpoint(self) -> Checkpoint:
        """Return the first line of what is still open, or the end of what was fed."""
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
        items = items_of(line)
        mark = None
        if len(items) > 1:  # they share one mark, the line's, so nothing older may stay open across it
            self._close(spans)
            mark = self._mark()
        for item in items:
            if item.entry:
                self._read(item, item.entry, mark, spans)
            elif item.span:
                spans.append(item.span)

    def _read(self, item: Item, entry: Entry, mark: Mark | None, spans: list[Span]) -> None:
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

    def _notice(self, item: Item, entry: Entry) -> Span:
        """Return the span of a record that is nobody's message."""
        if entry.type in TITLES:
            return self._title(item, entry)
        if entry.type == "attachment":
            kind = entry.attachment.type if entry.attachment else ""
            return item.skip("hook_output" if kind.startswith("hook_") else "attachment")
        if reason := SKIPPED.get(entry.type):
            return item.skip(reason)
        return item.skip("unknown_type", entry.type[:_MAX_TYPE] or "(none)")

    def _assistant(self, item: Item, entry: Entry, mark: Mark) -> Span | None:
        """Read one record of an assistant message; its text waits in the group for what may follow."""
        body = entry.message or Body()
        message_id = _message_id(body)
        texts, said, reason = self._blocks(body.content, mark)
        asides = [self._message(entry, words, key, body.model) for key, words in said]
        if entry.isApiErrorMessage or body.model == _SYNTHETIC:
            texts, reason = [], "api_error"
        if texts and message_id:
            texts, reason = [text for text in texts if not self._state.is_copy(message_id, text)], "duplicate_block"
        group = self._group
        if not texts or group:
            spoken = group.key if group and texts else asides[0].key if asides else ""
            self._state.link(entry.uuid, entry.parentUuid, spoken)
            if group:
                group.add(texts)
            if asides:
                return Span(item.offset, item.length, messages=asides)
            return item.skip("merged_block" if texts else reason)
        if message_id:
            key = f"{message_id}#{self._state.groups(message_id)}"
        else:
            key = self._record_key(entry, "assistant", "\n\n".join(texts))
        self._state.link(entry.uuid, entry.parentUuid, key)
        header = self._header(entry) | {"meta": self._meta(entry, body.model)}
        group = Group(message_id, key, mark, Stretch(item.offset, item.length), header, asides)
        group.add(texts)
        if not message_id:
            return group.span()
        self._group = group
        return None

    def _blocks(self, content: Content, mark: Mark) -> tuple[list[str], list[tuple[str, Words]], str]:
        """Return the text blocks, what tool calls say, and the reason to skip the record if there is neither.

        Tool calls are remembered until their result comes.
        """
        blocks = [Block(type="text", text=content)] if isinstance(content, str) else content or ()
        texts: list[str] = []
        said: list[tuple[str, Words]] = []
        reason = "no_text"
        for block in blocks:
            if block.type == "text":
                text = clean(block.text or "").strip()
                if text and text != _NO_CONTENT:
                    texts.append(text)
            elif block.type in _CALLS:
                said += self._call(block, self._group.mark if self._group else mark)
                reason = "tool_use"
            elif reason == "no_text":
                reason = _BLOCK_REASONS.get(block.type, reason)
        return texts, said, reason

    def _call(self, block: Block, mark: Mark) -> list[tuple[str, Words]]:
        """Remember a tool call; return what it says to the person."""
        if not block.id:
            return []
        call_id, name = short_id(block.id), clean(short_id(block.name or ""))
        self._state.call(call_id, Call(name, self._state.line, self._offset))
        given = read_input(name, block.input)
        self._inputs[call_id] = (given, mark)
        if len(self._inputs) > MAX_CALLS:
            self._inputs = {key: self._inputs[key] for key in self._state.calls if key in self._inputs}
        return [(call_id, words) for words in asked(given.dialogue)]

    def _message(self, entry: Entry, words: Words, key: str, model: str | None = None) -> Message:
        """Return what someone says in a tool call or its result."""
        meta = {**self._meta(entry, model), **words.meta}
        text = clean(words.text)
        return Message(role=words.role, text=text, key=key + words.suffix, meta=meta, **self._header(entry))

    def _user(self, item: Item, entry: Entry) -> Span:
        content = entry.message.content if entry.message else None
        if isinstance(content, list):
            results = [block for block in content if block.type == "tool_result"]
            if results:
                return self._results(item, entry, content, results)
        return self._prompt(item, entry, content)

    def _results(self, item: Item, entry: Entry, content: list[Block], results: list[Block]) -> Span:
        """Return tool calls with their results, and what the person says in them and beside them."""
        messages: list[Message] = []
        is_only = len(results) == 1
        for number, block in enumerate(results):
            call_id = short_id(block.tool_use_id or "")
            name, given = self._answered(call_id)
            output = clean(output_text(block.content))
            reply = read_reply(
                name,
                given.dialogue if given else None,
                output,
                is_error=block.is_error is True,
                details=details_of(name, entry.toolUseResult) if is_only else None,
                given=given.text if given else "",
                has_arguments=given is not None,
                feedback=clean(entry.userFeedback or "") if is_only else "",
            )
            inferred: Mapping[str, Any] = {}
            if block.is_error and not reply.words and _is_typed(name, output, entry.version):
                reply = refused(name, output, given.text if given else "")
                inferred = {"inferred": True}
            text = pair_text(name, given.text if given else "", cut(reply.output, MAX_OUTPUT))
            if not text and not reply.words:
                continue
            key = call_id or self._record_key(entry, "tool", text) + (f"#{number}" if number else "")
            if reply.output or not reply.words:
                meta = {**self._meta(entry), "tool": name, **({"is_error": True} if block.is_error else {})}
                messages.append(
                    Message(role="tool", text=text, key=key, kind="tool_call", meta=meta, **self._header(entry))
                )
            messages += [
                self._message(entry, words._replace(meta={**words.meta, **inferred}), key) for words in reply.words
            ]
        messages += self._aside(entry, content)
        self._state.link(entry.uuid, entry.parentUuid, messages[-1].key if messages else "")
        return Span(item.offset, item.length, messages=messages) if messages else item.skip("empty_result")

    def _aside(self, entry: Entry, content: list[Block]) -> list[Message]:
        """Return what the person typed beside the results of tools: while one ran, or on allowing or refusing it."""
        if entry.isMeta or entry.isCompactSummary or entry.isVisibleInTranscriptOnly:
            return []
        typed = [read_aside(clean(block.text or "")) for block in content if block.type == "text"]
        text = "\n\n".join(filter(None, typed))
        if not text:
            return []
        return [self._message(entry, Words("user", text, "#beside"), self._record_key(entry, "user", text))]

    def _answered(self, call_id: str) -> tuple[str, Input | None]:
        """Return name and input of the call with this id, as far as they are known, and forget it."""
        call = self._state.answered(call_id)
        given, _ = self._inputs.pop(call_id, (None, None))
        if call is None:
            return "", None
        return call.name, None if self._is_far(call.line, call.offset) else given

    def _prompt(self, item: Item, entry: Entry, content: Content) -> Span:
        """Return what a person typed, or why the record holds nothing of that kind."""
        reason = "compact_summary" if entry.isCompactSummary else ""
        reason = reason or ("meta" if entry.isMeta or entry.isVisibleInTranscriptOnly else "")
        reason = reason or _not_typed(entry)
        prompt = Prompt("", reason) if reason else read_prompt(clean(content_text(content, "\n\n")))
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

    def _title(self, item: Item, entry: Entry) -> Span:
        text = clean(entry.customTitle or entry.aiTitle or entry.summary or entry.title or "").strip()
        session = self._file_session or self._state.session
        titles = (Title(session, text, TITLES[entry.type]),) if text and session else ()
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


def _is_typed(tool: str, output: str, version: str | None) -> bool:
    """Tell whether a tool's error is what the person typed on refusing it.

    The VS Code extension of version 2 writes their words without a notice (anthropics/claude-code#8472). The errors of
    these tools themselves begin with `Exit code` or `<tool_use_error>` there.
    """
    return tool in _ASKED_FOR and bool(_SECOND.match(version or "")) and is_prose(output)


def _not_typed(entry: Entry) -> str:
    """Return why a prompt is not the person's, where the record says who made it."""
    queued = entry.attachment if entry.type == "attachment" else None
    if queued and queued.isMeta:
        return "meta"
    origin = (queued and queued.origin) or entry.origin
    kinds = {queued.commandMode if queued else "", origin.kind if origin else ""}
    return next((reason for kind, reason in _ORIGINS.items() if kind in kinds), "")


def _is_queued(entry: Entry) -> bool:
    return entry.attachment is not None and entry.attachment.type == "queued_command" and entry.type == "attachment"
