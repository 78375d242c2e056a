"""The demo's promise: its three questions are answered by meaning, and words alone would not have found the answers."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from memento.config import load_config
from memento.search.terms import terms
from memento.store import MemoryStore
from memento_ingest.batch_ingest import Ingestion, Options

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
ANSWERS = {
    "how much cheaper may we sell?": "15 percent",
    "did someone have a baby?": "My daughter was born",
    "what did we pick for background jobs?": "We decided to go with the Postgres table",
}


@pytest.fixture(scope="module")
def store(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryStore]:
    home = tmp_path_factory.mktemp("samples")
    config = load_config({"embedding.model_dir": str(model_dir)}, {"MEMENTO_HOME": str(home)})
    with MemoryStore(config=config) as store:
        report = Ingestion(store.policy, Options(), store).run([str(SAMPLES)])
        assert (report.problems, report.quarantined) == ([], {})
        store.embed_pending()
        yield store


def test_the_demo_asks_these_questions() -> None:
    asked = re.findall(r'"(.+\?)"', (SAMPLES / "demo.sh").read_text())
    assert asked == list(ANSWERS)


@pytest.mark.parametrize(("question", "answer"), ANSWERS.items())
def test_meaning_finds_what_words_do_not(store: MemoryStore, question: str, answer: str) -> None:
    best = store.recall(question, k=1)[0]
    assert answer in best.text
    assert best.lexical is None, f"the words {terms(question)} find it already"


def test_the_sample_secret_is_nowhere_in_the_store(store: MemoryStore) -> None:
    assert store.recall("staging database", k=1)[0].text.count("[REDACTED:") == 1
    raw = b"".join(path.read_bytes() for path in store.path.parent.rglob("*") if path.is_file())
    assert b"tr0ub4dor" not in raw
