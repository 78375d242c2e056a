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


def floor(evidence: Evidence, words: fulltext.DocumentFrequencies, min_score: float) -> Callable[[int, float], bool]:
    """Return what tells whether a memory, given by its row number, has a score that is high enough.

    `words` are the question's with their stems. What has no embedding must reach none, nor what holds every word that
    is looked for; of a question only where it is the same one and nobody answered it.
    """
    question = evidence.question
    least = min_score * (1.0 if question.is_question else NO_QUESTION)
    literal = evidence.holding(words)
    spared = evidence.unanswered(literal) if question.is_question else literal
    asked = is_english(question.text)

    def is_reached(num: int, score: float) -> bool:
        if score >= least or num in spared or num not in evidence.similar:
            return True
        if asked is None or score < least * OTHER_LANGUAGE:
            return False
        return is_english(evidence.texts.get(num, "")) is (not asked)

    return is_reached
