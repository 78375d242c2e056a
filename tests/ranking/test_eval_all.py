"""`make eval-all`: which sets it finds, what it counts, what it compares with, and that stores are filled once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench import eval_all, eval_stores
from bench.baselines import DENSE_ALONE, FUSED, FUSED_USER, Baselines
from bench.datasets import Conversation, Question, Turn
from bench.eval import fill, metrics
from bench.eval_all import Figures, echoes, floor_table, place, table
from bench.eval_stores import Haystack, filled, name_of

from memento import MemoryStore
from memento.config import load_config
from memento.embedding import Embedder, load_embedder
from memento.memory import Memory

SAID = (
    ("user", "I ride my red bicycle to the office every morning."),
    ("assistant", "The train to the office takes twenty minutes."),
    ("user", "My sister plays the violin in an orchestra."),
    ("assistant", "An espresso machine needs descaling once a month."),
    ("user", "The beetle in the garden has seven black dots."),
)


@pytest.fixture
def embedder(model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Embedder:
    """Return the model, in a home of its own."""
    monkeypatch.setenv("MEMENTO_MODEL_DIR", str(model_dir))
    monkeypatch.setenv("MEMENTO_HOME", str(tmp_path / "home"))
    return load_embedder(model_dir, threads=1)


def conversation(*said: tuple[str, str], name: str = "one", speaker: str = "") -> Conversation:
    turns = [Turn(str(n), f"s{n // 2}", role, speaker, text, 0) for n, (role, text) in enumerate(said)]
    return Conversation(name, turns)


def stored(folder: Path, embedder: Embedder, told: Conversation) -> MemoryStore:
    store = MemoryStore(folder / "m.db", config=load_config(), embedder=embedder)
    fill(store, told)
    return store


def names(found: list[Memory]) -> list[str]:
    return [name_of(memory) for memory in found]


def test_the_baselines_are_the_formula_over_every_row(tmp_path: Path, embedder: Embedder) -> None:
    question = "Is my brother a musician with a concert this month?"  # only turn 3 holds a word of it
    with stored(tmp_path, embedder, conversation(*SAID)) as store:
        found = Baselines(store, embedder).rankings(question, 100)
    cosines = np.stack(embedder.embed_queries([text for _, text in SAID])) @ embedder.embed_query(question)
    scaled = (cosines - cosines.min()) / np.ptp(cosines)
    words = np.array([float("month" in text) for _, text in SAID])
    assert names(found[DENSE_ALONE]) == [str(n) for n in np.argsort(-cosines)]
    assert names(found[FUSED]) == [str(n) for n in np.argsort(-(0.7 * scaled + 0.3 * words))]
    assert [names(found[FUSED])[:2], names(found[DENSE_ALONE])[:2]] == [["2", "3"], ["2", "0"]]
    assert names(found[FUSED_USER]) == ["2", "0", "4"]


def test_user_turns_alone_are_a_baseline_only_where_an_assistant_speaks(tmp_path: Path, embedder: Embedder) -> None:
    people = conversation(*SAID, speaker="Ann")
    alone = conversation(*[one for one in SAID if one[0] == "user"])
    for number, told in enumerate((people, alone)):
        with stored(tmp_path / str(number), embedder, told) as store:
            assert FUSED_USER not in Baselines(store, embedder).rankings("violin", 5)


def test_the_best_passage_of_a_long_text_counts(tmp_path: Path, embedder: Embedder) -> None:
    long = "The weather report speaks of rain and wind along the coast. " * 60 + "My sister plays the violin. " * 60
    chatter = "A band played music all evening, and people danced. " * 200
    assert len(embedder.passages(long)) > 1
    said = (("user", chatter), ("user", long), ("user", "A violinist practises."), ("user", "Some tea."))
    with stored(tmp_path, embedder, conversation(*said)) as store:
        found = Baselines(store, embedder).rankings("the sister who plays the violin", 4)
    assert names(found[DENSE_ALONE])[0] == "1"


def test_a_store_is_filled_once_and_again_when_its_content_changes(tmp_path: Path, embedder: Embedder) -> None:
    fills: list[str] = []

    def haystack(content: bytes) -> Haystack:
        told = conversation(*SAID)

        def filling(store: MemoryStore) -> None:
            fills.append(content.decode())
            fill(store, told)

        return Haystack("one", content, filling, lambda _: told)

    for content in (b"a", b"a", b"b", b"a"):
        with filled(haystack(content), tmp_path / "cache", embedder) as store:
            assert store.stats().memories == len(SAID)
            assert store.pending() == 0
            store.recall("Which of them plays the violin?")
            assert store.stats().caches["queries_stored"].entries == 0
    assert fills == ["a", "b"]


def test_a_store_that_could_not_be_filled_is_not_kept(tmp_path: Path, embedder: Embedder) -> None:
    def failing(store: MemoryStore) -> None:
        store.remember("half of it")
        raise KeyboardInterrupt

    told = conversation(*SAID)
    with pytest.raises(KeyboardInterrupt), filled(Haystack("one", b"a", failing, lambda _: told), tmp_path, embedder):
        pass
    good = Haystack("one", b"a", lambda store: fill(store, told), lambda _: told)
    with filled(good, tmp_path, embedder) as store:
        assert store.stats().memories == len(SAID)


def test_no_floor_of_the_settings_hides_a_result(tmp_path: Path, embedder: Embedder) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.yaml").write_text("recall: {min_score: 1.0}")
    told = conversation(*SAID)
    with filled(Haystack("one", b"a", lambda store: fill(store, told), lambda _: told), tmp_path, embedder) as store:
        assert store.recall("Which of them plays the violin?").results


def question(**fields: Any) -> Question:
    return replace(Question("Who?", "fact", frozenset({"a"}), frozenset({"s"})), **fields)


Remember = Callable[..., Memory]


@pytest.fixture
def remember(tmp_path: Path) -> Remember:
    """Return a function that gives a stored memory with the turn's name."""

    def make(turn: str, role: str = "user", speaker: str = "", session: str = "s") -> Memory:
        with MemoryStore(tmp_path / "m.db") as store:
            meta = {"turn": turn}
            identity = store.remember(
                f"text {turn}", role=role, speaker=speaker, session_id=session, meta=meta, embed=False
            )
            found = store.get(identity)
            assert found
            return found

    return make


