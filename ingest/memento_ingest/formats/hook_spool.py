"""The hooks' spool as a source: one record a line, as `memento hook` writes it.

What the session's transcript holds too is not taken from here (`in_transcript`). A transcript that is named but not
there may still be about to be written, so for a minute after the hook the record waits (`waits_for_transcript`) and
the checkpoint stays before it; after that the hook's text is the only copy and is kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final

from memento_ingest.events.transcripts import find_transcript, names_transcript
from memento_ingest.formats.shared.dialogue import Words, asked, read_call, read_reply
from memento_ingest.formats.shared.ids import is_unique, short_id
from memento_ingest.formats.shared.sniffing import object_lines
from memento_ingest.formats.shared.thread import clean
from memento_ingest.formats.shared.tool_text import MAX_OUTPUT, cut, given_text, pair_text
from memento_ingest.jsonl import Record, records
from memento_ingest.span import LOOK_AGAIN, SAMPLE_BYTES, Checkpoint, Line, SourceInfo, Span
from memento_ingest.times import to_unix_ms
from memento_policies import Message, Role

WAIT_MS: Final = 60_000
"""How long after a hook its session's transcript may still appear."""
"""Key of the checkpoint's state: the time, in Unix milliseconds, from which a record that waits is decided."""

_SAID: Final[Mapping[str, tuple[tuple[Role, str], ...]]] = {
    **dict.fromkeys(("UserPromptSubmit", "BeforeAgent", "beforeSubmitPrompt"), (("user", "prompt"),)),
    "userPromptSubmitted": (("user", "prompt"),),
    **dict.fromkeys(("Stop", "SubagentStop", "AfterAgent", "afterAgentResponse"), (("assistant", "answer"),)),
    "agent-turn-complete": (("user", "prompt"), ("assistant", "answer")),
    **dict.fromkeys(("PostToolUse", "PostToolUseFailure", "AfterTool", "postToolUse"), (("tool", ""),)),
}
"""The events that say something to remember: whose words are in which field."""
_OTHER: Final = frozenset(
    "SessionStart SessionEnd Notification PreToolUse PermissionRequest PreCompact PostCompact SubagentStart "
    "BeforeTool BeforeModel AfterModel BeforeToolSelection PreCompress UserPromptExpansion Interrupt "
    "sessionStart sessionEnd preToolUse stop afterAgentThought beforeShellExecution afterShellExecution "
    "beforeMCPExecution afterMCPExecution beforeReadFile afterFileEdit preCompact subagentStart subagentStop "
    "errorOccurred".split()
)
_LAST: Final = frozenset("PreCompact PreCompress preCompact SessionEnd sessionEnd".split())
"""The events before which a transcript must have been met: what it holds may be all there is of a session."""
_MARK: Final = b'"received"'
"""In every record: what tells another format's file without decoding it."""
_FIELDS: Final = frozenset({"v", "id", "agent", "event", "received"})


