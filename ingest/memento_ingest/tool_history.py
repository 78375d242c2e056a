"""What the tools of one source did before: which programs failed last, and what was kept of them already.

A green run matters after a red one only, and the tenth failure of one kind says what the first said. Policies judge a
message by itself, so who reads a session hands in what came before.

Invariant: what is decided about a record follows from the records before it in its source alone. The state at an
offset is kept with that offset, so any split and repeat of reading decides the same; of a row's counts the highest
stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from memento_policies import Decision, Message
from memento_policies.tool_parts import ARROW, tool_parts

MOST_RED: Final = 32
"""Programs remembered as failing; of more, those that failed longest ago are forgotten."""
MOST_SEEN: Final = 128
"""Different outcomes remembered, the latest; one that comes again later than that is kept a second time."""
MOST_COUNTED: Final = 64
"""Repeats remembered as counted: a row of a database can be read again when it changes."""
_SCANNED: Final = 8_000
_WORDS: Final = 60
"""Words of an output that tell it from others, where it names no error."""
_FAILED: Final = frozenset({"test_result", "tool_error", "failed_tool"})
_NAME: Final = re.compile(r"\A([\w.-]{1,80}): ")
_PREFIX: Final = re.compile(
    r"\A\s*(?:\(?\s*(?:cd|source|export|sleep|set|\.)\s[^\n;&|]*(?:;|&&)\s*|\w+=\S+\s+|sudo\s|\()+"
)
_VIEW: Final = re.compile(
    r"\s*(?:2>&1|2>/dev/null|\|\s*(?:head|tail|grep|egrep|sed|awk|tee|less|cat|wc|sort|uniq|cut)\b[^|]*)+"
)
_RUNNER: Final = re.compile(
    r"\b(?:pytest|unittest|tox|nox|mypy|pyright|ruff|flake8|pylint|black|jest|vitest|mocha|playwright|cypress|eslint|tsc"
    r"|tsgo|biome|prettier|rspec|phpunit|gradlew?|mvnw?|ctest|cmake|ninja|bazel"
    r"|(?:cargo|go|dotnet|swift|mix|sbt|zig|deno|flutter|dart) \w+|make(?: \w+)?"
    r"|(?:npm|pnpm|yarn|bun) (?:run )?[\w:.-]+)(?![\w/.-])"
)
_ERROR: Final = re.compile(
    r"\b((?:[A-Z][\w.]*)?(?:Error|Exception|Warning))\b(?:[^'\"\n`]{0,80}['\"`]([^'\"\n`]{1,60})['\"`])?"
    r"|\b((?:TS|CS|MSB|CA|E|F|W|C|N|SIM|UP|B|RUF|S)\d{3,5})\b"
    r"|^(?:FAILED |--- FAIL: |FAIL |not ok \d+ (?:- )?|✕ |✗ )(\S+)"
    r"|\b(lint/\w+/\w+|error\[E\d+\])"
    r"|\b([\w.-]+: (?:command not found|permission denied|no such file or directory))",
    re.MULTILINE | re.IGNORECASE,
)
_COMMITTED: Final = re.compile(r"^\[[\w./-]+ (?:\(root-commit\) )?[0-9a-f]{7,40}\] ", re.MULTILINE)
_LISTS: Final = ("red", "counted")
_SHORT_ID: Final = 12
_LETTERS: Final = re.compile(r"[^\W\d_]+")


def without_hooks(text: str) -> str:
    """Return the record of a commit without what its hooks printed before it: the same lines at every commit."""
    call, seam, output = text.partition(f"\n{ARROW}")
    if not seam or " commit" not in call:
        return text
    found = _COMMITTED.search(output)
    return f"{call}{seam}{output[found.start() :]}" if found else text


class ToolRecord(NamedTuple):
    """What matters of one tool record for those that follow it."""

    program: str
    is_failed: bool
    is_passed: bool
    outcomes: tuple[str, ...] = ()
    """Digests of what it says; empty where it is not kept."""
    memory: str = ""
    """The id of its row."""


class Meeting(NamedTuple):
    """How a record meets those before it."""

    after_failure: bool = False
    """It is the first green run of a program that failed."""
    repeats: str = ""
    """The id of the row that says the same."""
    times: int = 0
    """How often that was said again, with this one."""


NEW: Final = Meeting()


@dataclass(slots=True)
class _State:
    red: dict[str, None] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    """By outcome, the id of the row that says it."""
    counts: dict[str, int] = field(default_factory=dict)
    """By row, how often what it says was said again."""
    counted: dict[str, None] = field(default_factory=dict)

    def after_failure(self, record: ToolRecord) -> bool:
        return record.is_passed and not record.is_failed and record.program in self.red

    def take(self, record: ToolRecord) -> Meeting:
        """Take in a record and return how it meets those before it."""
        after_failure = self.after_failure(record)
        if record.is_failed or record.is_passed:
            self.red.pop(record.program, None)
        if record.is_failed:
            self.red[record.program] = None
            _trim(self.red, MOST_RED)
        if not record.outcomes:
            return Meeting(after_failure)
        rows = [self.seen[outcome] for outcome in record.outcomes if outcome in self.seen]
        self._remember({outcome: self.seen.get(outcome, record.memory) for outcome in record.outcomes})
        if 2 * len(rows) < len(record.outcomes) or not rows or record.memory in rows:
            return Meeting(after_failure)
        return Meeting(after_failure, rows[0], self._count(record.memory, rows[0]))

    def _remember(self, outcomes: Mapping[str, str]) -> None:
        """Remember which rows say this; what is met again is remembered longest."""
        for outcome, row in outcomes.items():
            self.seen.pop(outcome, None)
            self.seen[outcome] = row
        if len(self.seen) > MOST_SEEN:
            _trim(self.seen, MOST_SEEN)
            rows = set(self.seen.values())
            self.counts = {row: count for row, count in self.counts.items() if row in rows}

    def _count(self, memory: str, row: str) -> int:
        short = memory[:_SHORT_ID]
        if short not in self.counted:
            self.counted[short] = None
            _trim(self.counted, MOST_COUNTED)
            self.counts[row] = self.counts.get(row, 0) + 1
        return self.counts.get(row, 1)

    def as_json(self) -> dict[str, Any]:
        lists = {"red": [*self.red], "counted": [*self.counted]}
        return {name: value for name, value in {**lists, "seen": self.seen, "counts": self.counts}.items() if value}


class ToolHistory:
    """The tools of one source, as far as it was read; `state` is what `settled` returned where reading goes on."""

    def __init__(self, state: object = None) -> None:
        self._settled, self._live = _restored(state), _restored(state)
        self._since: list[tuple[int, ToolRecord]] = []
        """What was taken in and may be read again, with the offset at which each ends."""

    def after_failure(self, record: ToolRecord) -> bool:
        """Tell whether a record is the first green run of a program that failed before it."""
        return self._live.after_failure(record)

    def take(self, record: ToolRecord, end: int) -> Meeting:
        """Take in a record that ends at offset `end`; return how it meets those before it."""
        if not (record.is_failed or record.is_passed or record.outcomes):
            return NEW
        self._since.append((end, record))
        return self._live.take(record)

    def settled(self, offset: int) -> dict[str, Any]:
        """Return the JSON-serialisable state at an offset that reading will not go back behind."""
        waiting: list[tuple[int, ToolRecord]] = []
        for end, record in self._since:
            if end <= offset:
                self._settled.take(record)
            else:
                waiting.append((end, record))
        self._since = waiting
        return self._settled.as_json()


def record_of(message: Message, decision: Decision, memory: str) -> ToolRecord:
    """Return what matters of a tool's record, of which the decision names the signals and holds the redacted text."""
    signals = {reason.name for reason in decision.reasons}
    is_failed, is_passed = not signals.isdisjoint(_FAILED), "passed_run" in signals
    if not (decision.keep or is_failed or is_passed):
        return ToolRecord("", is_failed=False, is_passed=False)
    parts = tool_parts(decision.text.encode(errors="replace"), message.role, message.kind)
    call, output = (part[:_SCANNED].decode(errors="replace") for part in parts)
    name, command = _command(call)
    program = _digest(message.session_id, name, _program(command))
    outcomes = _outcomes(program, command, output, is_failed=is_failed) if decision.keep else ()
    return ToolRecord(program, is_failed, is_passed, outcomes, memory)


