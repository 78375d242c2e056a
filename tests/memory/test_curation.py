"""Near-duplicates, consolidation, auditing and scrubbing, on a real store."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from memento.backup import BackupDirectory, create
from memento.base.link_key import load_key
from memento.config import load_config
from memento.curation import consolidation, survey
from memento.curation.auditing import audit
from memento.curation.consolidation import consolidate
from memento.curation.scrubbing import scrub
from memento.curation.similarity import Pair, Signatures, chains
from memento.memory import EPISODIC, KNOWLEDGE, NewMemory
from memento.storage import curation
from memento.storage.capture import Batch
from memento.storage.integrity import check_rows as examined
from memento.store import MemoryStore
from memento_policies.known import CORRECTABLE

DAY = 86_400_000
NOW = 1_790_000_000_000
TOKEN = "acme_" + "q7w2e9r4t1y8u3i6o5p0"
RULE = "rules:\n  - {name: acme_key, kind: acme, token: 'acme_[a-z0-9]{20}'}\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MemoryStore]:
    config = replace(load_config(), home=tmp_path / "home")
    with MemoryStore(tmp_path / "memory.db", config=config) as opened:
        yield opened


def row(name: str, text: str, day: int, **others: object) -> NewMemory:
    plain = NewMemory(name.ljust(32, "0"), text, NOW - day * DAY, "test", "s", collection=EPISODIC, importance=0.5)
    return replace(plain, **others)  # type: ignore[arg-type]


def put(store: MemoryStore, *memories: NewMemory) -> None:
    store.commit(Batch(None, memories))


def superseded_by(store: MemoryStore, name: str) -> str:
    found = store.get(name.ljust(32, "0"))
    assert found is not None
    return (found.superseded_by or "").rstrip("0")


def override(store: MemoryStore, name: str, text: str) -> None:
    store.config.policy_dir.mkdir(parents=True, exist_ok=True)
    (store.config.policy_dir / name).write_text(text)


def pairs(texts: list[tuple[str, str]], above: float) -> list[Pair]:
    signatures = Signatures()
    for voice, text in texts:
        signatures.add(voice, text)
    return list(signatures.pairs(above, lambda place: texts[place][1]))


def test_texts_that_differ_in_little_are_near_duplicates() -> None:
    long = "the import of the supplier price list fails because the decimal separator is a comma since last week"
    texts = [
        ("v", long),
        ("v", long.capitalize() + "!"),
        ("v", long + " again"),
        ("v", long.replace("is a comma", "is not a comma")),
        ("v", long + " 7"),
        ("other voice", long),
        ("v", "something else entirely, about the weather in Bergen and the ferry"),
    ]
    found = pairs(texts, 0.8)
    assert sorted(sorted(group) for group in chains(found)) == [[0, 1, 2]]
    assert all(0.8 <= pair.similarity <= 1 for pair in found)


def test_a_text_that_is_gone_is_no_duplicate() -> None:
    signatures = Signatures()
    for _ in range(2):
        signatures.add("v", "the import of the supplier price list fails because the separator is a comma")
    assert list(signatures.pairs(0.8, lambda _: None)) == []


def test_planted_duplicates_are_found_and_nothing_else() -> None:
    rng = random.Random(5)
    words = [f"w{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)}" for n in range(3000)]
    texts = [("v", " ".join(rng.choices(words, k=rng.randint(8, 40)))) for _ in range(1500)]
    planted = {}
    for place in rng.sample(range(1500), 300):
        copy = texts[place][1].split()
        copy[rng.choice((0, -1))] = "changed"
        planted[len(texts)] = place
        texts.append(("v", " ".join(copy)))
    found = {frozenset(group) for group in chains(pairs(texts, 0.7))}
    wanted = {frozenset(pair) for pair in planted.items()}
    assert len(found & wanted) >= 0.99 * len(wanted)
    assert len(found - wanted) == 0


def test_the_newest_of_equal_texts_stands_for_all(store: MemoryStore) -> None:
    said = "Please run the tests of the importer before you push anything to the main branch."
    put(store, row("1", said, 9), row("2", said + " Thanks", 5), row("3", said, 1), row("4", "Another thing", 0))
    found = consolidate(store, now=NOW)
    assert found.counts == {"same": 2}
    assert [superseded_by(store, name) for name in "1234"] == ["3", "3", "", ""]
    with store.database.read() as connection:
        assert curation.count_repeats(connection, "3".ljust(32, "0")) == 2


SAID = "Please run the tests of the importer before you push anything to the main branch."


def found(store: MemoryStore, **filters: object) -> list[tuple[str, int]]:
    return [(one.id[0], one.copies) for one in store.recall("tests of the importer", **filters)]  # type: ignore[arg-type]


def test_what_was_said_again_takes_one_place_in_recall_and_is_counted(store: MemoryStore) -> None:
    put(store, row("1", SAID, 9), row("2", SAID + " Thanks", 5), row("3", "Ok, " + SAID, 1), row("4", SAID + " 7", 0))
    assert sorted(found(store)) == [("1", 0), ("2", 0), ("3", 0), ("4", 0)]
    consolidate(store, now=NOW)
    assert sorted(found(store)) == [("3", 2), ("4", 0)]
    assert [copies for _, copies in found(store, before=NOW - 3 * DAY)] == [2]
    assert consolidate(store, now=NOW).steps == []


def test_with_the_newest_gone_or_changed_the_others_are_found_again(store: MemoryStore) -> None:
    put(store, row("1", SAID, 9), row("2", SAID + " Thanks", 5), row("3", SAID, 1))
    consolidate(store, now=NOW)
    store.delete("3".ljust(32, "0"))
    assert sorted(found(store)) == [("1", 0), ("2", 0)]
    consolidate(store, now=NOW)
    assert found(store) == [("2", 1)]
    put(store, row("2", "In that case never mind the tests of the importer, we have no time for them at all." * 2, 5))
    assert sorted(found(store)) == [("1", 0), ("2", 0)]


def test_a_store_that_was_taken_over_learns_anew_what_was_said_again(store: MemoryStore, tmp_path: Path) -> None:
    put(store, row("1", SAID, 9), row("2", SAID + " Thanks", 5))
    consolidate(store, now=NOW)
    with store.database.write() as connection:
        connection.execute("DELETE FROM repeats")
    assert consolidate(store, now=NOW).counts == {"same": 1}
    assert found(store) == [("2", 1)]


def test_consolidating_again_or_reading_again_changes_nothing(store: MemoryStore) -> None:
    rows = [
        row("1", "The port is 5432.", 9),
        row("2", "The port is now 5433.", 1),
        row("3", "The port is now 5433.", 0),
    ]
    put(store, *rows)
    assert consolidate(store, now=NOW).steps
    before = store.export_json()
    put(store, *rows)
    written = store.database.version()
    assert consolidate(store, now=NOW).steps == []
    assert store.database.version() == written, "what the working tier holds stays good"
    assert store.export_json() == before


def test_a_newer_statement_supersedes_and_says_why(store: MemoryStore) -> None:
    put(store, row("1", "The port is 5432.", 9), row("2", "Is the port 1?", 5), row("3", "The port is now 5433.", 1))
    (step,) = consolidate(store, dry_run=True, now=NOW).steps
    assert (step.doing, step.id[0], step.by[0]) == ("outdated", "1", "3")
    assert step.why == "port: '5432' became '5433'"
    assert superseded_by(store, "1") == ""
    consolidate(store, now=NOW)
    assert superseded_by(store, "1") == "3"


def test_what_was_imported_supersedes_nothing_that_the_user_said(store: MemoryStore) -> None:
    put(store, row("1", "The port is 5432.", 9), row("2", "The port is now 5433.", 1, trust="import"))
    assert consolidate(store, now=NOW).steps == []
    put(store, row("3", "The port is now 5434.", 0, trust="import"))
    assert [(step.id[0], step.by[0]) for step in consolidate(store, now=NOW).steps] == [("2", "3")]


def test_another_voice_supersedes_nothing(store: MemoryStore) -> None:
    put(store, row("1", "The port is 5432.", 9), row("2", "The port is 5433.", 1, role="assistant"))
    assert consolidate(store, now=NOW).steps == []


def test_what_an_agent_explains_outdates_nothing(store: MemoryStore) -> None:
    said = ("The triangle is equilateral.", "The triangle is a right one.")
    put(store, *(row(str(day), text, day, role="assistant") for day, text in enumerate(said)))
    assert consolidate(store, now=NOW).steps == []


def test_who_switches_says_what_is_no_longer_so(store: MemoryStore) -> None:
    put(store, row("1", "We deploy with Ansible.", 9), row("2", "We switched from Ansible to Terraform.", 1))
    (step,) = consolidate(store, now=NOW).steps
    assert (step.id[0], step.by[0], step.why) == ("1", "2", "deploy: 'ansible' became 'terraform'")


def test_a_mark_goes_with_the_memory_it_points_to(store: MemoryStore) -> None:
    put(store, row("1", "The port is 5432.", 9), row("2", "The port is 5433.", 1))
    consolidate(store, now=NOW)
    store.delete("2".ljust(32, "0"))
    assert [step.doing for step in consolidate(store, now=NOW).steps] == ["unmark"]
    assert superseded_by(store, "1") == ""


def test_what_is_deleted_while_it_is_planned_supersedes_nothing(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, row("1", "The port is 5432.", 9), row("2", "The port is now 5433.", 1))

    def planned(store: MemoryStore, now: int) -> consolidation.Plan:
        found = plan(store, now)
        assert store.delete("2".ljust(32, "0"))
        return found

    plan = consolidation.plan
    monkeypatch.setattr(consolidation, "plan", planned)
    assert consolidate(store, now=NOW).steps
    assert superseded_by(store, "1") == ""


def test_wishes_become_knowledge_and_rows_stay_sound(store: MemoryStore) -> None:
    put(store, row("1", "I prefer tabs.", 9, tags=("preference",), importance=0.95), row("2", "ls", 9))
    assert consolidate(store, now=NOW).counts == {"instruct": 1, "promote": 1}
    assert [memory.collection for memory in store.get_recent()] == [EPISODIC, KNOWLEDGE]
    with store.database.read() as connection:
        assert not examined(connection).damaged


def test_a_bare_go_ahead_never_becomes_knowledge(store: MemoryStore) -> None:
    tagged = {"tags": ("decision",), "importance": 0.99}
    put(store, row("1", "ok let's keep going", 9, **tagged), row("2", "okay now let's do 6,7,8,10", 9, **tagged))
    assert "promote" not in consolidate(store, now=NOW).counts


def test_what_is_reversed_is_knowledge_no_more_until_that_is_taken_back(store: MemoryStore) -> None:
    put(store, row("1", "We use SQLite for the ledger.", 9, tags=("decision",), importance=0.95))
    override(store, "retention.yaml", "promote:\n  - {name: choices_and_wishes, lasting: false}\n")
    assert consolidate(store, now=NOW).counts == {"promote": 1}
    put(store, row("2", "We now use Postgres for the ledger.", 1))
    found = consolidate(store, now=NOW)
    assert [(step.doing, step.id[0]) for step in found.steps if step.doing != "outdated"] == [("demote", "1")]
    assert [one.collection for one in store.get_recent() if one.id[0] == "1"] == [EPISODIC]
    assert consolidate(store, now=NOW).steps == []
    assert store.delete("2".ljust(32, "0"))
    assert consolidate(store, now=NOW).counts == {"unmark": 1, "promote": 1}


def test_what_no_rule_promotes_any_more_is_demoted_but_what_was_remembered_stays(store: MemoryStore) -> None:
    told = store.remember("ok let's keep going", embed=False)
    put(store, row("1", "ok let's keep going!", 9, tags=("decision",), importance=0.99, collection=KNOWLEDGE))
    steps = consolidate(store, now=NOW).steps
    assert [(step.id[0], step.why) for step in steps if step.doing == "demote"] == [("1", "no rule promotes it")]
    kept = store.get(told if isinstance(told, str) else told.id)
    assert kept is not None
    assert kept.collection == KNOWLEDGE


def test_a_correction_that_fits_two_things_supersedes_neither(store: MemoryStore) -> None:
    put(
        store,
        row("1", "The ledger database is postgres", 9),
        row("2", "The queue backend is postgres", 8),
        row("3", "It's redis, not postgres.", 1),
    )
    assert "outdated" not in consolidate(store, now=NOW).counts


def test_nothing_is_forgotten_but_by_a_written_rule(store: MemoryStore) -> None:
    put(store, row("1", "5 passed in 0.2s", 900, role="tool"), row("2", "We decided to wait.", 900, tags=("decision",)))
    found = consolidate(store, now=NOW)
    assert ([step.doing for step in found.steps], found.faded) == (["fade"], 1)
    rule = "forget:\n  - {name: old_outcomes, roles: [tool], below: 0.05, older_than_days: 365}\n"
    override(store, "retention.yaml", rule)
    assert consolidate(store, dry_run=True, now=NOW).counts == {"forget": 1}
    assert len(store.get_recent()) == 2
    consolidate(store, now=NOW)
    assert [memory.id[0] for memory in store.get_recent()] == ["2"]


def test_what_has_faded_stays_and_is_recalled_behind_others(store: MemoryStore) -> None:
    said = "The importer needs its own queue"
    put(store, row("1", f"{said}.", 900, role="tool"), row("2", f"{said}!", 900), row("3", "tea", 900, role="tool"))
    ask = [found.id[0] for found in store.recall(said, k=2)]
    assert consolidate(store, dry_run=True, now=NOW).counts == {"fade": 2}
    assert [found.id[0] for found in store.recall(said, k=2)] == ask
    found = consolidate(store, now=NOW)
    assert found.steps[0].why == "outcomes: 900 days old, and every 30 days half of its importance goes"
    second, first = reversed(store.recall(said, k=2, explain=True))
    assert (first.id[0], second.id[0]) == ("2", "1")
    assert first.features is not None
    assert second.features is not None
    assert (first.features["faded"].value, second.features["faded"].value) == (0, 1)
    assert consolidate(store, now=NOW).steps == []
    assert store.delete("3".ljust(32, "0"))
    override(store, "retention.yaml", "half_lives:\n  - {name: outcomes, roles: [tool], days: 3000}\n")
    assert [(step.doing, step.id[0]) for step in consolidate(store, now=NOW).steps] == [("revive", "1")]
    assert consolidate(store, now=NOW).faded == 0


def test_what_is_promoted_does_not_fade(store: MemoryStore) -> None:
    put(store, row("1", "We decided to wait.", 9_000, tags=("decision",), importance=0.95, role="user"))
    assert [step.doing for step in consolidate(store, now=NOW).steps] == ["promote"]
    assert consolidate(store, now=NOW).steps == []


def test_an_audit_counts_and_shows(store: MemoryStore) -> None:
    put(store, *(row(f"a{n}", "retrying the request now", 3) for n in range(6)), row("b", "ok", 3), row("c", TOKEN, 3))
    override(store, "redaction.yaml", RULE)
    rates = {rate.name: rate for rate in audit(store, NOW)}
    assert {name: rate.memories for name, rate in rates.items()} == {
        "duplicate": 5, "loop": 6, "secret": 1, "shared": 0, "superseded": 0, "stale": 0, "junk": 1,
        "empty": 1, "repetitive": 0, "echo": 0, "hidden": 0,
    }  # fmt: skip
    assert rates["loop"].share == pytest.approx(6 / 8)
    assert "retrying" in rates["loop"].examples[0]


def test_an_audit_finds_junk_that_the_rules_let_in(store: MemoryStore) -> None:
    told = "The crane stands on the east quay. It lifts forty tons of steel at once."
    log = "Bash: make\n→ " + "copying the crate to the quay now\n" * 12
    put(
        store,
        row("1", told, 9),
        row("2", f"As you said, so be it then. {told} It lifts forty tons of steel at once.", 8, role="assistant"),
        row("3", f"{told} {told}", 7, role="assistant"),
        row("4", log, 6, role="tool", kind="tool_call"),
        row("5", "ok, let's go on with it then", 5),
        *(row(f"b{n:02}", "who keeps the ledger of the harbour", 4, session_id=f"s{n}") for n in range(30)),
    )
    rates = {rate.name: rate for rate in audit(store, NOW)}
    examples = {name: [one[0] for one in rate.examples] for name, rate in rates.items()}
    assert (examples["empty"], examples["repetitive"]) == (["5"], ["4"])
    assert (examples["echo"][0], rates["echo"].memories) == ("3", 30)
    assert (rates["hidden"].memories, examples["hidden"][0]) == (20, "b")


def test_an_audit_of_an_empty_store_finds_nothing(store: MemoryStore) -> None:
    assert {(rate.memories, rate.share) for rate in audit(store, NOW)} == {(0, 0.0)}


@pytest.mark.parametrize(("times", "counted"), [(4, 0), (5, 5)])
def test_five_equal_texts_of_a_session_are_a_loop_and_four_are_none(
    store: MemoryStore, times: int, counted: int
) -> None:
    put(store, *(row(f"a{n}", "retrying the request now", 3) for n in range(times)))
    put(store, *(row(f"b{n}", "retrying the request now", 3, session_id=f"other {n}") for n in range(4)))
    assert {rate.name: rate.memories for rate in audit(store, NOW)}["loop"] == counted


def test_a_new_rule_takes_a_secret_out_of_every_place(store: MemoryStore, tmp_path: Path) -> None:
    store.remember(f"The key is {TOKEN}, keep it", meta={"env": TOKEN}, tags=["key"], embed=False)
    put(store, row("1", f"export KEY={TOKEN}", 3, why={"reason": "fact", "points": []}))
    with store.database.write() as connection:
        connection.execute("INSERT INTO sessions VALUES ('test', 's', ?, 1)", (f"About {TOKEN}",))
    create(store.database, "manual", BackupDirectory(store.path), retention_days=7)
    override(store, "redaction.yaml", RULE)
    with MemoryStore(store.path, config=store.config) as fresh:
        assert scrub(fresh, dry_run=True).secrets == {"acme": 3}
        receipt = scrub(fresh)
        assert receipt.secrets == {"acme": 3}
        assert (len(receipt.memories), receipt.beside, receipt.journal) == (2, {"sessions": 1}, 1)
        assert receipt.backups == "1 was removed and a new one taken"
        texts = [memory.text for memory in fresh.get_recent()]
        assert len({tuple(memory.meta["secrets"]) for memory in fresh.get_recent()}) == 1
        assert sorted(texts) == ["The key is [REDACTED:acme], keep it", "export KEY=[REDACTED:acme]"]
        with fresh.database.read() as connection:
            assert not examined(connection).damaged
            assert fresh.recall(TOKEN.removeprefix("acme_")).results == ()
        assert not scrub(fresh).found
    store.close()
    apsw.Connection(str(store.path)).wal_checkpoint()
    held = [path.name for path in tmp_path.glob("memory.db*") if TOKEN.encode() in path.read_bytes()]
    assert held == []
    assert json.loads(json.dumps(receipt.as_dict()))["backups"] == receipt.backups


def test_two_mentions_of_one_secret_are_linked(store: MemoryStore, tmp_path: Path) -> None:
    token = "ghp_" + "a8B2c9D4e7F1g6H3i5J0k8L2m9N4o7P1q6R3"
    other = "ghp_" + "z8Y2x9W4v7U1t6S3r5Q0p8O2n9M4l7K1j6I3"
    ids = [store.remember(f"{text} {one}", embed=False) for text, one in (("CI", token), ("Ops", token), ("Me", other))]
    links = [memory.meta["secrets"] for one in ids if (memory := store.get(one))]
    assert links[0] == links[1] != links[2]
    assert links[0][0].startswith("github/")
    key = tmp_path / "redaction.key"
    assert (len(key.read_bytes()), key.stat().st_mode & 0o777) == (32, 0o600)
    with MemoryStore(store.path, config=store.config) as again:
        (linked,) = (rate for rate in audit(again, NOW) if rate.name == "shared")
        assert linked.memories == 2
        third = again.get(again.remember(f"Late {token}", embed=False))
        assert third is not None
        assert third.meta["secrets"] == links[0]


def test_a_folder_that_cannot_hold_a_key_links_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert load_key(tmp_path / "file") == b""
    assert load_key(tmp_path / "new") == load_key(tmp_path / "new") != b""
    (tmp_path / "new" / "redaction.key").write_bytes(b"torn")
    assert len(load_key(tmp_path / "new")) == 32


@pytest.mark.parametrize("run", [lambda store: consolidate(store, now=NOW), lambda store: audit(store, NOW)])
def test_no_more_than_a_page_of_texts_is_held(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch, run: Callable[[MemoryStore], object]
) -> None:
    """At 300,000 memories `audit` took 1,457 MB."""
    texts = (" ".join(f"{place}{chr(97 + n % 26)}" * 40 for n in range(100)) for place in range(300))
    put(store, *(row(f"{place:x}", text, place) for place, text in enumerate(texts)))  # 4 MB
    monkeypatch.setattr(survey, "_AT_ONCE", 10)
    run(store)  # imports, and what is compiled once
    tracemalloc.start()
    try:
        run(store)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.5e6


def test_corrections_denials_and_what_was_taken_back(store: MemoryStore) -> None:
    """Each of one voice, in the order of their times, whatever the order in which they were stored."""
    said = {
        "a1": (9, "We deploy on Fridays."),
        "a2": (8, "We no longer deploy on Fridays."),
        "b1": (9, "We don't support single sign-on yet."),
        "b2": (3, "We support single sign-on now."),
        "c1": (7, "The exporter writes CSV files at night."),
        "c2": (6, "Correction: the exporter writes Parquet files at night."),
        "d1": (5, "We migrated the queue to RabbitMQ."),
        "d2": (4, "We rolled back the queue migration."),
        "e1": (9, "We use Redis for the queue."),
        "e2": (2, "Don't we use Redis for the queue?"),
    }
    memories = [row(name, text, day) for name, (day, text) in said.items()]
    memories += [row("e3", "We don't use Redis for the queue.", 1, project="/shop")]
    memories += [row(f"f{number}f", f"We keep list {number} in drawer {number}.", 20) for number in range(50)]
    put(store, *memories[::-1])
    consolidate(store, now=NOW)
    for older, newer in (("a1", "a2"), ("b1", "b2"), ("c1", "c2"), ("d1", "d2")):
        assert superseded_by(store, older) == newer
    assert superseded_by(store, "e1") == ""  # the queue was in RabbitMQ for a day, and is in Redis again
    for name in ("a2", "b2", "c2", "d2", "e1", "e2", "e3", "f7f"):
        assert superseded_by(store, name) == ""
    assert not consolidate(store, now=NOW).steps


def test_a_correction_is_of_what_was_said_not_long_ago(store: MemoryStore) -> None:
    filler = [row(f"f{number:08}f", f"We keep list {number} in drawer {number}.", 10) for number in range(CORRECTABLE)]
    put(
        store,
        row("0d", "We ship parcels on Tuesdays.", 20),
        *filler,
        row("0e", "Correction: we ship parcels on Mondays.", 1),
    )
    consolidate(store, now=NOW)
    assert superseded_by(store, "0d") == ""
