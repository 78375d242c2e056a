"""One message of a transcript: what every format produces and every policy judges.

The type lives here because policies are the bottom of the dependency order (policies <- memory <- ingest).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from memento_policies.before import UNKNOWN, Before

Role = Literal["user", "assistant", "tool", "system"]
"""Who a message is from. A person's name, where people talk to each other, is `meta["speaker"]`."""
Kind = Literal["turn", "tool_call", "summary"]
"""What a message is: something said, an agent's call of a tool, or a summary of what came before."""
Profile = Literal["people", "agent"]
"""What a transcript is: people who talk to each other, or a person and an agent. Each has its own weights."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as its transcript states it, before any judgement.

    `key` identifies the record globally within its `source`: two messages with the same source and key are the same
    record, seen again (a copy, a fork, a re-read) or grown, whatever file and session they were found in. It must
    never depend on a path.
    """

    role: Role
    text: str
    timestamp: int
    """The event's own time, Unix milliseconds; 0 where the transcript gives none."""
    source: str
    """The name of the format it came from: `claude-code`, `chatgpt`, `generic-jsonl`, ..."""
    session_id: str
    key: str
    """What identifies the record, see above."""
    project: str = ""
    """The working directory or workspace the agent ran in, as the transcript states it."""
    kind: Kind = "turn"
    meta: Mapping[str, Any] = field(default_factory=dict)
    """JSON-serialisable facts from the transcript: model, tool, is_error, git_branch, agent_id, title, ..."""
    before: Before = UNKNOWN
    """What was said before, where the caller knows."""

    @property
    def profile(self) -> Profile:
        """`people` where the transcript names who speaks."""
        return "people" if self.meta.get("speaker") else "agent"
