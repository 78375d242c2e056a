"""From spans to batches: every span is judged, counted and gathered until there is enough for one transaction."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from memento.base.identity import memory_id
from memento.base.times import now_ms
from memento.memory import NewMemory
from memento.storage.capture import Batch
from memento.storage.ignored import Ignored
from memento.storage.sources import MANY_RECORDS, Defect, LedgerKey, SessionTitle, SourceState, Tally, unknown_type
from memento.writes.new_memory import make_memory
from memento_ingest.redacting import redacted_sample
from memento_ingest.report import Report
from memento_ingest.span import Span
from memento_ingest.tool_history import ToolHistory, record_of, without_hooks
from memento_policies import Decision, Message, Policy

BATCH_MESSAGES: Final = 1_000
BATCH_BYTES: Final = 8 * 1024 * 1024
BATCH_SPANS: Final = 20_000
"""A span may be one byte long: a file of newlines is committed as often as one of messages."""
MAX_TYPES: Final = 32
"""Unknown types that are named in one reading of a source; further ones are only counted."""
_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./:-]{0,39}")

_EMPTY: Final = frozenset("unknown_type no_text empty not_an_object empty_result structure".split())
"""Why a record that should hold a message gave none; other records are known to hold none."""

NOTHING: Final = Ignored()
REPEATED: Final = "repeated"
"""Why a tool's record is skipped: another of its session says the same, and counts it."""

OnJudged = Callable[[Message, Decision], None]


class Outcome(NamedTuple):
    """What became of a span that ends at `end`: one entry for the ledger."""

    end: int
    key: LedgerKey
    tally: Tally


@dataclass(slots=True)
class Gathered:
    """What the next transaction will write."""

    memories: list[NewMemory] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    """Also those behind the checkpoint that is committed: they stay here until one passes them."""
    defects: list[Defect] = field(default_factory=list)
    titles: list[SessionTitle] = field(default_factory=list)
    inactive: list[str] = field(default_factory=list)
    follows: list[str] = field(default_factory=list)
    repeats: dict[str, int] = field(default_factory=dict)
    """By the id of a row, how often what it says was said again so far."""
    bytes: int = 0
    spans: int = 0

    @property
    def full(self) -> bool:
        """True when it is time to commit."""
        return len(self.memories) >= BATCH_MESSAGES or self.bytes >= BATCH_BYTES or self.spans >= BATCH_SPANS

    def flush(
        self, source: SourceState, *, renamed_from: str = "", after: int | None = None, remembered: bool = True
    ) -> Batch:
        """Return it as a batch that brings the source to this state, and begin anew.

        `after` is the offset that reading went on from, None for the source's beginning. The ledger takes what lies
        before the state's offset, and nothing that will be read again.
        """
        batch = Batch(
            source,
            self.memories,
            self._settle(source.offset) if remembered else {},
            self.defects,
            self.titles,
            self.inactive,
            renamed_from,
            after is None,
            after,
            self.follows,
            remembered,
            self.repeats,
        )
        self.follows, self.repeats = [], {}
        if not remembered:
            self.outcomes = []
        self.memories, self.defects, self.titles, self.inactive = [], [], [], []
        self.bytes = self.spans = 0
        return batch

    def _settle(self, offset: int) -> dict[LedgerKey, Tally]:
        ledger: dict[LedgerKey, Tally] = {}
        for end, key, tally in self.outcomes:
            if end <= offset:
                known = ledger.get(key, Tally(0, 0))
                ledger[key] = Tally(known.messages + tally.messages, known.bytes + tally.bytes)
        self.outcomes = [outcome for outcome in self.outcomes if outcome.end > offset]
        return ledger


