"""A prompt that tells nothing, in whatever language, asks for no memories and gets none."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from memento.memory import Found, Memory, Recall
from memento_ingest.hooks.context import reply

MEMORY = Memory(
    id="a" * 32,
    text="继续: the cache is cold after a deploy.",
    timestamp=0,
    source="claude-code",
    session_id="earlier",
    role="user",
    speaker="",
    trust="user",
    kind="turn",
    importance=0.5,
    tags=(),
    collection="episodic",
    project="/w",
    active=True,
    ingested_at=0,
    superseded_by=None,
    meta={},
    why={},
)
BARE = (
    "ok", "y", "Y.", "n", "1", "2)", "12", "👍", "...", "go ahead", "yes, continue", "继续",
    "继续吧", "好的，继续", "可以", "没问题", "繼續", "weiter", "ja, mach weiter", "Ja bitte!",
    "continúa", "sí, sigue", "vale", "continue s'il te plaît", "oui, vas-y", "d’accord",
    "pode continuar", "sim, obrigado", "sì, grazie", "продолжай", "да, давай", "ок", "続けて",
    "はい、続けてください", "了解です", "お願いします", "계속해줘", "네", "devam et", "kontynuuj",
    "tiếp tục", "استمر", "",
)  # fmt: skip
TELLING = (
    "1 test fails", "port 8080", "weiter mit dem Cache", "继续修复缓存", "continúa con la caché", "продолжай с кэшем",
    "キャッシュを続けて", "y is negative", "404", "dns", "캐시를 계속", "why?",
)  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the questions that reach a sidecar which has an answer to all of them."""
    questions: list[str] = []

    def recall(_database: Path, question: str, *_: Any) -> Recall:
        questions.append(question)
        return Recall(question, (Found(MEMORY, 0.95, 0.9, 1.0),), False, (), 0.01)

    monkeypatch.setattr("memento_ingest.hooks.context.recall", recall)
    return questions


def answer(prompt: str) -> str:
    record = {"event": "UserPromptSubmit", "prompt": prompt, "session_id": "now", "cwd": "/w"}
    told = reply(Path("/nowhere/memory.db"), "claude-code", record)
    assert told is not None
    return told.text


@pytest.mark.parametrize("prompt", [*BARE, unicodedata.normalize("NFD", "continúa")])
def test_a_bare_prompt_gets_nothing(prompt: str, asked: list[str]) -> None:
    assert answer(prompt) == ""
    assert asked == []


@pytest.mark.parametrize("prompt", TELLING)
def test_a_prompt_that_tells_something_is_asked_for(prompt: str, asked: list[str]) -> None:
    answer(prompt)
    assert asked == [prompt]


def test_what_is_found_for_such_a_prompt_is_told(asked: list[str]) -> None:
    assert "the cache is cold" in answer("why is it slow?")
    assert len(asked) == 1
