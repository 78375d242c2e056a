"""What a person typed, out of a user message of Codex's.

Codex hands the model its own context as messages of the user: project instructions, the environment, notices. Those
are dropped under a reason of their own; the editor's context before a prompt is stripped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from memento_ingest.formats.shared.excerpt import string

_INJECTED: Final = {
    "# agents.md instructions": "instructions",
    "<instructions>": "instructions",
    "<user_instructions>": "instructions",
    "<permissions instructions>": "instructions",
    "<collaboration_mode>": "instructions",
    "<model_switch>": "instructions",
    "<personality_spec>": "instructions",
    "<skill>": "instructions",
    "<recommended_plugins>": "instructions",
    "<apps_instructions>": "instructions",
    "<environment_context>": "environment_context",
    "<app-context>": "environment_context",
    "<turn_aborted>": "interrupted",
    "<hook_prompt": "hook_output",
    "<subagent_notification>": "task_notification",
    "<user_shell_command>": "local_command",
    "another language model started to solve this problem": "compact_summary",
}
_IMAGE_TAG: Final = re.compile(r"\s*</?image(?:\s[^<>]*)?>\s*")
_IDE: Final = re.compile(r"# Context from my IDE setup:\n.*?\n## My request for Codex:\n", re.DOTALL)
_TEXTS: Final = frozenset({"input_text", "output_text", "text", "Text"})


def injected(text: str) -> str:
    """Return why the text is not a person's, or an empty string."""
    begun = text.lstrip()[:80].lower()
    return next((reason for opening, reason in _INJECTED.items() if begun.startswith(opening)), "")


def typed(text: str) -> str:
    """Return the prompt without the context an editor put before it."""
    text = text.strip()
    ide = _IDE.match(text)
    return text[ide.end() :].strip() if ide else text


def parts_text(content: object, kinds: object = None) -> str:
    """Return the text of a message's parts.

    `kinds` names each part's kind where the rollout does (`user.text`, `environments.environment_context`); then only
    those of the user's own count.
    """
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    named = kinds if isinstance(kinds, list) and len(kinds) == len(parts) else ["unknown"] * len(parts)
    texts = [_text(part) for part, kind in zip(parts, named, strict=True) if _is_users(kind)]
    return "\n".join(text for text in texts if text.strip() and not _IMAGE_TAG.fullmatch(text))


def passthrough(payload: Mapping[str, Any], name: str) -> object:
    """Return a field of what newer versions note beside a message: `turn_id`, `content_item_kinds`."""
    noted = payload.get("internal_chat_message_metadata_passthrough")
    return noted.get(name) if isinstance(noted, dict) else None


def _is_users(kind: object) -> bool:
    return kind == "unknown" or string(kind).startswith("user.")


def _text(part: object) -> str:
    if isinstance(part, dict) and string(part.get("type")) in _TEXTS:
        return string(part.get("text"))
    return part if isinstance(part, str) else ""
