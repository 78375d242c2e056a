"""New memories: the one place that makes a row from a message and its decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, cast, get_args

from memento.base.arguments import checked_text, fraction
from memento.base.identity import memory_id
from memento.base.times import now_ms
from memento.errors import UsageError
from memento.memory import EPISODIC, Memory, NewMemory, Trust
from memento.narrowing import one_of
from memento.writes.admission import MAX_TAGS, MAX_TEXT, clean_memory, clean_name
from memento_policies import Decision, Kind, Message, Policy, Role

_ROLE_TRUST: Final[Mapping[str, Trust]] = {"user": "user", "assistant": "assistant", "tool": "tool", "system": "import"}
_UNATTESTED: Final = ("generic", "markdown")
"""Formats anyone can write by hand: who spoke is claimed by the file, not attested by an agent's own log."""


UNJUDGED: Final = 0.5
_MOST_LINKS: Final = 32


def require_role(role: str) -> Role:
    """Return the role. Raises UsageError for one that does not exist."""
    return cast("Role", one_of("role", get_args(Role), role))


def message_trust(message: Message) -> Trust:
    """Return whose word a message is, from the channel it came through; nothing in its text can raise it.

    What a format took for the person's words only by their form (`inferred`) is not attested either.
    """
    if message.source.startswith(_UNATTESTED) or message.meta.get("sidechain") or message.meta.get("inferred"):
        return "import" if message.role == "user" else _ROLE_TRUST[message.role]
    return _ROLE_TRUST[message.role]


def make_memory(message: Message, decision: Decision, policy: Policy) -> NewMemory:
    """Return the row for a kept message, with redacted text and meta, and no timestamp ahead of the clock."""
    meta = {name: value for name, value in message.meta.items() if name not in ("speaker", "active")}
    if decision.redactions:
        meta["redacted"] = dict(decision.redactions)
    if decision.links:
        meta["secrets"] = list(decision.links[:_MOST_LINKS])
    memory = NewMemory(
        id=memory_id(message.source, message.key),
        text=decision.text,
        timestamp=message.timestamp,
        source=message.source,
        session_id=message.session_id,
        role=message.role,
        speaker=str(message.meta.get("speaker", "")),
        trust=message_trust(message),
        kind=message.kind,
        importance=round(decision.importance, 4),
        tags=decision.tags,
        collection=EPISODIC,
        project=message.project,
        active=message.meta.get("active") is not False,
        meta=meta,
        why={
            "reason": decision.reason,
            "points": [[name, round(points, 3)] for name, points in decision.reasons if points],
        },
    )
    try:
        return clean_memory(memory, policy).clamped(now_ms())
    except (TypeError, ValueError) as error:
        raise UsageError(f"meta must be what JSON can hold: {error}") from None


def explicit_memory(
    message: Message, policy: Policy, *, importance: float | None, tags: tuple[str, ...], collection: str
) -> NewMemory:
    """Return the row for a text to remember explicitly, which is kept whatever the policy decides.

    If the policy would skip it, its importance is UNJUDGED. Raises UsageError for an importance out of range and an
    empty collection.
    """
    if not collection:
        raise UsageError("a collection has a name: leave it away for `knowledge`")
    if len(tags) > MAX_TAGS:
        raise UsageError(f"a memory takes {MAX_TAGS} tags at most, not {len(tags):,}")
    if len(message.text) > MAX_TEXT:
        raise UsageError(f"a text takes {MAX_TEXT:,} characters at most: remember it in parts")
    decision = policy.decide(message)
    memory = make_memory(message, decision, policy)
    return replace(
        memory,
        text=decision.text or policy.redact(message.text).text,
        importance=(memory.importance if decision.keep else UNJUDGED)
        if importance is None
        else fraction("importance", importance),
        tags=tuple(dict.fromkeys((*(clean_name("tag", tag, policy) for tag in tags), *decision.tags))),
        collection=clean_name("collection", checked_text("collection", collection), policy),
        why={"reason": "remembered", "points": memory.why["points"]},
    )


def as_message(memory: Memory) -> Message:
    """Return a stored memory as its redacted message, to ask the policy again."""
    return Message(
        role=require_role(memory.role),
        text=memory.text,
        timestamp=memory.timestamp,
        source=memory.source,
        session_id=memory.session_id,
        key=memory.id,
        project=memory.project,
        kind=next((kind for kind in get_args(Kind) if kind == memory.kind), "turn"),
        meta={**memory.meta, **({"speaker": memory.speaker} if memory.speaker else {})},
    )
