"""`make eval`: what it reads, what it refuses, and whether its figures are what their names say."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bench import eval as evaluation, peers
from bench.datasets import coding, load
from bench.eval import evaluate, metrics
from hypothesis import given, strategies as st

from memento import MemoryStore
from memento.config import load_config

SAMPLE: dict[str, Any] = {
    "question_id": "q1",
    "question_type": "single-session-user",
    "question": "What colour is my bike?",
    "haystack_session_ids": ["s1", "answer_s2"],
    "haystack_dates": ["2023/05/20 (Sat) 02:21", "2023/05/21 (Sun) 02:21"],
    "haystack_sessions": [
        [{"role": "user", "content": "I like tea."}, {"role": "assistant", "content": "So do many."}],
        [
            {"role": "user", "content": "My bike is red.", "has_answer": True},
            {"role": "assistant", "content": "A bike!"},
        ],
    ],
    "answer_session_ids": ["answer_s2"],
}


def changed(**fields: Any) -> dict[str, Any]:
    """Return the sample with these fields; None takes one away."""
    sample = {**deepcopy(SAMPLE), **fields}
    return {name: value for name, value in sample.items() if value is not None}


def written(folder: Path, content: Any) -> Path:
    path = folder / "benchmark.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    "content",
    [
        [SAMPLE],
        SAMPLE,
        "\n".join([json.dumps(SAMPLE)] * 2),
        [changed(haystack_dates=None)],
        [changed(haystack_dates=[None, "soon"])],
        [changed(haystack_dates=["2023/05/20 (Sat) 02:21"])],
        [changed(answer_session_ids="answer_s2")],
        [changed(haystack_sessions=json.dumps(SAMPLE["haystack_sessions"]))],
        [changed(haystack_sessions=["I like tea.", "My bike is red."])],
        [changed(haystack_sessions=[["I like tea."], ["My bike is red."]])],
        [changed(question_type=None, question_id=None)],
        [changed(haystack_sessions=[[{"role": "user", "content": None}], SAMPLE["haystack_sessions"][1]])],
    ],
)
def test_whatever_is_shaped_like_longmemeval_is_read(tmp_path: Path, content: Any) -> None:
    for conversation in load(written(tmp_path, content)):
        (question,) = conversation.questions
        assert "answer_s2_0" in question.gold
        assert question.gold_sessions == {"answer_s2"}
        assert "My bike is red." in [turn.text for turn in conversation.turns]
        assert all(turn.timestamp == 0 or turn.timestamp > 1_600_000_000_000 for turn in conversation.turns)


@pytest.mark.parametrize("date", [None, "soon", 20230522, "2023/05/22 (Mon) 10:00"])
def test_a_question_is_asked_at_its_own_time(tmp_path: Path, date: Any) -> None:
    (one,) = load(written(tmp_path, [changed(question_date=date)]))
    wanted = datetime(2023, 5, 22, 10, tzinfo=UTC).timestamp() * 1000 if str(date).startswith("2023/") else None
    assert one.questions[0].at == wanted


def test_what_day_a_question_means_counts_from_its_own_time(model_dir: Path, tmp_path: Path) -> None:
    def said(day: int, where: str) -> dict[str, str]:
        return {"role": "user", "content": f"I had lunch in {where} and then {'we went home ' * (day % 3)}it rained."}

    days = dict(zip(range(1, 29), "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖ", strict=True))
    sample = changed(
        question="Where did I have lunch yesterday?",
        question_date="2023/05/20 (Sat) 19:00",
        haystack_session_ids=[f"s{day}" for day in days],
        haystack_dates=[f"2023/05/{day:02} (Day) 12:00" for day in days],
        haystack_sessions=[[said(day, f"{name}-town")] for day, name in days.items()],
        answer_session_ids=["s19"],
    )
    (conversation,) = load(written(tmp_path, [sample]))
    environment = {"MEMENTO_HOME": str(tmp_path), "MEMENTO_MODEL_DIR": str(model_dir)}
    with MemoryStore(tmp_path / "m.db", config=load_config(environment=environment)) as store:
        evaluation.fill(store, conversation)
        (question,) = conversation.questions
        assert evaluation.ranked(store, question)[0] == ("s19_0", "s19")
        assert len(store.recall("lunch since:3d", 100, at=question.at)) == 11
        assert not store.recall("lunch since:3d", 100).results


def test_sessions_without_names_are_numbered(tmp_path: Path) -> None:
    (one,) = load(written(tmp_path, [changed(haystack_session_ids=None, answer_session_ids=None)]))
    assert one.questions[0].gold_sessions == {"session_1"}


@pytest.mark.parametrize("answers", [[], ["answer_s2"]])
@pytest.mark.parametrize("marked", [True, False])
def test_a_question_that_nothing_answers_is_not_counted(tmp_path: Path, answers: list[str], marked: bool) -> None:
    sessions = deepcopy(SAMPLE["haystack_sessions"])
    if not marked:
        del sessions[1][0]["has_answer"]
    sample = changed(question_id="q1_abs", answer_session_ids=answers, haystack_sessions=sessions)
    asked, abstained = load(written(tmp_path, [SAMPLE, sample]))
    assert (len(asked.questions), len(asked.unanswerable)) == (1, 0)
    assert abstained.questions == []
    (question,) = abstained.unanswerable
    assert question.text == SAMPLE["question"]
    assert not question.gold | question.gold_sessions


def chat(folder: Path, questions: dict[str, list[dict[str, Any]]]) -> Path:
    """Write a chat of two sessions shaped like BEAM's."""
    batches = [
        {
            "batch_number": number,
            "turns": [
                [
                    {"id": 2 * number - 2, "role": "user", "content": said},
                    {"id": 2 * number - 1, "role": "assistant", "content": f"Noted: {number}"},
                ]
            ],
        }
        for number, said in enumerate(("My bike is red.", "I like tea."), 1)
    ]
    (folder / "one").mkdir(parents=True)
    (folder / "one" / "chat.json").write_text(json.dumps(batches))
    (folder / "one" / "probing_questions.json").write_text(json.dumps(questions))
    return folder