def test_echoes_are_user_turns_that_do_not_answer(remember: Remember) -> None:
    user, other, assistant = remember("a"), remember("b"), remember("c", "assistant")
    assert echoes([user, other, assistant, assistant], frozenset("a")) == {"echo@5": 0.25}
    assert echoes([user, other, assistant, assistant], frozenset("c")) == {"echo@5": 0.5}
    assert echoes([assistant] * 5 + [other] * 5, frozenset("a")) == {"echo@5": 0.0}
    assert echoes([], frozenset("a")) == {"echo@5": 0.0}
    assert echoes([remember("d", speaker="Ann")], frozenset("a")) == {}


def test_what_a_question_counts_for(remember: Remember) -> None:
    figures, found = Figures("set"), [remember("b", session="t"), remember("a")]
    figures.add(question(), {"recall": found})
    figures.add(question(turns_marked=False, kind="other"), {"recall": found})
    figures.add(question(gold_sessions=frozenset()), {"recall": found[1:]})
    figures.add(question(kind="adversarial"), {"recall": found})
    counted = {group: len(rankings["recall"]) for group, rankings in figures.rows.items()}
    assert counted == {
        ("turn", "all"): 2, ("turn", "fact"): 2, ("turn", "adversarial"): 1,
        ("session", "all"): 2, ("session", "fact"): 1, ("session", "other"): 1, ("session", "adversarial"): 1,
    }  # fmt: skip
    first, second = figures.rows["turn", "all"]["recall"]
    assert first == metrics(["b", "a"], frozenset("a")) | {"echo@5": 0.5}
    assert (first["any@1"], second["any@1"]) == (0.0, 1.0)
    lines = list(table(figures, by_kind=False))
    assert [line.split()[0] for line in lines[1:]] == ["turn", "recall", "session", "recall"]
    assert lines[2].split() == ["recall", "50.0", "100.0", "100.0", "100.0", "100.0", "75.0", "25.0"]
    assert any("other (1)" in line for line in table(figures, by_kind=True))


def test_the_floor_table_has_what_each_floor_would_do() -> None:
    one = Figures("one", kept=[0.95, 0.55, -1.0, 0.3], unanswerable=[0.25, 0.6])
    two = Figures("two", kept=[0.95])
    lines = {line.split("  ")[1]: line.split()[-10:] for line in list(floor_table([one, two]))[1:]}
    assert lines["one: unanswerable, without a result (2)"] == [*["0.0"] * 3, *["50.0"] * 4, *["100.0"] * 3]
    assert lines["one: answerable, answer in the first ten (4)"] == [*["75.0"] * 4, *["50.0"] * 2, *["25.0"] * 4]
    assert lines["all sets: answerable, answer in the first ten (5)"][0] == "80.0"
    assert len(lines) == 5