def _outcomes(program: str, command: str, output: str, *, is_failed: bool) -> tuple[str, ...]:
    """Return digests of what a record says: the errors of a red run, or the command that succeeded."""
    if not is_failed:
        return (_digest(program, "done", " ".join(command.lower().split()) or _plain(output)),)
    named = {" ".join(filter(None, found.groups())).lower() for found in _ERROR.finditer(output)}
    if named:
        return tuple(sorted(_digest(program, "error", name) for name in named))
    return (_digest(program, "failed", _plain(output)),)


def _command(call: str) -> tuple[str, str]:
    """Return a tool's name, and what it was given without the folder it ran in and what its output was cut with."""
    found = _NAME.match(call)
    given = call[found.end() :] if found else call
    return (found[1].lower() if found else ""), _VIEW.sub("", _PREFIX.sub("", given)).strip()


def _program(command: str) -> str:
    """Return the program that a command runs: the test runner or compiler in it, or its first two words."""
    found = _RUNNER.search(command.partition("\n")[0])
    return found[0] if found else " ".join(command.split()[:2])


def _plain(text: str) -> str:
    """Return the words of a text without its figures, hashes and marks."""
    return " ".join(_LETTERS.findall(text.lower())[:_WORDS])


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=6).hexdigest()


def _trim(of: dict[str, Any], most: int) -> None:
    while len(of) > most:
        del of[next(iter(of))]


def _restored(state: object) -> _State:
    """Return a state as it was kept; what has another shape is left out."""
    if not isinstance(state, Mapping):
        return _State()
    seen, counts = (dict(value) if isinstance(value := state.get(name), Mapping) else {} for name in ("seen", "counts"))
    red, counted = (dict.fromkeys(value if isinstance(value := state.get(name), list) else ()) for name in _LISTS)
    numbers = {row: count for row, count in counts.items() if isinstance(count, int)}
    return _State(red, {name: str(row) for name, row in seen.items()}, numbers, counted)
