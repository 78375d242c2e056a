"""What a caller gets wrong is said in words: which argument, and what it takes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from memento import AutoMemory, MemoryStore
from memento.config import load_config
from memento.errors import ConfigError, UsageError

NAN = float("nan")
Given = dict[str, Any]


@pytest.fixture
def wrong(bare: MemoryStore) -> Callable[..., str]:
    """Call a method; return the message of the UsageError that it must raise."""

    def call(method: str, *arguments: Any, **named: Any) -> str:
        with pytest.raises(UsageError) as raised:
            getattr(bare, method)(*arguments, **named)
        return str(raised.value)

    return call


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"query": None}, "`query` takes a text, not None"),
        ({"query": b"tea"}, "`query` takes a text, not b'tea'"),
        ({"k": "3"}, "`k` takes a whole number, not '3'"),
        ({"k": 3.5}, "`k` takes a whole number, not 3.5"),
        ({"context": 1.5}, "`context` takes a whole number, not 1.5"),
        ({"context": -1}, "context must be 0 or more, not -1"),
        ({"deadline": NAN}, "`deadline` takes a number of seconds, not nan"),
        ({"deadline": "5"}, "`deadline` takes a number of seconds, not '5'"),
        ({"at": "soon"}, "cannot read 'soon' as a time"),
        ({"at": []}, "[] is no time: give a datetime"),
        ({"at": "0900-01-01"}, "`at` takes a time between the years 1000 and 9000"),
        ({"at": 10**17}, "`at` takes a time between the years 1000 and 9000"),
        ({"tags": 5}, "`tags` takes texts, not 5"),
        ({"tags": [5]}, "`tags` takes a text, not 5"),
        ({"session": 5}, "`session` takes a text, not 5"),
        ({"since": []}, "[] is no time: give a datetime"),
        ({"min_importance": NAN}, "min_importance lies in [0, 1], not nan"),
        ({"min_importance": 2}, "min_importance lies in [0, 1], not 2"),
        ({"min_importance": "0.5"}, "min_importance lies in [0, 1], not '0.5'"),
        ({"min_score": 1.1}, "min_score lies in [0, 1], not 1.1"),
        ({"min_score": NAN}, "min_score lies in [0, 1], not nan"),
        ({"min_score": True}, "min_score lies in [0, 1], not True"),
        ({"sesion": "a"}, "did you mean `session`?"),
    ],
)
def test_recall(wrong: Callable[..., str], given: Given, message: str) -> None:
    assert message in wrong("recall", **{"query": "tea", **given})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"text": 5}, "`text` takes a text, not 5"),
        ({"session_id": 7}, "`session_id` takes a text, not 7"),
        ({"speaker": 4}, "`speaker` takes a text, not 4"),
        ({"tags": 5}, "`tags` takes texts, not 5"),
        ({"importance": "high"}, "importance lies in [0, 1], not 'high'"),
        ({"importance": NAN}, "importance lies in [0, 1], not nan"),
        ({"timestamp": {}}, "{} is no time"),
        ({"meta": [1]}, "`meta` takes a mapping, not [1]"),
        ({"meta": {"a": NAN}}, "meta must be what JSON can hold"),
        ({"collection": ""}, "a collection has a name"),
        ({"collection": 7}, "`collection` takes a text, not 7"),
        ({"role": None}, "role is one of user, assistant"),
    ],
)
def test_remember(wrong: Callable[..., str], bare: MemoryStore, given: Given, message: str) -> None:
    assert message in wrong("remember", **{"text": "tea", **given})
    assert bare.get_recent() == []


def test_the_other_methods(wrong: Callable[..., str], tmp_path: Path) -> None:
    assert "`memory_id` takes a text, not 5" in wrong("get", 5)
    assert "`memory_id` takes a text, not None" in wrong("delete", None)
    assert "`limit` takes a whole number, not '5'" in wrong("get_recent", "5")
    assert wrong("batch_recall", "tea") == "queries are several texts: ['tea']"
    config = load_config(environment={"MEMENTO_HOME": str(tmp_path)})
    with AutoMemory(tmp_path / "a.db", config=config) as memory:
        for given, message in (({"text": 5}, "`text` takes"), ({"text": "tea", "meta": [1]}, "`meta` takes")):
            with pytest.raises(UsageError, match=message):
                memory.observe(**given)


def test_none_is_no_filter_and_a_day_is_a_time(bare: MemoryStore) -> None:
    bare.remember("tea with milk", timestamp=datetime.now() - timedelta(2))
    nothing: Given = dict.fromkeys(("collection", "tags", "session", "role", "trust", "since", "min_importance"))
    assert len(bare.recall("tea", **nothing)) == 1
    assert len(bare.recall("tea", since=date.today() - timedelta(7))) == 1
    assert len(bare.recall("tea", since=date.today())) == 0


def test_numbers_beyond_what_sqlite_can_count(bare: MemoryStore) -> None:
    bare.remember("tea with milk", session_id="a")
    bare.remember("and sugar", session_id="a")
    found = bare.recall("tea", 10**30, context=10**30, deadline=float("inf"))
    assert [one.text for one in found[0].after] == ["and sugar"]


@pytest.mark.parametrize(
    "setting", ["limit: 0", "deadline_seconds: -1", "deadline_seconds: .nan", "min_score: 1.5", "min_score: .nan"]
)
def test_settings_of_recall(tmp_path: Path, setting: str) -> None:
    (tmp_path / "config.yaml").write_text(f"recall:\n  {setting}\n")
    with pytest.raises(ConfigError, match=f"recall.{setting.partition(':')[0]}"):
        load_config(environment={"MEMENTO_HOME": str(tmp_path)})