def test_a_set_is_found_in_the_folder_or_in_one_of_its_folders(tmp_path: Path) -> None:
    (tmp_path / "more" / "realmem").mkdir(parents=True)
    (tmp_path / "more" / "deeper" / "beam-dev").mkdir(parents=True)
    (tmp_path / "realmem").mkdir()
    assert place(tmp_path, "realmem") == tmp_path / "realmem"
    (tmp_path / "realmem").rmdir()
    assert place(tmp_path, "realmem") == tmp_path / "more" / "realmem"
    assert place(tmp_path, "beam-dev") is None


def written_sets(folder: Path) -> None:
    """Write a chat shaped like BEAM's, and transcripts with questions."""
    exchanges = [
        [{"id": 2 * n, "role": role, "content": text}, {"id": 2 * n + 1, "role": "assistant", "content": f"Noted {n}."}]
        for n, (role, text) in enumerate(one for one in SAID if one[0] == "user")
    ]
    asked = {
        "facts": [{"question": "Who plays the violin?", "source_chat_ids": [2], "gold": "turn"}],
        "abstention": [{"question": "What is the capital of Peru?"}],
    }
    chat = folder / "beam-dev" / "1"
    chat.mkdir(parents=True)
    (chat / "chat.json").write_text(json.dumps([{"batch_number": 1, "turns": exchanges}]))
    (chat / "probing_questions.json").write_text(json.dumps(asked))
    transcripts = folder / "coding" / "transcripts"
    transcripts.mkdir(parents=True)
    said = (
        ("user", "Why does the nightly build fail since yesterday evening?"),
        (
            "assistant",
            "The certificate of the package mirror has expired: renewing it fixed the build, it is green.",
        ),
    )
    lines = [json.dumps({"role": role, "content": text}) for role, text in said]
    (transcripts / "one.jsonl").write_text("\n".join(lines) + "\n")
    gold = {"grade": 2, "snippet": "certificate of the package mirror has expired"}
    questions = [
        {"id": "a", "type": "why", "question": "What broke the nightly build?", "gold": [gold]},
        {"id": "b", "type": "none", "question": "Which database is used?", "gold": []},
    ]
    (folder / "coding" / "questions.json").write_text(json.dumps(questions))


def test_all_sets_of_a_folder_are_measured(
    tmp_path: Path, embedder: Embedder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written_sets(tmp_path / "sets")

    def printed(*flags: str) -> list[str]:
        arguments = [str(tmp_path / "sets"), "--cache", str(tmp_path / "cache"), *flags]
        monkeypatch.setattr("sys.argv", ["eval_all.py", *arguments])
        eval_all.main()
        return capsys.readouterr().out.splitlines()

    absent, *lines = printed()
    assert "realmem" in absent
    assert "beam-dev" not in absent
    heads = [line.partition("; recall p50 ")[0] for line in lines if " p50 " in line]
    assert heads == ["coding: 1 stores, 2 memories", "beam-dev: 1 stores, 6 memories"]
    groups = [line.split("  ")[1] for line in lines if " level, " in line]
    assert groups == ["turn level, all (1)", "turn level, all (1)", "session level, all (1)"]
    rankings = [line[4:50].strip() for line in lines if line.startswith("    ")]
    assert rankings == ["recall", FUSED, FUSED_USER, DENSE_ALONE] * 3
    answered = [line.split()[2] for line in lines if line.startswith("    recall")]
    assert answered == ["100.0"] * 3  # any@5
    floors = [line.split(":")[0].strip() for line in lines if " (1)  " in line and ": " in line]
    assert floors == ["coding", "coding", "beam-dev", "beam-dev"]

    monkeypatch.setattr(eval_stores, "fill", None)  # nothing is filled again
    monkeypatch.setattr(eval_stores, "Ingestion", None)
    figures = [line for line in lines if " p50 " not in line]
    assert [line for line in printed()[1:] if " p50 " not in line] == figures
    assert any("turn level, why (1)" in line for line in printed("--by-kind"))
    assert not any("coding" in line for line in printed("--only", "beam-dev"))
    with pytest.raises(SystemExit, match="holds none of the sets: realmem"):
        printed("--only", "realmem")