class HookSpool:
    """The line format of the hooks' spool."""

    name = "hook-spool"

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether one of the first lines is a record of the spool."""
        return _MARK in head and any(_is_record(value) for value in object_lines(head))

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> SpoolParser:
        """Return a parser that begins at the checkpoint, or at offset 0."""
        return SpoolParser(info, checkpoint)


class SpoolParser:
    """Parser of one file of the spool. Its records stand alone, so where a run begins makes no difference."""

    def __init__(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> None:
        self._info = info
        self._offset = checkpoint.offset if checkpoint else 0
        self._held: Checkpoint | None = None
        """Where the first record that waits begins, and when to look again."""

    def feed(self, line: Line) -> Iterator[Span]:
        """Yield the line's spans."""
        is_whole = line.data.endswith(b"\n")
        found = records(line)
        if not is_whole and len(found) > 1:  # nothing is salvaged from half a line
            found = [Record(line.offset, len(line.data), None, "broken_json")]
        for record in found:
            yield self._span(line, record, is_part=len(found) > 1)
        self._offset = line.end

    def finish(self) -> Iterable[Span]:
        """Yield nothing: what waits was counted, and is read again."""
        return ()

    def checkpoint(self) -> Checkpoint:
        """Return the first record that waits, or the end of what was fed."""
        return self._held or Checkpoint(self._offset, {})

    def _span(self, line: Line, record: Record, *, is_part: bool) -> Span:
        offset, length, value, defect = record
        if defect or (is_part and not _is_record(value)):
            start = offset - line.offset
            sample = line.data[start : start + min(length, SAMPLE_BYTES)]
            return Span(offset, length, defect=defect or "broken_json", sample=sample)
        if record.blank or not _is_record(value):
            return Span(offset, length, skipped="blank" if record.blank else "not_a_hook_record")
        said = _SAID.get(value["event"])
        facts = {name: clean(text) for name, text in value.items() if isinstance(text, str)}
        if said is None:
            known = value["event"] in _OTHER
            return Span(
                offset,
                length,
                skipped="event" if known else "unknown_type",
                unknown_type="" if known else clean(short_id(value["event"])),
                follows=str(transcript) if value["event"] in _LAST and (transcript := find_transcript(facts)) else "",
            )
        if transcript := find_transcript(facts):
            return Span(offset, length, skipped="in_transcript", follows=str(transcript))
        if names_transcript(facts) and abs(time.time_ns() // 1_000_000 - value["received"]) < WAIT_MS:
            self._held = self._held or Checkpoint(line.offset, {LOOK_AGAIN: value["received"] + WAIT_MS})
            return Span(offset, length, skipped="waits_for_transcript")
        messages = [message for role, field in said for message in self._messages(facts, value, role, field)]
        return Span(offset, length, messages=messages) if messages else Span(offset, length, skipped="no_text")

    def _messages(
        self, facts: Mapping[str, str], value: Mapping[str, Any], role: Role, field: str
    ) -> Iterator[Message]:
        words = [*_through_tool(facts)] if role == "tool" else [Words(role, facts.get(field, ""), "")]
        key = _key(facts, role, _tool_text(facts).strip() if role == "tool" else facts.get(field, "").strip())
        for speaker, said, suffix, meta in words:
            if text := said.strip():
                yield Message(
                    role=speaker,
                    text=text,
                    timestamp=to_unix_ms(facts.get("timestamp"))
                    or to_unix_ms(value["received"])
                    or self._info.modified,
                    source=facts["agent"],
                    session_id=short_id(facts.get("session_id", "")) or "unknown",
                    key=key + suffix,
                    project=facts.get("cwd", ""),
                    kind="tool_call" if speaker == "tool" else "turn",
                    meta={**_meta(facts, speaker), **meta},
                )


def _is_record(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() >= _FIELDS
        and isinstance(value["event"], str)
        and isinstance(value["agent"], str)
        and bool(value["agent"])
        and isinstance(value["received"], int)
    )


def _key(facts: Mapping[str, str], role: Role, text: str) -> str:
    """Return the call's own id, as in the transcript, else a hash of what the record says and in which turn.

    Neither the record's id nor its time is part of it: two hooks of the same event are one message.
    """
    if role == "tool" and is_unique(call := facts.get("tool_use_id", "")):
        return short_id(call)
    said = "\0".join(
        (facts["agent"], facts.get("session_id", ""), facts["event"], facts.get("turn_id", ""), role, text)
    )
    return "hook/" + blake2b(said.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _through_tool(facts: Mapping[str, str]) -> Iterator[Words]:
    """Yield a tool call with its result, and what is said to the person and by them through it."""
    tool, output = short_id(facts.get("tool", "")), facts.get("tool_output", "").strip()
    dialogue, is_error = read_call(tool, facts.get("tool_input", "")), bool(facts.get("is_error"))
    # A tool that asks for leave to carry out a plan has run only where it was given.
    details = {"approved": True} if dialogue and dialogue.kind == "plan" and not is_error else None
    given = given_text(facts.get("tool_input", ""))
    reply = read_reply(tool, dialogue, output, is_error=is_error, details=details, given=given)
    if reply.output or not reply.words:
        yield Words("tool", _tool_text(facts), "")
    yield from asked(dialogue)
    yield from reply.words


def _tool_text(facts: Mapping[str, str]) -> str:
    output = cut(facts.get("tool_output", "").strip(), MAX_OUTPUT)
    return pair_text(short_id(facts.get("tool", "")), given_text(facts.get("tool_input", "")), output)


def _meta(facts: Mapping[str, str], role: Role) -> dict[str, Any]:
    meta: dict[str, Any] = {"hook": facts["event"]}
    if role == "tool" and facts.get("tool"):
        meta["tool"] = short_id(facts["tool"])
    if facts.get("is_error"):
        meta["is_error"] = True
    if role == "assistant" and facts.get("model"):
        meta["model"] = facts["model"][:64]
    if facts.get("agent_id"):
        meta["sidechain"] = True
        meta["agent_id"] = short_id(facts["agent_id"])
    return meta
