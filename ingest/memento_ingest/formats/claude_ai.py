"""Claude.ai's data export: `conversations.json`, an array of conversations with their `chat_messages`.

A message's `content` blocks are preferred; its `text` repeats them and counts only where they hold no text. The text
extracted from an attachment is a message of its own with the role `tool` and the file's name in `meta`: the user
handed it over but did not say it, so it must not carry the user's trust. Reverse-engineered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

from memento_ingest.formats.shared.dialogue import asked, read_call
from memento_ingest.formats.shared.documents import read_document
from memento_ingest.formats.shared.excerpt import Excerpt, Turn, active_path, block_text, string, tool_call
from memento_ingest.formats.shared.sniffing import first_object, is_json_document
from memento_ingest.span import SourceInfo, Span
from memento_ingest.times import to_unix_ms
from memento_policies import Role

NAME: Final = "claude-ai"

_ROLES: Final[Mapping[str, Role]] = {"human": "user", "user": "user", "assistant": "assistant"}


class ClaudeAI:
    """The export as a whole document."""

    name = NAME

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether the document begins with a conversation, or an array of them."""
        return is_json_document(head, info) and is_claude_ai(first_object(head))

    def read(self, stream: BinaryIO, info: SourceInfo) -> Iterator[Span]:
        """Yield the spans of each conversation."""
        return read_document(stream, info, NAME, read_claude_ai)


def is_claude_ai(value: object) -> bool:
    """Tell whether a decoded JSON value, perhaps cut short, is a Claude.ai conversation."""
    return isinstance(value, dict) and isinstance(value.get("chat_messages"), list) and "uuid" in value


def read_claude_ai(value: object) -> Excerpt | None:
    """Read one conversation in the export's order; messages off the branch that ends last are marked inactive."""
    if not isinstance(value, dict) or not is_claude_ai(value):
        return None
    inactive = _inactive(value)
    turns: list[Turn] = []
    skipped: list[str] = []
    for message in value["chat_messages"]:
        if not isinstance(message, dict) or string(message.get("sender")) not in _ROLES:
            skipped.append("unknown_type")
            continue
        found = _turns(message)
        if not found:
            skipped.append("empty")
        for turn in found:
            hidden = string(message.get("uuid")) in inactive
            turns.append(turn._replace(meta={**turn.meta, "active": False}) if hidden else turn)
    return Excerpt(
        turns,
        skipped,
        session_id=string(value.get("uuid")),
        source=NAME,
        title=string(value.get("name")),
        started=to_unix_ms(value.get("created_at")),
    )


def _inactive(conversation: Mapping[str, Any]) -> set[str]:
    """Return the ids of the messages on abandoned branches; none where the export does not give every parent."""
    parents: dict[str, str] = {}
    for message in conversation["chat_messages"]:
        if not isinstance(message, dict) or not isinstance(message.get("parent_message_uuid"), str):
            return set()
        parents[string(message.get("uuid"))] = message["parent_message_uuid"]
    leaf = string(conversation.get("current_leaf_message_uuid"))
    path = active_path(leaf if leaf in parents else next(reversed(parents), ""), parents)
    return set(parents).difference(path)


def _turns(message: Mapping[str, Any]) -> list[Turn]:
    """Return a message's turns: its text, then tool calls and results, then attachments."""
    uuid = string(message.get("uuid"))
    time = to_unix_ms(message.get("created_at"))
    said, tool_texts, questions = _read_blocks(message.get("content"))
    text = "\n".join(said) or string(message.get("text"))
    turns = [Turn(_ROLES[message["sender"]], text, time, key=uuid)]
    for number, tool_text in enumerate(tool_texts):
        turns.append(Turn("tool", tool_text, time, key=_part_key(uuid, "tool", number), kind="tool_call"))
    for number, question in enumerate(questions):
        turns.append(Turn("assistant", question, time, key=_part_key(uuid, "asked", number), is_aside=True))
    attachments = message.get("attachments")
    for number, attachment in enumerate(attachments if isinstance(attachments, list) else []):
        if isinstance(attachment, dict):
            extracted = string(attachment.get("extracted_content"))
            meta = {"attachment": string(attachment.get("file_name"))}
            turns.append(Turn("tool", extracted, time, key=_part_key(uuid, "attachment", number), meta=meta))
    return [turn for turn in turns if turn.text.strip()]


def _part_key(uuid: str, part: str, number: int) -> str:
    return f"{uuid}/{part}/{number}" if uuid else ""


def _read_blocks(blocks: object) -> tuple[list[str], list[str], list[str]]:
    """Return the texts said, the texts of tool calls and results, and what is asked through tools.

    Thinking and unknown blocks are left out.
    """
    said: list[str] = []
    tool_texts: list[str] = []
    questions: list[str] = []
    for block in blocks if isinstance(blocks, list) else []:
        kind = string(block.get("type")) if isinstance(block, dict) else ""
        if kind == "text":
            said.append(string(block.get("text")))
        elif kind == "tool_use":
            tool_texts.append(tool_call(block.get("name"), block.get("input")))
            questions += [words.text for words in asked(read_call(string(block.get("name")), block.get("input")))]
        elif kind == "tool_result":
            tool_texts.append(block_text(block.get("content")))
    return [text for text in said if text], tool_texts, questions
