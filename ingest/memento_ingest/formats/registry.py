"""Every transcript format by name, in the order in which they are tried on a source of unknown format."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import Final

from memento_ingest.formats.base import Format
from memento_ingest.span import SourceInfo
from memento_policies import MementoError

# Formats with marks of their own come before the generic shapes, plain text last. Imported on first use.
FORMATS: Final[dict[str, str]] = {
    "claude-code": "memento_ingest.formats.claude_code:ClaudeCode",
    "archive": "memento_ingest.formats.archive:Archive",
    "chatgpt": "memento_ingest.formats.chatgpt:ChatGPT",
    "claude-ai": "memento_ingest.formats.claude_ai:ClaudeAI",
    "generic-jsonl": "memento_ingest.formats.generic_jsonl:GenericJsonl",
    "generic-json": "memento_ingest.formats.generic_json:GenericJson",
    "markdown": "memento_ingest.formats.markdown:Markdown",
}


class UnknownFormat(MementoError):
    """No format has this name; the message names the nearest one and lists all."""

    exit_code = 2

    def __init__(self, name: str) -> None:
        near = get_close_matches(name.lower(), FORMATS, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"Unknown format {name!r}.{hint} The formats are: {', '.join(FORMATS)}.")


def names() -> list[str]:
    """Return the names of all formats, in detection order."""
    return list(FORMATS)


@cache
def get(name: str) -> Format:
    """Return the format of this name. Raises `UnknownFormat`."""
    if name not in FORMATS:
        raise UnknownFormat(name)
    module, _, attribute = FORMATS[name].partition(":")
    made: Format = getattr(import_module(module), attribute)()
    return made


def detect(head: bytes, info: SourceInfo) -> Format | None:
    """Return the first format that recognises a source beginning with `head` (up to 64 KiB), or None."""
    return next((found for found in map(get, FORMATS) if found.sniff(head, info)), None)
