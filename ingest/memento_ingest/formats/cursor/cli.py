"""Cursor CLI's transcripts: `~/.cursor/projects/<slug>/agent-transcripts/<id>/<id>.jsonl`.

Lines are `{role, message: {content}}`, without ids and times and without the results of tools. A key is the chained
hash of what was said before, as for all transcripts without ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from memento_ingest.formats.shared.agent_lines import AgentParser, sniff_records
from memento_ingest.formats.shared.dialogue import read_call
from memento_ingest.formats.shared.excerpt import Turn, block_text, string
from memento_ingest.formats.shared.statement import METADATA, State, Statement, unknown
from memento_ingest.formats.shared.thread import chain_key
from memento_ingest.formats.shared.tool_text import given_text, pair_text
from memento_ingest.span import Checkpoint, SourceInfo
from memento_policies import Role

SOURCE: Final = "cursor-cli"
_ROLES: Final[dict[str, Role]] = {"user": "user", "assistant": "assistant"}
_QUERY: Final = re.compile(r"<user_query>\s*(.*?)\s*(?:</user_query>|\Z)", re.DOTALL)
_METADATA: Final = frozenset({"turn_started", "turn_ended"})


def user_query(text: str) -> str:
    """Return what was typed: what Cursor wraps it in, and puts before it, is its own."""
    queries = _QUERY.findall(text) if "<user_query>" in text else []
    return "\n\n".join(queries) if queries else text


class CursorDialect:
    """Reads a transcript's lines."""

    source = SOURCE
    state = State

    def is_record(self, value: Mapping[str, Any]) -> bool:
        """Tell whether an object is a message."""
        message = value.get("message")
        return string(value.get("role")) in _ROLES and isinstance(message, dict) and "content" in message

    def read(self, value: Mapping[str, Any], state: State) -> Statement:
        """Return what a line says."""
        role, message = _ROLES.get(string(value.get("role"))), value.get("message")
        if role is None or not isinstance(message, dict):
            kind = value.get("type")
            return METADATA if string(kind) in _METADATA else unknown(kind)
        content = message.get("content")
        text = block_text(content)
        turns = [Turn(role, user_query(text) if role == "user" else text)]
        for block in content if isinstance(content, list) else []:
            if isinstance(block, dict) and block.get("type") == "tool_use":
                turns += _call(block, state)
        return Statement([turn for turn in turns if turn.text.strip()], skipped="no_text")


def _call(block: Mapping[str, Any], state: State) -> Iterator[Turn]:
    """Yield a tool call, and what it says to the person: a question, or a plan, whose verdict is not written here."""
    name, given = string(block.get("name")) or "tool", block.get("input")
    dialogue = read_call(name, given)
    yield Turn("tool", pair_text(name, given_text(given), ""), kind="tool_call", meta={"tool": name})
    if dialogue and dialogue.text:
        # Beside the chain: the keys of what follows are as they were before such messages were read.
        yield Turn("assistant", dialogue.text, key=chain_key(state.chain, "asked", dialogue.text))


_DIALECT: Final = CursorDialect()


class CursorCli:
    """The line format of Cursor CLI."""

    name = SOURCE

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether one of the first lines is a message of this shape."""
        return sniff_records(_DIALECT, head)

    def parser(self, info: SourceInfo, checkpoint: Checkpoint | None = None) -> AgentParser[State]:
        """Return a parser that begins at the checkpoint, or at offset 0."""
        return AgentParser(_DIALECT, info, checkpoint)
