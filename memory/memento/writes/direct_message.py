"""What a program or a user gives to be kept, checked, as a message like those of transcripts."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from memento.base import arguments
from memento.base.times import now_ms, to_ms
from memento.errors import UsageError
from memento.narrowing import When
from memento.writes.conversation import conversation_before
from memento.writes.new_memory import require_role
from memento_policies import Message
from memento_policies.before import UNKNOWN

if TYPE_CHECKING:
    from memento.storage.database import Database


def direct_message(
    database: Database,
    text: str,
    source: str,
    *,
    session_id: str = "",
    role: str = "user",
    speaker: str = "",
    timestamp: When | None = None,
    project: str = "",
    meta: Mapping[str, Any] | None = None,
) -> Message:
    """Return the message; the same text of the same session, role and speaker has the same key.

    Raises UsageError for an empty text and whatever else cannot be kept.
    """
    names = {"session_id": session_id, "source": source, "project": project, "speaker": speaker}
    for name, given in {"text": text, **names}.items():
        arguments.checked_text(name, given)
    if not text.strip():
        raise UsageError("there is nothing to remember: the text is empty")
    key = blake2b(f"{session_id}\0{role}\0{speaker}\0{text}".encode("utf-8", "replace"), digest_size=16).hexdigest()
    return Message(
        role=require_role(role),
        text=text,
        timestamp=now_ms() if timestamp is None else to_ms(timestamp),
        source=source,
        session_id=session_id,
        key=key,
        project=project,
        meta={**arguments.json_object("meta", meta or {}), **({"speaker": speaker} if speaker else {})},
        before=conversation_before(database, session_id, speaker) if speaker else UNKNOWN,
    )
