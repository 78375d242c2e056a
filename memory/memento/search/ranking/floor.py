"""The score that a result must reach where the settings' minimum holds, and not one that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from memento.search.ranking.evidence import Evidence
from memento.search.ranking.language import is_english
from memento.storage import fulltext

NO_QUESTION: Final = 0.4
"""The part of it that holds for what is not put as a question: words and complaints, whose answers score less."""
OTHER_LANGUAGE: Final = 0.2
"""The part of it that holds for a memory in another language than the question: they share few words, and the model
reads one of them badly."""


def floor(evidence: Evidence, words: fulltext.Holding, min_score: float) -> Callable[[int], float]:
    """Return what takes a row number to the score that its memory must reach.

    `words` are the question's with their stems. What has no embedding must reach none, nor what holds every word that
    is looked for; of a question only where it is the same one and nobody answered it.
    """
    question = evidence.question
    least = min_score * (1.0 if question.is_question else NO_QUESTION)
    literal = evidence.holding(words)
    spared = evidence.unanswered(literal) if question.is_question else literal
    asked = is_english(question.text)

    def of(num: int) -> float:
        if num in spared or num not in evidence.similar:
            return 0.0
        said = is_english(evidence.texts.get(num, ""))
        return least * (OTHER_LANGUAGE if {asked, said} == {True, False} else 1.0)

    return of