def test_what_a_chat_marks_and_what_it_does_not_answer(tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = [
        {"question": "Which colour?", "source_chat_ids": [0], "gold": "turn"},
        {"question": "Which drink?", "source_chat_ids": [2, 3], "gold": "session"},
        {"question": "Colour and drink?", "source_chat_ids": {"first": [0], "then": [2]}},
    ]
    unanswered = [{"question": "Which car?"}]
    (one,) = load(chat(tmp_path, {"facts": asked, "abstention": unanswered, "summary": [{"question": "All?"}]}))
    found = [(set(one.gold), set(one.gold_sessions), one.turns_marked) for one in one.questions]
    assert found == [({"0"}, {"1-0"}, True), ({"2", "3"}, {"2-0"}, False), ({"0", "2"}, {"1-0", "2-0"}, True)]
    assert [question.text for question in one.unanswerable] == ["Which car?"]


def test_questions_over_transcripts_find_their_answers_among_the_stored_messages(tmp_path: Path) -> None:
    helps, answers = {"grade": 1, "snippet": "lint fail"}, {"grade": 2, "snippet": "the cause is a missing comma"}
    asked = [
        {"id": "a", "type": "why", "question": "Why does lint fail?", "gold": [helps, answers]},
        {"id": "b", "type": "how", "question": "How is it built?", "gold": [{"grade": 2, "snippet": "make all"}]},
        {"id": "c", "type": "where", "question": "Where is it?", "gold": [helps]},
        {"id": "d", "type": "none", "question": "Which database?", "gold": []},
    ]
    (tmp_path / "questions.json").write_text(json.dumps(asked))
    texts = {"m1": "lint fail", "m2": "So  the cause is a\n missing comma.", "m3": "The cause is a missing comma"}
    one = coding(tmp_path, texts)
    assert [(question.kind, set(question.gold)) for question in one.questions] == [
        ("why", {"m2"}),
        ("how", {"not stored"}),
    ]
    assert [(question.text, question.gold) for question in one.unanswerable] == [("Which database?", frozenset())]
    (tmp_path / "questions.json").write_text(json.dumps([{"type": "why"}]))
    with pytest.raises(SystemExit, match=r"questions.json cannot be read: KeyError: 'gold'"):
        coding(tmp_path, texts)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{not json", "is neither JSON nor JSON lines"),
        ([], "is neither LoCoMo, nor LongMemEval"),
        ([{"x": 1}], "is neither LoCoMo, nor LongMemEval"),
        ([SAMPLE, 5], "is neither LoCoMo, nor LongMemEval"),
        ([SAMPLE, changed(question=None)], "entry 2 cannot be read: KeyError: 'question'"),
        ([changed(haystack_session_ids=["s1"])], "entry 1 cannot be read: ValueError"),
    ],
)
def test_what_is_no_benchmark_is_named(tmp_path: Path, content: Any, says: str) -> None:
    with pytest.raises(SystemExit, match=says):
        load(written(tmp_path, content))


