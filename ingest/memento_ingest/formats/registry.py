"""Every transcript format by name, in the order in which they are tried on a source of unknown format."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from typing import Final

from memento.errors import UsageError
from memento_ingest.formats.base import Format, LineFormat
from memento_ingest.span import SourceInfo

# Databases come first: they begin with SQLite's mark, and hold text that passes for other formats. Then formats with
# marks of their own, the generic shapes, and plain text. Imported on first use.
FORMATS: Final[dict[str, str]] = {
    "opencode": "memento_ingest.formats.opencode.database:OpenCode",
    "cursor-ide": "memento_ingest.formats.cursor.ide:CursorIDE",
    "goose": "memento_ingest.formats.goose.database:Goose",
    "openclaw-sqlite": "memento_ingest.formats.pi.openclaw_database:OpenClawDatabase",
    "hook-spool": "memento_ingest.formats.hook_spool:HookSpool",
    "claude-code": "memento_ingest.formats.claude_code:ClaudeCode",
    "codex": "memento_ingest.formats.codex:Codex",
    "codex-zst": "memento_ingest.formats.codex.compressed:CodexZst",
    "gemini": "memento_ingest.formats.gemini.transcript:Gemini",
    "gemini-json": "memento_ingest.formats.gemini.transcript:GeminiJson",
    "copilot": "memento_ingest.formats.copilot:Copilot",
    "openclaw": "memento_ingest.formats.pi.transcript:OpenClaw",
    "pi": "memento_ingest.formats.pi.transcript:Pi",
    "goose-jsonl": "memento_ingest.formats.goose.lines:GooseJsonl",
    "cursor-cli": "memento_ingest.formats.cursor.cli:CursorCli",
    "cursor-text": "memento_ingest.formats.cursor.text:CursorText",
    "aider": "memento_ingest.formats.aider:Aider",
    "opencode-storage": "memento_ingest.formats.opencode.storage:OpenCodeStorage",
    "cline": "memento_ingest.formats.cline.conversation:Cline",
    "roo": "memento_ingest.formats.cline.conversation:Roo",
    "archive": "memento_ingest.formats.archive:Archive",
    "chatgpt": "memento_ingest.formats.chatgpt:ChatGPT",
    "claude-ai": "memento_ingest.formats.claude_ai:ClaudeAI",
    "generic-jsonl": "memento_ingest.formats.generic.lines:GenericJsonl",
    "generic-json": "memento_ingest.formats.generic.document:GenericJson",
    "markdown": "memento_ingest.formats.markdown:Markdown",
}


FIRST_GENERIC: Final = "archive"
PLUGINS: Final = "memento.formats"


class UnknownFormat(UsageError):
    """No format has this name; the message names the nearest one and lists all."""

    def __init__(self, name: str) -> None:
        near = get_close_matches(name.lower(), names(), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? There are" if near else "there are"
        super().__init__(f"there is no format {name}: {hint} {', '.join(names())}")


def names() -> list[str]:
    """Return the names of all formats, in detection order."""
    return list(_table())


@cache
def get(name: str) -> Format:
    """Return the format of this name. Raises `UnknownFormat`."""
    if name not in _table():
        raise UnknownFormat(name)
    module, _, attribute = _table()[name].partition(":")
    made: Format = getattr(import_module(module), attribute)()
    return made


def detect(head: bytes, info: SourceInfo, *, of_lines: bool | None = None) -> Format | None:
    """Return the first format that recognises a source beginning with `head`, or None.

    `of_lines` asks only the formats that are read line by line, or only the others.
    """
    broken = broken_plugins()
    wanted = (name for name in _table() if name not in broken and of_lines in (None, _is_of_lines(name)))
    return next((found for found in map(get, wanted) if found.sniff(head, info)), None)


@cache
def _is_of_lines(name: str) -> bool:
    return isinstance(get(name), LineFormat)


@cache
def broken_plugins() -> dict[str, str]:
    """Return the formats of other packages that cannot be loaded, and why: capture goes on without them."""
    broken: dict[str, str] = {}
    for name in _table().keys() - FORMATS.keys():
        try:
            get(name)
        except Exception as error:  # whatever another package's import may raise
            broken[name] = f"{type(error).__name__}: {error}"
    return broken


@cache
def _table() -> dict[str, str]:
    """Return our formats and those that other packages declare, which come before the generic shapes.

    A package declares one as the entry point `name = "module:Class"` in the group PLUGINS; our names stay ours.
    """
    from importlib.metadata import entry_points

    theirs = {entry.name: entry.value for entry in entry_points(group=PLUGINS) if entry.name not in FORMATS}
    own = list(FORMATS.items())
    generic = [name for name, _ in own].index(FIRST_GENERIC)
    return {**dict(own[:generic]), **theirs, **dict(own[generic:])}