class Judge:
    """Judges the spans of one source and counts them in the run's report.

    `since` (Unix milliseconds) skips older messages; `ignored` is what the user wants kept out; `on_judged` is told
    every decision.
    """

    def __init__(
        self,
        policy: Policy,
        report: Report,
        source: str,
        since: int | None = None,
        ignored: Ignored = NOTHING,
        on_judged: OnJudged | None = None,
    ) -> None:
        self.policy = policy
        self.last_event = 0
        """The time of the latest message, Unix milliseconds: one that is ahead of the clock is none."""
        self._on_judged = on_judged
        self._report, self._source, self._since, self._ignored = report, source, since, ignored
        self._type_names: dict[str, str] = {}
        self.tools = ToolHistory()
        """What the source's tools did before; `pipeline` restores it where reading goes on."""
        self.messages = self.empty_records = 0
        """Messages that the source's format found, and records in which it should have found some."""

    def take(self, spans: Iterable[Span], into: Gathered) -> None:
        """Judge spans and gather what they lead to."""
        for span in spans:
            into.bytes += span.length
            into.spans += 1
            if span.messages:
                tallies = self._messages(span, into)
            elif span.defect:
                tallies = self._defect(span, into)
            else:
                tallies = self._skipped(span)
            end = span.offset + span.length
            into.outcomes += [Outcome(end, key, tally) for key, tally in tallies]
            source = span.messages[0].source if span.messages else self._source
            if span.follows and not self.policy.redact(span.follows).counts:  # it could not be found without its secret
                into.follows.append(span.follows)
            into.inactive += [memory_id(source, key) for key in span.inactive]
            for title in span.titles:
                text = self.policy.redact(title.text).text
                session = self.policy.redact(title.session_id).text
                into.titles.append(SessionTitle(source, session, text, title.rank))

    def _messages(self, span: Span, into: Gathered) -> list[tuple[LedgerKey, Tally]]:
        outcomes: list[LedgerKey] = []
        self.messages += len(span.messages)
        for message in span.messages:
            self._report.seen += 1
            if self.last_event < message.timestamp <= now_ms():
                self.last_event = message.timestamp
            outcomes.append(self._judge(message, into, span.offset + span.length))
        # One span's bytes are one outcome's: stored if anything of it was, else those of its first skip.
        main = next((key for key in outcomes if key.outcome == "stored"), outcomes[0])
        if main.outcome == "stored":
            self._report.bytes_stored += span.length
        else:
            self._report.bytes_skipped += span.length
        return [(main, Tally(0, span.length)), *((key, Tally(1, 0)) for key in outcomes)]

    def _judge(self, message: Message, into: Gathered, end: int) -> LedgerKey:
        """Judge a message of the span that ends at `end`."""
        if self._since is not None and message.timestamp < self._since:
            self._report.skipped["before_since"] += 1
            return LedgerKey("skipped", "before_since")
        if self._ignored.covers(message.session_id, self._project(message)):
            self._report.skipped["ignored"] += 1
            return LedgerKey("skipped", "ignored")
        if message.role == "tool":
            message, decision = self._among_tools(message, into, end)
        else:
            decision = self.policy.decide(message)
        if self._on_judged:
            self._on_judged(message, decision)
        if not decision.keep:
            self._report.skipped[decision.reason] += 1
            return LedgerKey("skipped", decision.reason)
        self._report.kept += 1
        into.memories.append(make_memory(message, decision, self.policy))
        return LedgerKey("stored", decision.reason)

    def _among_tools(self, message: Message, into: Gathered, end: int) -> tuple[Message, Decision]:
        """Judge a tool's record in view of those before it; return it with what is known of them."""
        if (text := without_hooks(message.text)) != message.text:
            message = replace(message, text=text)
        decision = self.policy.decide(message)
        memory = memory_id(message.source, message.key)
        record = record_of(message, decision, memory)
        if self.tools.after_failure(record):
            message = replace(message, meta={**message.meta, "after_failure": True})
            decision = self.policy.decide(message)
            record = record_of(message, decision, memory)
        met = self.tools.take(record, end)
        if not met.repeats:
            return message, decision
        into.repeats[met.repeats] = met.times
        return message, replace(decision, keep=False, reason=REPEATED, tags=(), importance=0.0)

    def _project(self, message: Message) -> str:
        """Return the project as the store, and so what is ignored, knows it."""
        return self.policy.redact(message.project).text if self._ignored.projects else message.project

    def _defect(self, span: Span, into: Gathered) -> list[tuple[LedgerKey, Tally]]:
        sample = redacted_sample(span.sample, self.policy)
        into.defects.append(Defect(span.offset, span.length, span.defect, sample))
        self._report.quarantined[span.defect] += 1
        self._report.bytes_quarantined += span.length
        return [(LedgerKey("quarantined", span.defect), Tally(1, span.length))]

    @property
    def lacks_messages(self) -> bool:
        """Whether many records of the source gave no message, and none of the others did."""
        return self.messages == 0 and self.empty_records >= MANY_RECORDS

    def _skipped(self, span: Span) -> list[tuple[LedgerKey, Tally]]:
        self.empty_records += span.skipped in _EMPTY
        # A whole file in an archive: it may hold any number of records.
        self.empty_records += MANY_RECORDS if span.skipped == "unrecognised" else 0
        self._report.skipped[span.skipped] += 1
        self._report.bytes_skipped += span.length
        reason = span.skipped
        if span.unknown_type:
            self._report.unknown_types[span.unknown_type] += 1
            reason = unknown_type(self._type_name(span.unknown_type))
        return [(LedgerKey("skipped", reason), Tally(1, span.length))]

    def _type_name(self, name: str) -> str:
        """Return the name under which the ledger counts a type; empty for what is none, and for one too many."""
        if name not in self._type_names:
            if len(self._type_names) >= MAX_TYPES or not _TYPE.fullmatch(name):
                return ""
            self._type_names[name] = name if self.policy.redact(name).text == name else ""
        return self._type_names[name]
