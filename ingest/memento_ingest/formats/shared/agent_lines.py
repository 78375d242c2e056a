"""The line parser that the agents' JSON line formats share; a dialect says what each record means.

Invariant: the spans come in order and tile what was fed, and a run resumed at a checkpoint goes on like one that never
stopped. What is open - a tool call that waits for its result, a provisional turn that waits for its confirmation -
holds the checkpoint back to its first line, by some `LOOKBACK_LINES` lines and `LOOKBACK_BYTES` bytes at most; farther
than that nothing is joined in any run, so it makes no difference where a source was split. Texts of open things live
in memory only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from memento_ingest.formats.shared.dialogue import asked, read_reply
from memento_ingest.formats.shared.excerpt import Turn
from memento_ingest.formats.shared.ids import is_unique, short_id
from memento_ingest.formats.shared.sniffing import first_value
from memento_ingest.formats.shared.statement import MAX_CALLS, Call, OpenCall, Result, State, Statement
from memento_ingest.formats.shared.thread import chain_key, clean, file_session
from memento_ingest.formats.shared.tool_text import MAX_OUTPUT, cut, pair_text
from memento_ingest.jsonl import Record, records
from memento_ingest.span import SAMPLE_BYTES, Checkpoint, Line, SourceInfo, Span, Title
from memento_policies import Message

LOOKBACK_LINES: Final = 64
LOOKBACK_BYTES: Final = 4 * 1024 * 1024
_SNIFFED_LINES: Final = 50
_SQLITE: Final = b"SQLite format 3\0"

S = TypeVar("S", bound=State)


class Dialect(Protocol[S]):
    """What an agent's records mean. It holds no state of its own: `read` gets and changes the parser's."""

    source: str
    """The source of its messages."""
    state: type[S]

    def is_record(self, value: Mapping[str, Any]) -> bool:
        """Tell whether an object is a record of this format, known type or not; used on dirty lines and to sniff."""
        ...

    def read(self, value: Mapping[str, Any], state: S) -> Statement:
        """Return what a record says. Never raises, whatever the types of its fields."""
        ...


class _Mark(NamedTuple, Generic[S]):
    """A line that a later run may have to begin at, with the state before it."""

    line: int
    offset: int
    state: S


class _Waiting(NamedTuple):
    """A span that waits, and the reason to skip it if it turns out that its messages don't count."""

    span: Span
    provisional: str


