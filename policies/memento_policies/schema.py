"""The shape of the policy files, checked by pydantic.

Patterns are RE2. Those of redaction respect case; those of signals, tags and importance ignore it and treat `^` and
`$` as line ends (`(?-i)` and `(?-m)` switch that off inside a pattern).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from memento_policies.measures import Measure
from memento_policies.message import Kind, Profile, Role
from memento_policies.patterns import check_pattern
from memento_policies.tool_parts import Part

Pattern = Annotated[str, StringConstraints(min_length=1), AfterValidator(check_pattern)]
Word = Annotated[str, StringConstraints(min_length=1)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_+-]{0,39}$")]
Points = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
CheckName = Literal[
    "base58check",
    "base64_digits",
    "base64_key",
    "bare_token",
    "jwt",
    "mixed",
    "opaque",
    "pair",
    "password",
    "phrase",
    "vendor_token",
]
ReachName = Literal["key_block", "key_body", "key_end", "key_lines", "value"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RedactionRule(_Strict):
    """One secret shape, in one of three forms: `token`, `pattern`, or `near` with `value`.

    `token` is a self-identifying secret, `near` + `value` a bare value assigned to a name that contains `near`, and
    `pattern` a whole expression. Its first group that took part, or else all of it, is the secret; with `reach`, what
    that finds from there.
    """

    name: Slug
    kind: Slug
    enabled: bool = True
    token: Pattern | None = None
    pattern: Pattern | None = None
    near: Pattern | None = None
    value: Pattern | None = None
    reach: ReachName | None = None
    scan: Pattern | None = None
    keywords: tuple[Word, ...] = ()
    entropy: Annotated[float, Field(ge=0, le=8)] = 2.5
    check: CheckName | None = None
    allow: tuple[Pattern, ...] = ()
    unless: tuple[Pattern, ...] = ()

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = (self.token is not None, self.pattern is not None, self.near is not None or self.value is not None)
        if sum(forms) != 1 or (self.near is None) != (self.value is None):
            raise ValueError("needs exactly one of `token`, `pattern`, or `near` together with `value`")
        if self.reach and self.pattern is None:
            raise ValueError("`reach` goes with `pattern` only")
        return self


class Placeholders(_Strict):
    """What looks like a secret and is none: a value in `exact`, made of nothing but `words`, or like `patterns`."""

    exact: tuple[Word, ...] = ()
    words: tuple[Word, ...] = ()
    patterns: tuple[Pattern, ...] = ()


class RedactionFile(_Strict):
    """`redaction.yaml`."""

    placeholders: Placeholders
    rules: tuple[RedactionRule, ...]


class Condition(_Strict):
    """When a rule fires: all that is stated must hold, and one of the `patterns`.

    With `apart`, the patterns are looked for in a scan of their own: for large rules about some roles and kinds only,
    which look at nothing that a message quotes. With `part`, they are looked for in that part of a tool's record.
    """

    name: Slug
    enabled: bool = True
    roles: tuple[Role, ...] = ()
    kinds: tuple[Kind, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    meta: Word | None = None
    min_chars: Count = 0
    max_chars: Count | None = None
    apart: bool = False
    part: Part | None = None

    @model_validator(mode="after")
    def _one_scan(self) -> Self:
        if self.part and (self.apart or not self.patterns):
            raise ValueError("`part` goes with `patterns`, and not with `apart`")
        return self


class Derived(Condition):
    """A condition that may rest on the signals of significance: `when` needs one of them, `unless` none of them."""

    when: tuple[Slug, ...] = ()
    unless: tuple[Slug, ...] = ()

    @model_validator(mode="after")
    def _one_trigger(self) -> Self:
        if self.patterns and self.when:
            raise ValueError("`patterns` and `when` exclude each other: write two rules")
        return self


class Signal(Condition):
    """A feature that speaks for or against keeping a message."""

    points: Points = 0.0
    always: Literal["keep", "skip"] | None = None


class NarrationRules(_Strict):
    """What an assistant's turn is judged without, at its beginning and at its end."""

    openers: tuple[Pattern, ...] = ()
    """What may stand before the first words that count."""
    sentences: tuple[Pattern, ...] = ()
    """Sentences that are narration by how they begin, unless one of `unless` occurs in them."""
    unless: tuple[Pattern, ...] = ()
    last: tuple[Pattern, ...] = ()
    """Sentences that are narration where they end the text."""


