"""Overriding the shipped rules, and errors that name file, line, key and the nearest valid key."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from memento_policies import Message, Policy, PolicyError, load_policy
from memento_policies.loading import load_document
from memento_policies.patterns import PatternSet
from memento_policies.schema import ImportanceFile, RedactionFile, SignificanceFile, TagsFile

MODELS: dict[str, type[BaseModel]] = {
    "redaction.yaml": RedactionFile,
    "significance.yaml": SignificanceFile,
    "tags.yaml": TagsFile,
    "importance.yaml": ImportanceFile,
}


def user(text: str) -> Message:
    return Message("user", text, 0, "test", "s", "k")


def override(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder


def failure(folder: Path, name: str, text: str) -> str:
    with pytest.raises(PolicyError) as caught:
        load_policy(override(folder, name, text))
    return str(caught.value)


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n"])
def test_an_empty_file_overrides_nothing(tmp_path: Path, text: str, policy: Policy) -> None:
    same = load_policy(override(tmp_path, "significance.yaml", text))
    assert same.decide(user("we decided on SQLite")) == policy.decide(user("we decided on SQLite"))


def test_a_missing_folder_overrides_nothing(tmp_path: Path) -> None:
    assert isinstance(load_policy(tmp_path / "none"), Policy)


def test_scalars_replace(tmp_path: Path) -> None:
    strict = load_policy(override(tmp_path, "significance.yaml", "threshold: 50\n"))
    decision = strict.decide(user("We decided to use SQLite because it is one file."))
    assert not decision.keep
    assert decision.reason == "below_threshold"


def test_rules_merge_by_name(tmp_path: Path, policy: Policy) -> None:
    merged = load_policy(override(tmp_path, "importance.yaml", "features:\n  - name: decision\n    points: -20\n"))
    decision = user("Let's go with SQLite for the store.")
    assert policy.decide(decision).importance > 0.3
    assert merged.weigh(decision).importance < 0.01
    assert merged.decide(decision).reason == "unimportant"


def test_a_rule_can_be_disabled(tmp_path: Path, policy: Policy, fake: Callable[[str, int], str]) -> None:
    token = fake("github_token", 0)
    off = load_policy(override(tmp_path, "redaction.yaml", "rules:\n  - {name: github_token, enabled: false}\n"))
    assert policy.redact(token).counts == {"github": 1}
    assert off.redact(token).counts == {"token": 1}  # the general rule still knows a vendor's token


def test_new_rules_come_first(tmp_path: Path) -> None:
    override(tmp_path, "redaction.yaml", "rules:\n  - {name: acme_key, kind: acme, token: 'acme_[a-z0-9]{20}'}\n")
    override(tmp_path, "tags.yaml", "tags:\n  - {name: acme, patterns: ['\\bacme\\b']}\n")
    policy = load_policy(tmp_path)
    decision = policy.decide(user("We decided: ACME_TOKEN=acme_" + "q7w2e9r4t1y8u3i6o5p0" + " for now"))
    assert decision.redactions == {"acme": 1}
    assert decision.tags[0] == "acme"


def test_odd_patterns_of_a_user_neither_raise_nor_leak(tmp_path: Path) -> None:
    rules = "rules:\n  - {name: half, kind: half, entropy: 0, pattern: 'k=a\\C'}\n"
    rules += "  - {name: either, kind: either, entropy: 0, pattern: 'one(x9z)|two[0-9]+'}\n"
    policy = load_policy(override(tmp_path, "redaction.yaml", rules))
    assert policy.decide(user("k=aé k=aé")).redactions == {"half": 2}
    assert policy.redact("two471 onex9z").text == "[REDACTED:either] one[REDACTED:either]"


def test_lists_of_plain_values_replace(tmp_path: Path) -> None:
    text = "signals:\n  - name: opt_out\n    patterns: ['\\bforget me\\b']\n"
    policy = load_policy(override(tmp_path, "significance.yaml", text))
    assert policy.decide(user("forget me, we chose Rust")).reason == "opt_out"
    assert policy.decide(user("We chose Rust #nomemory")).keep


ERRORS = {
    "misspelt key": (
        "significance.yaml",
        "signals:\n  - name: decision\n    pionts: 3\n",
        ["significance.yaml:3: signals.decision.pionts: unknown key; did you mean 'points'?"],
    ),
    "misspelt top key": (
        "significance.yaml",
        "\n\nthreshhold: 1\n",
        [":3: threshhold: unknown key; did you mean 'threshold'?"],
    ),
    "wrong type": (
        "weights.yaml",
        "people: {bias: high}\n",
        ["weights.yaml:1: people.bias: Input should be a valid number"],
    ),
    "wrong role": (
        "tags.yaml",
        "tags:\n  - name: fact\n    roles: [usr]\n",
        [":3: tags.fact.roles.0: should be 'user'"],
    ),
    "missing key": ("redaction.yaml", "rules:\n  - name: mine\n", [":2: rules.mine: the key 'kind' is required"]),
    "bad pattern": (
        "significance.yaml",
        "signals:\n  - name: decision\n    patterns:\n      - fine\n      - 'a(?=b)'\n",
        [":5: signals.decision.patterns.1: invalid perl operator: (?="],
    ),
    "bad token": (
        "redaction.yaml",
        "rules:\n  - {name: mine, kind: x, token: '[a-'}\n",
        [":2: rules.mine.token: missing ]: [a-"],
    ),
    "two forms": (
        "redaction.yaml",
        "rules:\n  - {name: mine, kind: x, token: abc, pattern: abc}\n",
        [":2: rules.mine: needs exactly one of"],
    ),
    "unknown signal": (
        "importance.yaml",
        "features:\n  - name: mine\n    when: [desicion]\n    points: 1\n",
        [":3: features.mine.when.0: no signal 'desicion' in significance.yaml; did you mean 'decision'?"],
    ),
    "unknown check": (
        "redaction.yaml",
        "rules:\n  - {name: jwt, check: jwd}\n",
        [":2: rules.jwt.check: should be 'base58check'"],
    ),
    "not a mapping": ("tags.yaml", "- a\n- b\n", ["tags.yaml:1: Input should be"]),
    "bad YAML": ("tags.yaml", "tags:\n  - {name: x\nfoo: [", ["tags.yaml:3: is not valid YAML"]),
    "repeated key": ("tags.yaml", "max_tags: 3\nmax_tags: 4\n", ["tags.yaml:2: 'max_tags' is given twice"]),
    "repeated rule": ("tags.yaml", "tags:\n  - name: a\n  - name: a\n", ["tags.yaml:3: 'a' is given twice"]),
    "alias": ("tags.yaml", "tags: &a [*a]\n", ["tags.yaml:1: aliases are not supported"]),
    "unsafe tag": ("tags.yaml", "max_tags: !!python/object/apply:os.getpid []\n", ["tags.yaml:1: is not plain YAML"]),
    "infinity": ("weights.yaml", "agent: {bias: .inf}\n", ["weights.yaml:1: agent.bias: "]),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_name_file_line_and_key(case: str, tmp_path: Path) -> None:
    name, text, expected = ERRORS[case]
    message = failure(tmp_path, name, text)
    for part in (str(tmp_path / name), *expected):
        assert part in message


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    message = failure(tmp_path, "importance.yaml", "bais: 1\nfeatures:\n  - name: decision\n    point: 2\n")
    assert len(message.splitlines()) == 2


def test_a_misspelt_file_name_is_an_error(tmp_path: Path) -> None:
    assert "did you mean 'significance.yaml'?" in failure(tmp_path, "signifcance.yaml", "threshold: 1\n")


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "policies").write_text("")
    with pytest.raises(PolicyError, match="must be a folder"):
        load_policy(tmp_path / "policies")


def test_a_file_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tags.yaml").write_bytes(b"max_tags: \xff")
    with pytest.raises(PolicyError, match=r"tags\.yaml: is not UTF-8"):
        load_policy(tmp_path)


def test_patterns_too_large_to_scan_at_once_are_an_error() -> None:
    with pytest.raises(PolicyError, match="too large"):
        PatternSet([rf"(?:[a-z{n}]{{500}}\pL{{400}})x{n}" for n in range(400)])


@pytest.mark.parametrize("name", MODELS)
def test_shipped_file_is_valid_by_itself(name: str) -> None:
    assert load_document(MODELS[name], None).model


def test_importing_the_package_stays_cheap() -> None:
    code = (
        "import sys, memento_policies as m\n"
        "m.Message, m.Decision, m.PolicyError\n"
        "print([n for n in ('pydantic', 'yaml', 're2') if n in sys.modules])\n"
        "m.load_policy\nprint('re2' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["[]", "True"]


def test_an_unknown_name_is_an_attribute_error() -> None:
    import memento_policies

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        memento_policies.nothing  # noqa: B018
