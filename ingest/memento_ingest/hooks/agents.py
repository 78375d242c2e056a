"""The agents whose hooks can call Memento: where their settings lie and what an entry looks like.

Sources: the public hook references of Claude Code, Codex, Gemini CLI, Cursor and Copilot CLI.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from memento.base.home import user_home
from memento.errors import UsageError
from memento_ingest.hooks.json_text import Dialect

Handler = dict[str, Any]
"""One command of one event, in the agent's own terms."""

_SECONDS: Final = 5


class UnknownAgent(UsageError):
    """No hooks are known for an agent of this name."""


@dataclass(frozen=True)
class HookedAgent:
    """An agent and the shape of its settings."""

    name: str
    file: Callable[[], Path]
    """The user's own settings file."""
    handler: Callable[[str, str], Handler]
    """The entry for (path of `memento`, event)."""
    events: tuple[str, ...]
    is_nested: bool = True
    """Whether an event lists groups, each with its `hooks`, rather than commands."""
    skeleton: Mapping[str, Any] = field(default_factory=dict)
    """Keys the file must have."""
    advice: str = ""
    """What is left for the user to do."""
    matchers: Mapping[str, str] = field(default_factory=dict)
    """The tools for which an event's hook runs, as the agent's own pattern; every tool where none is given."""
    dialect: Dialect = Dialect.PLAIN
    """What the agent accepts in its settings."""


def hooked_agent(name: str) -> HookedAgent:
    """Return the agent of this name. Raises UnknownAgent, listing those there are."""
    if known := AGENTS.get(name.lower().removesuffix("-code").removesuffix("-cli")):
        return known
    raise UnknownAgent(f"no hooks are known for {name}: AGENT is one of {', '.join(AGENTS)}")


def is_ours(handler: object) -> bool:
    """Tell whether an entry calls `memento hook`, from whatever place."""
    if not isinstance(handler, dict):
        return False
    command = next((text for key in ("command", "bash") if isinstance(text := handler.get(key), str)), "")
    if isinstance(arguments := handler.get("args"), list):
        return _name(command) == "memento" and arguments[:1] == ["hook"]
    try:
        words = shlex.split(command)
    except ValueError:
        return False
    return len(words) > 1 and _name(words[0]) == "memento" and words[1] == "hook"


def called(handler: Mapping[str, Any]) -> Path:
    """Return the path of the `memento` that one of our entries calls."""
    command = str(handler.get("command") or handler.get("bash"))
    return Path(command if "args" in handler else shlex.split(command)[0])


def _name(command: str) -> str:
    return command.replace("\\", "/").rpartition("/")[2].removesuffix(".exe")


def _claude(memento: str, event: str) -> Handler:
    # Claude Code waits for those whose reply may hold context, and for the last one; for the others nobody has to.
    waits = event in ("SessionStart", "UserPromptSubmit", "PreToolUse", "SessionEnd")
    entry = {"type": "command", "command": memento, "args": ["hook"], "timeout": _SECONDS}
    return entry if waits else {**entry, "async": True}


def _shell(memento: str, agent: str) -> str:
    return f"{shlex.quote(memento)} hook --agent {agent}"


def _codex(memento: str, event: str) -> Handler:
    return {"type": "command", "command": _shell(memento, "codex"), "timeout": _SECONDS}


def _gemini(memento: str, event: str) -> Handler:
    command = _shell(memento, "gemini")
    return {"name": "memento", "type": "command", "command": command, "timeout": _SECONDS * 1000}


def _cursor(memento: str, event: str) -> Handler:
    return {"command": _shell(memento, "cursor"), "timeout": _SECONDS}


def _copilot(memento: str, event: str) -> Handler:
    return {"type": "command", "bash": _shell(memento, "copilot"), "timeoutSec": _SECONDS}


def _in(variable: str, folder: str, name: str) -> Callable[[], Path]:
    return lambda: Path(os.environ.get(variable) or user_home() / folder) / name


AGENTS: Final[Mapping[str, HookedAgent]] = {
    "claude": HookedAgent(
        "claude",
        _in("CLAUDE_CONFIG_DIR", ".claude", "settings.json"),
        _claude,
        (
            "SessionStart",
            "UserPromptSubmit",
            "PreToolUse",
            "PostToolUse",
            "Stop",
            "SubagentStop",
            "PreCompact",
            "SessionEnd",
        ),
        matchers={"PreToolUse": "Read|Edit|MultiEdit|Write|NotebookEdit"},
    ),
    "codex": HookedAgent(
        "codex",
        _in("CODEX_HOME", ".codex", "hooks.json"),
        _codex,
        ("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop", "PreCompact"),
        matchers={"PreToolUse": "apply_patch"},
        advice="Codex runs new or changed hooks only after you approve them: enter /hooks in Codex once",
    ),
    "copilot": HookedAgent(
        "copilot",
        _in("COPILOT_HOME", ".copilot", "hooks/memento.json"),
        _copilot,
        # In this spelling the payloads have the fields of Claude Code's and say which event they are.
        ("SessionStart", "UserPromptSubmit", "PostToolUse", "Stop", "PreCompact", "SessionEnd"),
        is_nested=False,
        skeleton={"version": 1},
    ),
    "cursor": HookedAgent(
        "cursor",
        lambda: user_home() / ".cursor" / "hooks.json",
        _cursor,
        ("sessionStart", "beforeSubmitPrompt", "postToolUse", "afterAgentResponse", "preCompact", "sessionEnd"),
        is_nested=False,
        skeleton={"version": 1},
    ),
    "gemini": HookedAgent(
        "gemini",
        lambda: user_home() / ".gemini" / "settings.json",
        _gemini,
        ("SessionStart", "BeforeAgent", "AfterTool", "AfterAgent", "PreCompress", "SessionEnd"),
        dialect=Dialect.COMMENTS,
    ),
}
