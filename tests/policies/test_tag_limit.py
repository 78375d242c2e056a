"""A rule of `tags.yaml` that extracts values gives at most `limit` tags: those of the first distinct values."""

from __future__ import annotations

from pathlib import Path

import pytest

from memento_policies import Message, load_policy

RULE = """
max_tags: {most}
tags:
  - name: berth
    patterns: ['\\bberth-\\d']
    extract: '\\b(berth-\\d)\\b'
    never: [berth-9]
    limit: {limit}
"""
TEXT = "We decided to close berth-9, berth-3, berth-1, berth-3, berth-2 and berth-4 because the quay is old."


def berths(folder: Path, limit: int, most: int = 20) -> list[str]:
    (folder / "tags.yaml").write_text(RULE.format(limit=limit, most=most))
    tags = load_policy(folder).decide(Message("user", TEXT, 0, "test", "s", "k")).tags
    return [tag for tag in tags if tag.startswith("berth:")]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 8])
def test_the_first_distinct_values_are_taken_up_to_the_limit(tmp_path: Path, limit: int) -> None:
    assert berths(tmp_path, limit) == ["berth:berth-3", "berth:berth-1", "berth:berth-2", "berth:berth-4"][:limit]


def test_a_message_has_no_more_tags_than_the_most(tmp_path: Path) -> None:
    (tmp_path / "tags.yaml").write_text(RULE.format(limit=8, most=2))
    assert len(load_policy(tmp_path).decide(Message("user", TEXT, 0, "test", "s", "k")).tags) == 2


@pytest.mark.parametrize(
    ("extract", "expected"),
    [(r"\bberth-\d\b", ["berth:berth-7", "berth:berth-8"]), (r"\bclose (berth-\d)\b", ["berth:berth-8"])],
    ids=["whole match", "group"],
)
def test_a_value_is_the_group_or_without_one_the_whole_match(tmp_path: Path, extract: str, expected: list[str]) -> None:
    rule = RULE.format(limit=8, most=20).replace(r"\b(berth-\d)\b", extract)
    (tmp_path / "tags.yaml").write_text(rule)
    text = "berth-7 stays open because we decided to close berth-8."
    tags = load_policy(tmp_path).decide(Message("user", text, 0, "test", "s", "k")).tags
    assert [tag for tag in tags if tag.startswith("berth:")] == expected
