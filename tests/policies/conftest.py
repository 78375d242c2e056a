"""Fake secrets: for every redaction rule an example, made up at run time so that none is shaped like one at rest.

`token_shapes.txt` holds a template per rule. `{a36}` in it is 36 random letters and digits; the other alphabets are in
`ALPHABETS`, whole parts such as `{uuid}` and `{jwt}` in `SPECIAL`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import string
from collections.abc import Callable
from pathlib import Path

import pytest

from memento_policies import Policy, load_policy

_AN = string.ascii_letters + string.digits
ALPHABETS = {
    "a": _AN,
    "h": string.digits + "abcdef",
    "H": string.digits + "ABCDEF",
    "d": string.digits,
    "l": string.ascii_lowercase + string.digits,
    "u": string.ascii_uppercase + string.digits,
    "t": string.ascii_uppercase + "234567",
    "z": string.ascii_lowercase + "234567",
    "w": _AN + "_-",
    "b": _AN + "+/",
    "q": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "s": "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
}


def _base58check(rng: random.Random, version: bytes, size: int, suffix: bytes = b"") -> str:
    raw = version + rng.randbytes(size) + suffix
    raw += hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4]
    number, digits = int.from_bytes(raw, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        digits = ALPHABETS["s"][rest] + digits
    return digits


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _jwt(rng: random.Random) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256'})}.{part({'sub': rng.randint(10**6, 10**9)})}.{fill('{w43}', rng)}"


def _uuid(rng: random.Random) -> str:
    return fill("{h8}-{h4}-{h4}-{h4}-{h12}", rng)


SPECIAL: dict[str, Callable[[random.Random], str]] = {
    "uuid": _uuid,
    "jwt": _jwt,
    "key32": lambda rng: _b64(rng.randbytes(32)),
    "key64": lambda rng: _b64(rng.randbytes(64)),
    "wif": lambda rng: _base58check(rng, b"\x80", 32, b"\x01"),
    "xprv": lambda rng: _base58check(rng, b"\x04\x88\xad\xe4", 74),
    "snowflake": lambda rng: "M" + base64.urlsafe_b64encode(str(rng.randint(10**17, 2 * 10**17)).encode()).decode()[1:],
    "pem": lambda rng: "\n".join(_b64(rng.randbytes(48)) for _ in range(6)) + "\n" + _b64(rng.randbytes(20)),
    "dash": lambda _: "-" * 5,
}


def fill(template: str, rng: random.Random) -> str:
    """Return the template with every placeholder replaced by random text."""

    def one(match: re.Match[str]) -> str:
        word = match[1]
        if word in SPECIAL:
            return SPECIAL[word](rng)
        if word[0] not in ALPHABETS or not word[1:].isdigit():
            return match[0]
        return "".join(rng.choices(ALPHABETS[word[0]], k=int(word[1:])))

    return re.sub(r"\{([A-Za-z]+\d*)\}", one, template)


PASSWORDS = ("Tr0ub4dor{a9}", "{a14}{d2}", "{a6}!{a6}{d2}", "{a5}#{a5}@{d3}", "Zx{d2}-{a5}_{a4}")
"""Templates of passwords, that no pattern knows by themselves."""


def templates_of(name: str) -> list[str]:
    """Return the lines of a file beside this one, without its comments; `\\n` in them is a line end."""
    lines = (Path(__file__).parent / name).read_text("utf-8").splitlines()
    return [line.replace(r"\n", "\n").replace(r"\x1b", "\x1b") for line in lines if line and line[0] != "#"]


def shapes() -> dict[str, str]:
    """Return rule name -> template."""
    pairs = (line.split(maxsplit=1) for line in templates_of("token_shapes.txt"))
    return {pair[0]: pair[1] for pair in pairs}


def contexts() -> list[tuple[str, str]]:
    """Return (what it is for, context) of secret_contexts.txt; § in it is the secret."""
    found = [line.split(maxsplit=1) for line in templates_of("secret_contexts.txt")]
    return [(kind, context) for kind, context in found]


@pytest.fixture(scope="session")
def templates() -> dict[str, str]:
    """Rule name -> template."""
    return shapes()


@pytest.fixture(scope="session")
def fake(templates: dict[str, str]) -> Callable[[str, int], str]:
    """Return a function that makes the example of a rule from a seed."""
    return lambda name, seed: fill(templates[name], random.Random(f"{name} {seed}"))


@pytest.fixture(scope="session")
def policy() -> Policy:
    """The shipped policy."""
    return load_policy()
