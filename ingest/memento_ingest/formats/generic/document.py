"""Generic transcripts as one JSON document: an array of messages or conversations, or a single conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from memento_ingest.formats.chatgpt import read_chatgpt
from memento_ingest.formats.claude_ai import read_claude_ai
from memento_ingest.formats.shared.documents import read_document
from memento_ingest.formats.shared.excerpt import Excerpt
from memento_ingest.formats.shared.generic_messages import read_generic
from memento_ingest.formats.shared.sniffing import first_object, is_json_document
from memento_ingest.span import SourceInfo, Span


class GenericJson:
    """Messages in role/content, ShareGPT or LangChain shape; an export's conversations among them are read as such."""

    name = "generic-json"

    def sniff(self, head: bytes, info: SourceInfo) -> bool:
        """Tell whether the document begins with a message or a conversation of a generic shape."""
        return is_json_document(head, info) and read_generic(first_object(head)) is not None

    def read(self, stream: BinaryIO, info: SourceInfo) -> Iterator[Span]:
        """Yield the spans of each message or conversation."""
        return read_document(stream, info, self.name, read_any)


def read_any(value: object) -> Excerpt | None:
    """Read a record of any generic or export shape."""
    return read_chatgpt(value) or read_claude_ai(value) or read_generic(value)