def test_no_file_and_no_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments, says in (
        ([tmp_path / "none.json"], "2"),
        ([tmp_path], "holds no question"),
        ([written(tmp_path, [SAMPLE]), "--split", "dev"], "holds no question"),
    ):
        monkeypatch.setattr("sys.argv", ["eval.py", *map(str, arguments)])
        with pytest.raises(SystemExit, match=says):
            evaluation.main()


def test_a_folder_of_chats_that_lacks_one(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "probing_questions.json").write_text("{}")
    with pytest.raises(SystemExit, match=r"1 cannot be read: FileNotFoundError.*chat\.json"):
        load(tmp_path)


@pytest.mark.parametrize(("every", "taken"), [(1, ["q1", "q3", "q5"]), (2, ["q1", "q5"])])
def test_peers_are_asked_every_so_manieth_conversation_that_has_questions(
    tmp_path: Path, every: int, taken: list[str]
) -> None:
    samples = [changed(question_id=name) for name in ("q1", "q2_abs", "q3", "q4_abs", "q5")]
    path = written(tmp_path, samples)
    assert [one.name for one in peers.chosen(path, "all", every)] == taken
    assert peers.chosen(path, "dev", every) == []


@given(st.permutations(list("abcdefghijklmnop")), st.sets(st.sampled_from("abcdefghijklmnopXYZ"), min_size=1))
def test_the_figures_are_what_their_names_say(order: list[str], gold: set[str]) -> None:
    found = metrics(order, frozenset(gold))
    for k in (1, 5, 10):
        assert found[f"any@{k}"] == (not gold.isdisjoint(order[:k]))
    for k in (5, 10):
        assert found[f"all@{k}"] == gold.issubset(order[:k])
    assert found["mrr"] == next((1 / n for n in range(1, len(order) + 1) if order[n - 1] in gold), 0)
    gains = [float(name in gold) for name in order[:10]]
    best = sorted([float(name in gold) for name in {*order, *gold}], reverse=True)[:10]
    discounted = [sum(gain / math.log(n + 2, 2) for n, gain in enumerate(one)) for one in (gains, best)]
    assert found["ndcg@10"] == pytest.approx(discounted[0] / discounted[1])


def test_a_benchmark_is_asked_through_the_store(
    tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMENTO_MODEL_DIR", str(model_dir))
    monkeypatch.setenv("MEMENTO_HOME", str(tmp_path))
    other = changed(
        question_id="q2", question_type="other", question="What do I like to drink?", answer_session_ids=["s1"]
    )
    other["haystack_sessions"] = deepcopy(SAMPLE["haystack_sessions"])
    del other["haystack_sessions"][1][0]["has_answer"]
    results = evaluate(load(written(tmp_path, [SAMPLE, other])))
    assert {key: len(rows) for key, rows in results.items()} == {
        (level, kind): count
        for level, kind, count in (
            ("turn", "single-session-user", 1),
            ("turn", "all", 1),
            ("session", "single-session-user", 1),
            ("session", "other", 1),
            ("session", "all", 2),
        )
    }
    assert [row["any@1"] for row in results["turn", "all"]] == [1.0]
    assert [row["any@1"] for row in results["session", "all"]] == [1.0, 1.0]
    assert results["session", "other"][0]["all@5"] == 1.0
