"""ChatGPT's data export: `conversations.json` or `conversations-*.json`, an array of conversations.

A conversation is a tree: `mapping` holds its nodes, and the walk from `current_node` along `parent` is what the user
sees. The other branches are kept and marked as inactive (edited prompts, regenerated answers). Reverse-engineered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

from memento_ingest.formats.shared.documents import read_document
from memento_ingest.formats.shared.excerpt import Excerpt, Turn, active_path, string
from memento_ingest.formats.shared.sniffing import first_object, is_json_document
from memento_ingest.span import SourceInfo, Span
from memento_ingest.times import to_unix_ms
from memento_policies import Role

NAME: Final = "chatgpt"

_ROLES: Final[Mapping[str, Role]] = {"user": "user", "assistant": "assistant", "tool": "tool"}
_SKIPPED_CONTENT: Final = {
    "thoughts": "reasoning",
    "reasoning_recap": "reasoning",
    "user_editable_context": "instructions",
    "model_editable_context": "instructions",
    "system_error": "error",
}
_SPOKEN: Final = frozenset({"text", "multimodal_text", "code"})


class ChatGPT:
    """The export as a whole document."""

    name = NAME

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether the document begins with a conversation, or an array of them."""
        return is_json_document(head, info) and is_chatgpt(first_object(head))

    def read(self, stream: BinaryIO, info: SourceInfo) -> Iterator[Span]:
        """Yield the spans of each conversation."""
        return read_document(stream, info, NAME, read_chatgpt)


def is_chatgpt(value: object) -> bool:
    """Tell whether a decoded JSON value, perhaps cut short, is a ChatGPT conversation."""
    if not isinstance(value, dict):
        return False
    mapping = value.get("mapping")
    if not isinstance(mapping, dict) or (not mapping and "current_node" not in value):
        return False
    if "inserted_at" in value and "create_time" not in value:  # DeepSeek's, also with nothing said in it
        return False
    if not mapping:
        return "create_time" in value
    nodes = [node for node in mapping.values() if isinstance(node, dict)]
    if not any("message" in node or "children" in node or "parent" in node for node in nodes):
        return False
    # Others export the same tree with messages of their own (DeepSeek): a message here has an author.
    messages = [message for node in nodes if isinstance(message := node.get("message"), dict)]
    return any("author" in message or "content" in message for message in messages) or not messages


def read_chatgpt(value: object) -> Excerpt | None:
    """Read one conversation: its active branch from root to leaf, then the other branches in the export's order."""
    if not isinstance(value, dict) or not is_chatgpt(value):
        return None
    nodes: dict[str, dict[str, Any]] = {k: n for k, n in value["mapping"].items() if isinstance(n, dict)}
    path = active_path(_leaf(value, nodes), {k: string(n.get("parent")) for k, n in nodes.items()})
    active = set(path)
    turns: list[Turn] = []
    skipped: list[str] = []
    for name in dict.fromkeys([*path, *nodes]):
        turn = _read_node(nodes[name])
        if isinstance(turn, str):
            skipped.append(turn)
        else:
            turns.append(turn if name in active else turn._replace(meta={**turn.meta, "active": False}))
    return Excerpt(
        turns,
        skipped,
        session_id=string(value.get("conversation_id")) or string(value.get("id")),
        source=NAME,
        title=string(value.get("title")),
        started=to_unix_ms(value.get("create_time")),
    )


def _leaf(conversation: Mapping[str, Any], nodes: dict[str, dict[str, Any]]) -> str:
    """Return the last node of the active branch; where the export names none that exists, the newest in its order."""
    current = string(conversation.get("current_node"))
    return current if current in nodes else next(reversed(nodes), "")


def _read_node(node: Mapping[str, Any]) -> Turn | str:
    """Return the node's turn, or the reason why it has none."""
    message = node.get("message")
    if not isinstance(message, dict):
        return "structure"
    metadata = message.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    author = message.get("author")
    role_name = string(author.get("role")) if isinstance(author, dict) else ""
    role = _ROLES.get(role_name)
    content = message.get("content")
    content = content if isinstance(content, dict) else {}
    kind = string(content.get("content_type"))
    if metadata.get("is_visually_hidden_from_conversation") is True:
        return "hidden"
    if kind in _SKIPPED_CONTENT:
        return _SKIPPED_CONTENT[kind]
    if role is None:
        return "system" if role_name in ("system", "developer") else "unknown_type"
    text = _text(content)
    if not text.strip():
        return "empty"
    if kind == "execution_output" or (kind in _SPOKEN and role == "assistant" and _is_call(message)):
        role = "tool"
    model = string(metadata.get("model_slug"))
    return Turn(
        role,
        text,
        to_unix_ms(message.get("create_time")),
        key=string(message.get("id")),
        kind="tool_call" if role == "tool" else "turn",
        meta={"model": model} if model else {},
    )


def _is_call(message: Mapping[str, Any]) -> bool:
    """Tell whether an assistant's message was addressed to a tool rather than to the user."""
    return string(message.get("recipient")) not in ("", "all")


def _text(content: Mapping[str, Any]) -> str:
    parts = content.get("parts")
    if not isinstance(parts, list):
        return string(content.get("text")) or string(content.get("result"))
    texts = [part if isinstance(part, str) else _part_text(part) for part in parts]
    said = [text for text in texts if text.strip()]
    images = sum(isinstance(part, dict) and "asset_pointer" in part for part in parts)
    return "\n".join([*said, *["[image]"] * images]) if said else ""


def _part_text(part: object) -> str:
    """Return the text of a part that is an object: a transcribed voice message, for instance."""
    return string(part.get("text")) if isinstance(part, dict) else ""
