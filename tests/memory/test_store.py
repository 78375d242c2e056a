"""MemoryStore: what a program can do with its memory."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

import memento
from memento import MementoError, Memory, MemoryStore, get_store
from memento.base.times import now_ms
from memento.errors import StoreError, UsageError
from memento.memory import NewMemory

StoreMaker = Callable[..., MemoryStore]
TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3


def texts(memories: Any) -> list[str]:
    return [memory.text for memory in memories]


def test_remember_and_read_back(store: MemoryStore) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    text = "We deploy on Thursdays only."
    known = store.remember(
        text, tags=["deploy"], importance=0.7, session_id="s", role="assistant", speaker="Ana",
        project="/home/ana/shop", timestamp=at, meta={"ticket": 7}, collection="rules", source="wiki",
    )  # fmt: skip
    memory = store.get(known)
    assert memory is not None
    assert (memory.text, memory.importance, memory.collection) == (text, 0.7, "rules")
    assert (memory.role, memory.trust, memory.speaker, memory.source) == ("assistant", "assistant", "Ana", "wiki")
    assert (memory.timestamp, memory.time) == (at.timestamp() * 1000, "2026-03-01T12:00:00Z")
    assert memory.tags[0] == "deploy"
    assert memory.meta == {"ticket": 7}
    assert memory.why["reason"] == "remembered"
    assert store.recall("when do we deploy", k=1)[0].id == known


def test_remembering_twice_is_one_memory(store: MemoryStore) -> None:
    first = store.remember("the same")
    assert store.remember("the same") == first
    assert store.remember("the same", session_id="other") != first
    assert store.stats().memories == 2


def test_what_the_policy_would_skip_is_kept_with_a_middling_importance(store: MemoryStore) -> None:
    memory = store.get(store.remember("ok"))
    assert memory is not None
    assert memory.importance == 0.5
    assert store.get(store.remember("thanks", importance=0.0)).importance == 0.0  # type: ignore[union-attr]


def test_one_string_is_one_tag(store: MemoryStore) -> None:
    known = store.remember("a note about tea", tags="drinks")
    assert "drinks" in store.get(known).tags  # type: ignore[union-attr]
    assert texts(store.get_recent(tags="drinks")) == ["a note about tea"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": "   "}, "there is nothing to remember"),
        ({"importance": 1.5}, r"importance lies in \[0, 1\], not 1.5"),
        ({"importance": float("nan")}, "importance lies"),
        ({"role": "boss"}, "role is one of user, assistant, tool, system, not 'boss'"),
        ({"timestamp": "someday"}, "cannot read 'someday' as a time"),
        ({"timestamp": float("inf")}, "is no time that can be stored"),
        ({"timestamp": 1e30}, "is no time that can be stored"),
        ({"meta": {"x": object()}}, "meta must be what JSON can hold"),
    ],
)
def test_what_cannot_be_remembered_is_named(store: MemoryStore, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        store.remember(**{"text": "a note", **options})
    assert store.stats().memories == 0


def test_get_by_prefix(bare: MemoryStore, row: Callable[..., NewMemory]) -> None:
    for number in range(40):
        bare.write(row(str(number), f"note {number}"))
    known = bare.get_recent(1)[0].id
    assert bare.get(known[:20].upper()).id == known  # type: ignore[union-attr]
    twice = next(digit for digit in "0123456789abcdef" if sum(m.id[0] == digit for m in bare.get_recent(40)) > 1)
    with pytest.raises(UsageError, match="several memories' ids begin with"):
        bare.get(twice)
    for nothing in ("", "xyz", "%", "\ud800", "\0", known + "0", "g"):
        assert bare.get(nothing) is None
        assert bare.delete(nothing) is False


def test_delete_forgets_for_good_unless_remembered_again(store: MemoryStore, row: Callable[..., NewMemory]) -> None:
    known = store.remember("the old office was in Lisbon")
    assert store.delete(known[:12])
    assert not store.delete(known)
    assert store.get(known) is None
    assert len(store.recall("Lisbon office")) == 0
    ingested = row("a", "from a transcript")
    store.write(ingested)
    store.delete(ingested.id)
    assert store.write(ingested).forgotten == 1
    assert store.remember("the old office was in Lisbon") == known
    assert texts(store.recall("Lisbon office")) == ["the old office was in Lisbon"]


def test_recent_is_by_the_time_of_the_event(store: MemoryStore) -> None:
    for text, at in (("b", 1_200_000_000), ("c", 1_300_000_000), ("a", 1_000_000_000)):
        store.remember(f"note {text}", timestamp=at)
    assert texts(store.get_recent(2)) == ["note c", "note b"]
    assert texts(store.get_recent(before=1_300_000_000)) == ["note b", "note a"]
    assert texts(store.get_recent(since=1_200_000_000)) == ["note c", "note b"]
    with pytest.raises(UsageError, match="limit must be 1 or more"):
        store.get_recent(0)


def test_stats(store: MemoryStore) -> None:
    assert store.stats().memories == 0
    store.remember("one thing about tea", session_id="s", timestamp=1_000_000_000)
    store.remember("another thing about coffee", role="assistant", timestamp=1_200_000_000, embed=False)
    stats = store.stats()
    assert (stats.memories, stats.embedded, stats.sessions) == (2, 1, 1)
    assert (stats.first, stats.last) == (1_000_000_000_000, 1_200_000_000_000)
    assert stats.by_collection == {"knowledge": 2}
    assert stats.by_role == {"user": 1, "assistant": 1}
    assert stats.model == "words@1"
    assert json.loads(json.dumps(stats.as_dict()))["bytes"] > 0
    assert store.pending() == 1


def test_export_is_json_and_private(store: MemoryStore, tmp_path: Path) -> None:
    assert json.loads(store.export_json()) == []
    store.remember("später — “b” 🚀", timestamp=1_200_000_000)
    store.remember("früher", timestamp=1_000_000_000)
    exported = json.loads(store.export_json())
    assert texts(store.get_recent())[::-1] == [memory["text"] for memory in exported]
    assert set(exported[0]) == {*Memory.__dataclass_fields__, "time"}
    path = tmp_path / "export.json"
    path.write_text("older")
    path.chmod(0o644)
    assert store.export_json(path) == str(path)
    assert json.loads(path.read_text("utf-8")) == exported
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="cannot write the export to"):
        store.export_json(tmp_path / "folder")
    assert not list(tmp_path.glob("*.partial"))


def test_the_store_never_becomes_its_own_export(store: MemoryStore) -> None:
    store.remember("worth keeping")
    with pytest.raises(UsageError, match="is the store itself"):
        store.export_json(store.path)
    assert texts(store.get_recent()) == ["worth keeping"]


def test_with_closes_and_a_closed_store_says_so(tmp_path: Path) -> None:
    with MemoryStore(tmp_path / "store.db") as store:
        store.remember("a note")
    for use in (lambda: store.remember("b"), lambda: store.recall("a"), store.get_recent, store.stats):
        with pytest.raises(StoreError, match="is closed"):
            use()


def test_unknown_filters_are_refused_with_the_nearest_name(store: MemoryStore) -> None:
    with pytest.raises(UsageError, match="no filter `colection`: did you mean `collection`"):
        store.recall("x", colection="rules")  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="no filter `zzz`"):
        store.get_recent(zzz=1)  # type: ignore[call-arg]


def test_secrets_reach_neither_database_nor_wal(store: MemoryStore, caplog: pytest.LogCaptureFixture) -> None:
    known = store.remember(
        f"the token is {TOKEN}", tags=[f"t {TOKEN}"], speaker=f"bot {TOKEN}", meta={"env": {"GH": TOKEN}, "é": "\ud800"}
    )
    store.recall(f"who uses {TOKEN}")
    assert TOKEN not in json.dumps(store.get(known).as_dict())  # type: ignore[union-attr]
    for file in filter(Path.is_file, store.path.parent.rglob("*")):
        assert TOKEN.encode() not in file.read_bytes(), file.name
    assert TOKEN not in caplog.text


def test_lone_surrogates_and_nuls_are_stored_as_replacements(store: MemoryStore) -> None:
    bad = "a\ud800b\0c"
    known = store.remember(
        bad, tags=[bad], speaker=bad, session_id=bad, project=bad, source=bad, collection=bad, meta={bad: [bad]}
    )
    memory = store.get(known)
    assert memory is not None
    json.dumps(memory.as_dict(), ensure_ascii=False).encode()
    for filters in ({"tags": bad}, {"session": bad}, {"project": bad}, {"source": bad}, {"collection": bad}):
        assert texts(store.get_recent(**filters)) == [memory.text]  # type: ignore[arg-type]
    assert store.remember(bad, session_id=bad, source=bad, speaker=bad) == known


def test_echo_prints_what_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: Any) -> None:
    monkeypatch.setenv("MEMORY_ECHO", "1")
    with MemoryStore(tmp_path / "store.db") as store:
        known = store.remember("two\nlines", importance=0.25)
        store.remember("two\nlines", importance=0.25)
    out, error = capfd.readouterr()
    assert (out, error) == ("", f"[memento] {known[:8]} 0.25 user: two lines\n")


def test_there_is_one_store_per_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    first = get_store(tmp_path / "store.db")
    try:
        for spelling in ("store.db", str(tmp_path / "x" / ".." / "store.db"), "link/store.db"):
            assert get_store(spelling) is first
        assert get_store(tmp_path / "other.db") is not first
    finally:
        first.close()
        get_store(tmp_path / "other.db").close()
    again = get_store("store.db")
    assert again is not first
    assert again.remember("usable")
    again.close()


def test_threads_get_the_same_store(tmp_path: Path) -> None:
    found: list[MemoryStore] = []
    threads = [threading.Thread(target=lambda: found.append(get_store(tmp_path / "store.db"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1
    found[0].close()


def test_the_package_offers_the_default_store(home: Path) -> None:
    known = memento.remember("the default store lies at home", tags=["home"])
    assert memento.recall("default home", k=1)[0].id == known
    assert get_store().path == home / "memory.db"
    get_store().close()


def test_every_name_of_the_package_is_there_and_nothing_else_shows() -> None:
    assert dir(memento) == sorted(memento.__all__)
    for name in memento.__all__:
        assert getattr(memento, name).__module__.startswith("memento")
    with pytest.raises(AttributeError, match="module 'memento' has no attribute 'nothing'"):
        _ = memento.nothing
    assert issubclass(UsageError, MementoError)


def test_the_time_of_a_memory_is_now_unless_given(store: MemoryStore) -> None:
    before = now_ms()
    assert before <= store.get(store.remember("a note")).timestamp <= now_ms()  # type: ignore[union-attr]


def test_a_closed_store_leaves_its_policy_to_the_collector(tmp_path: Path) -> None:
    with MemoryStore(tmp_path / "m.db") as store:
        store.remember("The harbour office closes at noon.", session_id="s", project="/p", embed=False)
        policy = ref(store.policy)
    del store
    gc.collect()
    assert policy() is None
