"""The redactor in a few milliseconds: the validated, merged rules of `redaction.yaml`, cached as JSON.

Loading the rules takes pydantic and YAML, which a hook has no time for. The cache holds what they made of the files,
and what each rule needs of a text. It counts only as long as the files and Memento's version are those it was made
from.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from memento_policies.errors import PolicyError
from memento_policies.needs import Need
from memento_policies.plain_rules import Placeholders, Rule, Rules
from memento_policies.redaction import Redactor, rule_need

_FILE = "redaction.yaml"
_SHIPPED = Path(__file__).with_name("rules") / _FILE


class Loaded(NamedTuple):
    """A redactor, and why it is the last good one rather than that of the present files (empty: it is not)."""

    redactor: Redactor
    problem: str = ""


class _Cached(NamedTuple):
    stamp: str
    redactor: Redactor


def load_redactor(overrides: Path, cache: Path, version: str) -> Loaded:
    """Return the redactor of the shipped rules with those of the folder `overrides` merged over them.

    The file `cache` is used when it was made from these rules by this `version`, and written when it was not. Rules
    that cannot be used leave the ones cached before in force. Raises PolicyError when there are none.
    """
    stamp = _stamp(overrides, version)
    cached = _read(cache)
    if cached and cached.stamp == stamp:
        return Loaded(cached.redactor)
    from memento_policies.loading import load_document
    from memento_policies.schema import RedactionFile

    try:
        file = load_document(RedactionFile, overrides).model
        redactor = Redactor(file)
    except PolicyError as error:
        if cached:
            return Loaded(cached.redactor, str(error))
        raise
    with suppress(OSError):  # it only saves time
        needs = [rule_need(rule) for rule in file.rules if rule.enabled]
        _write(cache, stamp, {**file.model_dump(mode="json"), "needs": needs})
    return Loaded(redactor)


def _stamp(overrides: Path, version: str) -> str:
    """Return a hash of everything the cache is made from; empty where that cannot be read."""
    digest = blake2b(version.encode(), digest_size=16)
    for path in (_SHIPPED, overrides / _FILE):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            content = b"absent"
        except OSError:
            return ""
        digest.update(b"\0%d\0" % len(content) + content)
    return digest.hexdigest()


def _read(cache: Path) -> _Cached | None:
    """Return what is cached, or None if there is nothing or it is damaged."""
    try:
        stamp, _, rest = cache.read_bytes().partition(b"\n")
        checksum, _, body = rest.partition(b"\n")
        if _checksum(body) != checksum:
            return None
        value = json.loads(body)
        needs = [Need(run, tuple(words)) for run, words in value["needs"]]
        return _Cached(stamp.decode(), Redactor(_rules(value), needs))
    except (OSError, ValueError, TypeError, KeyError, PolicyError):
        return None


def _rules(value: dict[str, Any]) -> Rules:
    return Rules(Placeholders(**value["placeholders"]), tuple(Rule(**rule) for rule in value["rules"]))


def _write(cache: Path, stamp: str, rules: dict[str, Any]) -> None:
    if not stamp:
        return
    body = json.dumps(rules).encode()
    for folder in (cache.parent.parent, cache.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = cache.with_name(f"{cache.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(b"\n".join((stamp.encode(), _checksum(body), body)))
        partial.replace(cache)
    finally:
        partial.unlink(missing_ok=True)


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).hexdigest().encode()
