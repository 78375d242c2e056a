"""The policy: a pure function from a message to a decision.

The steps run in one order: strip Memento's own recall, redact, judge significance, tag, weigh importance. A step drops
the message by naming the reason; whatever happens, the decision's text has been redacted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from memento_policies.conditions import Facts
from memento_policies.decision import Decision, Reason
from memento_policies.diagnostics import nearest
from memento_policies.importance import Importance, Weighed
from memento_policies.loading import Document, check_overrides, load_document
from memento_policies.message import Message
from memento_policies.narration import Narration
from memento_policies.own_recall import strip_recall
from memento_policies.own_words import own_words
from memento_policies.redaction import Redaction, Redactor
from memento_policies.schema import (
    Derived,
    ImportanceFile,
    RedactionFile,
    SignificanceFile,
    TagsFile,
    WeightsFile,
)
from memento_policies.significance import Significance
from memento_policies.tagging import Tagger
from memento_policies.text import encode, head_and_tail

_NOTHING: Mapping[str, int] = MappingProxyType({})
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|(?<=[。！？])|\n+")
_CLAUSE = re.compile(
    r",?\s+(?=(?:considering|given|because|since)\b)|;\s+|\s+-\s+"
    r"|,\s+(?=(?:and|so|but|as|which|how|what|can|could|is|are|do|does|maybe|while|where|when|like)\b)"
)
_JOINING = re.compile(r"^(?:(?:and|so|but|as|also|considering|given|that|because|since|which)\s+)+", re.IGNORECASE)
_LONG = 160
"""Characters of a sentence of which only clauses are shown."""
_REASONS = 8
"""Features named where a message was skipped as unimportant."""


class Policy:
    """Decides what to keep. Immutable, shared freely between threads; build it with `load_policy`."""

    def __init__(
        self,
        redaction: RedactionFile,
        significance: SignificanceFile,
        tags: TagsFile,
        importance: ImportanceFile,
        weights: WeightsFile,
        key: bytes = b"",
    ) -> None:
        self._redactor = Redactor(redaction, key=key)
        self._significance = Significance(significance)
        self._tagger = Tagger(tags)
        self._importance = Importance(importance, weights)
        self._narration = Narration(significance.narration)
        self._head, self._tail = significance.scan_head, significance.scan_tail
        self.counts: Mapping[str, int] = {
            "redaction": sum(rule.enabled for rule in redaction.rules),
            "signals": sum(signal.enabled for signal in significance.signals),
            "tags": sum(tag.enabled for tag in tags.tags),
            "features": sum(feature.enabled for feature in importance.features),
        }
        """How many rules of each kind are in force."""

    def decide(self, message: Message) -> Decision:
        """Judge one message. Deterministic, and never raises on any text."""
        stripped = strip_recall(message.text)
        text, data = encode(stripped)
        if not text.strip():
            return _dropped("own_recall" if message.text.strip() else "empty", "", _NOTHING)
        data, redactions, links = self._redactor.redact_bytes(data)
        if redactions:
            # RE2's `\C` lets a user's pattern end inside a character.
            text = data.decode(errors="replace")
        facts = self._facts(message, text, data)
        verdict = self._significance.judge(facts)
        if not verdict.keep:
            return _dropped(verdict.reason, text, redactions, verdict.reasons)
        model = self._importance.model(facts.profile)
        weighed = model.weigh(facts, verdict.signals)
        if weighed.importance < model.skip_below and message.role != "tool" and not verdict.forced:
            return _dropped("unimportant", text, redactions, _weightiest(weighed))
        tags = self._tagger.tags(facts.whole, verdict.signals)
        return Decision(True, verdict.reason, verdict.reasons, text, tags, weighed.importance, redactions, links)

    def weigh(self, message: Message) -> Weighed:
        """Return a message's importance, whether it is kept or not, with what each feature contributed."""
        facts, signals = self.examine(message)
        return self._importance.model(facts.profile).weigh(facts, signals)

    def examine(self, message: Message) -> tuple[Facts, tuple[str, ...]]:
        """Return what rules look at, and the signals that fired: the features' raw material."""
        data = self._redactor.redact_bytes(encode(strip_recall(message.text))[1]).data
        facts = self._facts(message, data.decode(errors="replace"), data)
        return facts, self._significance.judge(facts).signals

    def sentences(self, text: str, tag: str) -> list[str]:
        """Return the sentences of a person's text, redacted before, that have a tag by themselves.

        Of a long sentence only the clauses that have it, where there are some.
        """
        found: list[str] = []
        for sentence in _SENTENCE.split(own_words(text[: self._head])):
            if self._has(tag, said := sentence.strip()):
                clauses = _CLAUSE.split(said) if len(said) > _LONG else []
                telling = [clause for one in clauses if self._has(tag, clause := _JOINING.sub("", one))]
                found += telling or [said]
        return found

    def _has(self, tag: str, said: str) -> bool:
        data = encode(said)[1]
        facts = self._facts(Message("user", said, 0, "", "", ""), said, data)
        return bool(said) and tag in self._tagger.tags(facts.whole, self._significance.judge(facts).signals)

    def _facts(self, message: Message, text: str, data: bytes) -> Facts:
        scanned = head_and_tail(data, self._head, self._tail)
        profile = message.profile
        facts = Facts(message.role, message.kind, scanned, len(text), message.meta, text, message.before, profile)
        if message.role != "assistant" or message.kind != "turn" or profile != "agent":
            return facts
        told = self._narration.strip(scanned)
        return facts if told is scanned else facts.without_narration(told)

    def redact(self, text: str) -> Redaction:
        """Replace the secrets in any text that is about to be written: logs, quarantine, spool."""
        return self._redactor.redact(text)


def load_policy(overrides: Path | None = None, key: bytes = b"") -> Policy:
    """Load the shipped policy, with the YAML files in the folder `overrides` merged over it.

    With a `key`, decisions say which secrets are the same.     A folder that does not exist overrides nothing. Raises
    PolicyError, naming file, line and key, for anything in it that cannot be used.
    """
    if overrides is not None:
        check_overrides(overrides)
    significance = load_document(SignificanceFile, overrides)
    tags = load_document(TagsFile, overrides)
    importance = load_document(ImportanceFile, overrides)
    signals = [signal.name for signal in significance.model.signals]
    _check_signals(tags, "tags", tags.model.tags, signals)
    _check_signals(importance, "features", importance.model.features, signals)
    redaction = load_document(RedactionFile, overrides)
    weights = load_document(WeightsFile, overrides)
    return Policy(redaction.model, significance.model, tags.model, importance.model, weights.model, key)


def _check_signals(
    document: Document[TagsFile] | Document[ImportanceFile], key: str, rules: Sequence[Derived], signals: Sequence[str]
) -> None:
    """Raise PolicyError where a rule names a signal that significance.yaml does not define."""
    for index, rule in enumerate(rules):
        for name, named in (("when", rule.when), ("unless", rule.unless)):
            for position, signal in enumerate(named):
                if signal not in signals:
                    problem = f"no signal '{signal}' in significance.yaml{nearest(signal, signals)}"
                    raise document.error((key, index, name, position), problem)


def _weightiest(weighed: Weighed) -> tuple[Reason, ...]:
    return tuple(sorted(weighed.reasons, key=lambda reason: -abs(reason.points))[:_REASONS])


def _dropped(reason: str, text: str, redactions: Mapping[str, int], reasons: tuple[Reason, ...] = ()) -> Decision:
    return Decision(False, reason, reasons, text, (), 0.0, redactions)
