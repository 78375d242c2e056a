"""What the assistant and the person say to each other through tools: questions and answers, plans, refusals.

The words are the assistant's or the person's, whatever record carries them. The sentences that the tool puts around
them are nobody's. `calls` reads what a call says, `replies` what its result says, `notices` knows the machine text.
"""

from __future__ import annotations

from memento_ingest.formats.shared.dialogue.calls import Dialogue, Question, kind_of, read_call
from memento_ingest.formats.shared.dialogue.notices import is_prose
from memento_ingest.formats.shared.dialogue.replies import (
    Reply,
    Words,
    about,
    answer_text,
    asked,
    read_reply,
    refused,
)

__all__ = [
    "Dialogue",
    "Question",
    "Reply",
    "Words",
    "about",
    "answer_text",
    "asked",
    "is_prose",
    "kind_of",
    "read_call",
    "read_reply",
    "refused",
]