class AgentParser(Generic[S]):
    """A `LineParser` of one dialect.

    `session` is the session id of a source that states none, by default its file's stem.
    """

    def __init__(
        self, dialect: Dialect[S], info: SourceInfo, checkpoint: Checkpoint | None = None, session: str = ""
    ) -> None:
        self._dialect, self._info = dialect, info
        self._session = session or file_session(info)
        self._state: S = _restore(dialect.state, checkpoint)
        self._offset = checkpoint.offset if checkpoint else 0
        self._given: dict[str, tuple[Call, _Mark[S]]] = {}
        self._waiting: list[_Waiting] = []
        self._waits_from: _Mark[S] | None = None

    def feed(self, line: Line) -> Iterable[Span]:
        """Return the spans that are complete with this line."""
        is_whole = line.data.endswith(b"\n")
        self._offset = line.offset
        spans: list[Span] = []
        if self._waits_from and self._is_far(self._waits_from.line, self._waits_from.offset):
            self._settle("keep", spans)
        mark = _Mark(self._state.line, line.offset, self._state.copy())
        found = records(line)
        if not is_whole and (len(found) > 1 or (found and found[0].defect)):
            # Nothing is salvaged from half a line: its parts would pass for records of their own.
            self._emit(_defect(line, Record(line.offset, len(line.data), None, "broken_json")), mark, spans)
        else:
            for record in found:
                self._read(line, record, mark, spans, is_dirty=len(found) > 1)
        self._state.line += 1
        self._offset = line.end
        return spans

    def finish(self) -> Iterable[Span]:
        """Return what waits; provisional turns stay out until a later run has read what confirms them."""
        return [_dropped(waiting) for waiting in self._waiting]

    def checkpoint(self) -> Checkpoint:
        """Return the first line of what is still open, or the end of what was fed."""
        marks = [self._waits_from] if self._waits_from else []
        for call_id, (_, mark) in self._given.items():
            call = self._state.calls.get(call_id)
            if call and not self._is_far(call.line, call.offset):
                marks.append(mark)
        first = min(marks, default=None, key=lambda mark: mark.offset)
        if first:
            return Checkpoint(first.offset, first.state.to_json())
        return Checkpoint(self._offset, self._state.to_json())

    def _is_far(self, line: int, offset: int) -> bool:
        return self._state.line - line > LOOKBACK_LINES or self._offset - offset > LOOKBACK_BYTES

    def _read(self, line: Line, record: Record, mark: _Mark[S], spans: list[Span], *, is_dirty: bool) -> None:
        offset, length, value, defect = record
        if defect:
            self._emit(_defect(line, record), mark, spans)
        elif not isinstance(value, dict):
            self._emit(Span(offset, length, skipped="blank" if record.blank else "not_an_object"), mark, spans)
        elif is_dirty and not self._dialect.is_record(value):
            # In a broken line an object of no known shape is a part of a record that was cut.
            self._emit(_defect(line, record._replace(defect="broken_json")), mark, spans)
        else:
            statement = self._dialect.read(value, self._state)
            if statement.verdict:
                self._settle(statement.verdict, spans)
            span = self._span(offset, length, statement, mark)
            provisional = statement.provisional if span.messages else ""
            self._emit(span, mark, spans, provisional)

    def _span(self, offset: int, length: int, statement: Statement, mark: _Mark[S]) -> Span:
        """Return the record's span; remember its calls and where its messages stand."""
        for call in statement.calls:
            self._call(short_id(call.id), call, mark)
        turns = [
            *statement.turns,
            *(turn for call in statement.calls for turn in self._asked(call)),
            *(turn for result in statement.results for turn in self._answer(result)),
        ]
        messages = [message for turn in turns if (message := self._message(turn))]
        if statement.place and messages:
            self._state.remember(statement.place, [message.key for message in messages])
        titles: tuple[Title, ...] = ()
        if statement.title.strip():
            session = self._state.session or self._session
            titles = (Title(session, clean(statement.title).strip(), statement.title_rank),)
        inactive = statement.inactive
        if messages:
            return Span(offset, length, messages=messages, titles=titles, inactive=inactive)
        reason = "tool_use" if statement.calls else statement.skipped
        unknown_type = statement.unknown_type
        return Span(offset, length, skipped=reason, unknown_type=unknown_type, titles=titles, inactive=inactive)

    def _emit(self, span: Span, mark: _Mark[S], spans: list[Span], provisional: str = "") -> None:
        if provisional or self._waiting:
            self._waits_from = self._waits_from or mark
            self._waiting.append(_Waiting(span, provisional))
        else:
            spans.append(span)

    def _settle(self, verdict: str, spans: list[Span]) -> None:
        spans += [waiting.span if verdict == "keep" else _dropped(waiting) for waiting in self._waiting]
        self._waiting, self._waits_from = [], None

    def _call(self, call_id: str, call: Call, mark: _Mark[S]) -> None:
        if not call_id:
            return
        self._state.call(call_id, OpenCall(clean(short_id(call.name)), self._state.line, self._offset))
        self._given[call_id] = (call, mark)
        if len(self._given) > MAX_CALLS:
            self._given = {key: self._given[key] for key in self._state.calls if key in self._given}

    def _asked(self, call: Call) -> Iterator[Turn]:
        """Yield what a call says to the person."""
        key = clean(short_id(call.id))
        for words in asked(call.dialogue):
            base = key if is_unique(key) else chain_key(f"{self._state.session} {key}", "asked", words.text)
            meta = {**({"model": self._state.model} if self._state.model else {}), **call.meta, **words.meta}
            yield Turn(words.role, words.text, key=base + words.suffix, meta=meta)

    def _answer(self, result: Result) -> Iterator[Turn]:
        """Yield what the person says in a result, and the call with what is the tool's own of it.

        The call's arguments count only as far as it is near.
        """
        call_id = short_id(result.id)
        call = self._state.answered(call_id)
        given, _ = self._given.pop(call_id, (None, None))
        if call is None or self._is_far(call.line, call.offset):
            given = None
        name = call.name if call and call.name else clean(short_id(result.name))
        output = result.output.strip()
        reply = read_reply(
            name,
            given.dialogue if given else None,
            output,
            is_error=result.is_error,
            details=result.details,
            given=given.given if given else "",
            has_arguments=given is not None,
        )
        # What was given is no part of the key: a run that begins behind the call does not know it.
        key = call_id
        if not is_unique(call_id):
            scope = result.scope or self._state.session
            key = chain_key(f"{scope} {call_id}", "tool", clean(cut(output, MAX_OUTPUT)))
        if reply.output or not reply.words:
            text = pair_text(name, given.given if given else "", cut(reply.output, MAX_OUTPUT))
            meta = {**result.meta, "tool": name, **({"is_error": True} if result.is_error else {})}
            yield Turn("tool", text, key=key, kind="tool_call", meta=meta)
        for words in reply.words:
            yield Turn(words.role, words.text, key=key + words.suffix, meta={**result.meta, **words.meta})

    def _message(self, turn: Turn) -> Message | None:
        text = clean(turn.text).strip()
        if not text:
            return None
        key = clean(turn.key)
        if not key:
            key = self._state.chain = chain_key(self._state.chain or self._state.session, turn.role, text)
        return Message(
            role=turn.role,
            text=text,
            timestamp=turn.timestamp or self._state.time or self._info.modified,
            source=self._dialect.source,
            session_id=self._state.session or clean(self._session),
            key=key,
            project=self._state.project,
            kind=turn.kind,
            meta=dict(turn.meta),
        )


def sniff_records(
    dialect: Dialect[Any], head: bytes, is_other: Callable[[Mapping[str, Any]], bool] = lambda _: False
) -> bool:
    """Tell whether one of the head's first lines is a record of the dialect, and none is another agent's."""
    if head.startswith(_SQLITE):  # a database may hold whole records in its pages
        return False
    lines = head.split(b"\n")
    if len(lines) == 1:
        values = [first_value(head)]
    else:
        values = [record.value for data in lines[:_SNIFFED_LINES] for record in records(Line(0, data))]
    found = [value for value in values if isinstance(value, dict)]
    return any(map(dialect.is_record, found)) and not any(map(is_other, found))


def _restore(state: type[S], checkpoint: Checkpoint | None) -> S:
    """Return the state of a checkpoint; one written by a version that kept another state begins anew."""
    try:
        return msgspec.convert(checkpoint.state if checkpoint else {}, state)
    except msgspec.ValidationError:
        return state()


def _dropped(waiting: _Waiting) -> Span:
    span, reason = waiting
    return Span(span.offset, span.length, skipped=reason, titles=span.titles) if reason else span


def _defect(line: Line, record: Record) -> Span:
    start = record.offset - line.offset
    sample = line.data[start : start + min(record.length, SAMPLE_BYTES)]
    return Span(record.offset, record.length, defect=record.defect, sample=sample)