class SignificanceFile(_Strict):
    """`significance.yaml`."""

    threshold: Points
    narration: NarrationRules = NarrationRules()
    scan_head: Annotated[int, Field(ge=256)]
    scan_tail: Count
    signals: tuple[Signal, ...]


class TagRule(Derived):
    """A tag, named by the rule; with `extract`, one tag `name:<group>` per distinct match that is not in `never`."""

    profiles: tuple[Profile, ...] = ()
    extract: Pattern | None = None
    never: tuple[Word, ...] = ()
    limit: Annotated[int, Field(ge=1, le=8)] = 1


class TagsFile(_Strict):
    """`tags.yaml`."""

    max_tags: Annotated[int, Field(ge=0, le=64)]
    tags: tuple[TagRule, ...]


class Feature(Derived):
    """Something that raises or lowers importance: whether a condition holds, or how much there is of something.

    With `words`, its value is log(1 + how many of them occur), with `measure`, that figure; otherwise 1. Its weight is
    that of `weights.yaml`, unless it has `points` of its own.
    """

    profiles: tuple[Profile, ...] = ()
    words: tuple[Word, ...] = ()
    measure: Measure | None = None
    points: Points | None = None

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        if self.words and self.measure is not None:
            raise ValueError("`words` and `measure` exclude each other: write two features")
        return self


class ImportanceFile(_Strict):
    """`importance.yaml`."""

    features: tuple[Feature, ...]


class Weights(_Strict):
    """The fitted model of one profile, in log-odds."""

    bias: Points
    skip_below: Annotated[float, Field(ge=0, le=1)]
    points: dict[Slug, Points]


class WeightsFile(_Strict):
    """`weights.yaml`."""

    people: Weights
    agent: Weights


class RetentionRule(_Strict):
    """Which memories a rule of retention is about: all that is stated must hold."""

    name: Slug
    enabled: bool = True
    roles: tuple[Role, ...] = ()
    kinds: tuple[Kind, ...] = ()
    collections: tuple[Word, ...] = ()
    tags: tuple[Word, ...] = ()
    min_importance: Annotated[float, Field(ge=0, le=1)] = 0.0


class PromoteRule(RetentionRule):
    """What becomes knowledge; with `lasting`, only where the text says something that lasts."""

    lasting: bool = False


class HalfLife(RetentionRule):
    """After so many days half of a memory's importance is left; without `days` it does not fade."""

    days: Annotated[float, Field(gt=0, le=36500)] | None = None


class ForgetRule(RetentionRule):
    """What is deleted: older than so many days, and faded below an importance. Both must be stated."""

    older_than_days: Annotated[float, Field(gt=0)]
    below: Annotated[float, Field(gt=0, le=1)]


class StatementRule(_Strict):
    """How something is said of something: groups `of` (or `thing`, or `was`) and `is`."""

    name: Slug
    enabled: bool = True
    pattern: Pattern
    thing: Word | None = None
    change: bool = False

    @model_validator(mode="after")
    def _named_groups(self) -> Self:
        needed = ["is"] if self.thing or "(?P<was>" in self.pattern else ["of", "is"]
        missing = [group for group in needed if f"(?P<{group}>" not in self.pattern]
        if missing:
            raise ValueError(f"the pattern needs the group (?P<{missing[0]}>...)")
        return self


class AlternativesRule(_Strict):
    """Words of which a newer instruction puts one in the place of another."""

    name: Slug
    enabled: bool = True
    words: tuple[Word, ...]


class RetentionFile(_Strict):
    """`retention.yaml`."""

    half_lives: tuple[HalfLife, ...]
    promote: tuple[PromoteRule, ...]
    lasting: tuple[Pattern, ...] = ()
    momentary: tuple[Pattern, ...] = ()
    forget: tuple[ForgetRule, ...]
    same_above: Annotated[float, Field(gt=0.5, le=1)]
    statements: tuple[StatementRule, ...]
    passing: tuple[Word, ...]
    alternatives: tuple[AlternativesRule, ...]
