"""Which file a tool call reads or edits, from an agent's payload.

Sources: the hook references of Claude Code, Codex, Gemini CLI and VS Code, and the tools that they name.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping
from typing import Any, Final

EVENTS: Final[Mapping[str, str]] = {
    "claude-code": "PreToolUse",
    "codex": "PreToolUse",
    "gemini": "AfterTool",
    "opencode": "PreToolUse",
}
"""The event whose reply may carry context about the tool's file, by agent.

Gemini CLI takes none before a tool; after it has read a file, the edit is still to come. opencode has no hooks that run
commands: its plugin asks in these words.
"""
TOOLS: Final = frozenset(
    "Read Edit MultiEdit Write NotebookEdit apply_patch read_file replace write_file editFiles view edit create".split()
)
_KEYS: Final = ("file_path", "notebook_path", "absolute_path", "filePath", "path")
_PATCHED: Final = re.compile(r"^\*\*\* (?:Update|Delete|Add) File: (.+?)\s*$", re.MULTILINE)
_LONGEST: Final = 4_096
"""Characters of a path; see PATH_MAX in limits.h."""


def touched(payload: Mapping[str, Any]) -> str:
    """Return the whole path of the file that a tool call reads or edits, the first of several; empty if it is none."""
    given, cwd = payload.get("tool_input"), payload.get("cwd")
    if str(payload.get("tool_name")) not in TOOLS:
        return ""
    found = _named(given if isinstance(given, dict) else {"patch": given})
    if not found or len(found) > _LONGEST or "\0" in found:
        return ""
    path = os.path.normpath(os.path.join(cwd if isinstance(cwd, str) else "", found))  # noqa: PTH118 - no pathlib here
    return path if path.startswith("/") else ""


def _named(given: Mapping[str, Any]) -> str:
    """Return the first file that a tool's arguments name."""
    files = given.get("files")
    named = [*(given.get(key) for key in _KEYS), *(files if isinstance(files, list) else ())]
    for text in named:
        if isinstance(text, str) and text:
            return text
    for patch in (given.get("command"), given.get("input"), given.get("patch")):
        if isinstance(patch, str) and (match := _PATCHED.search(patch)):
            return match[1]
    return ""
