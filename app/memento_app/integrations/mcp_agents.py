"""The agents that can start `memento mcp`: where each keeps its MCP servers, and what an entry looks like.

| Agent | Source |
|---|---|
| Claude Code | code.claude.com/docs/en/mcp: user scope is `mcpServers` of `~/.claude.json`, a project's `.mcp.json` |
| Claude Desktop | modelcontextprotocol.io/docs/develop/connect-local-servers: `claude_desktop_config.json` |
| Cline, Roo Code | docs.cline.bot/mcp, docs.roocode.com/features/mcp: files of the two VS Code extensions |
| Codex | github.com/openai/codex docs/config.md: table `mcp_servers.NAME` of `config.toml` |
| Copilot CLI | docs.github.com, cli-config-dir-reference: `~/.copilot/mcp-config.json`; `tools` is required |
| Cursor | cursor.com/docs/context/mcp: `~/.cursor/mcp.json`, `.cursor/mcp.json` |
| Gemini CLI | github.com/google-gemini/gemini-cli docs/tools/mcp-server.md: `mcpServers` of `settings.json` |
| opencode | opencode.ai/docs/mcp-servers: `mcp.NAME`; opencode.ai/v2/docs/mcp-servers: `mcp.servers.NAME` |
| VS Code | code.visualstudio.com/docs/copilot/reference/mcp-configuration: `servers` of the profile's `mcp.json` |
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from memento.base.home import user_home
from memento_ingest.hooks.agents import UnknownAgent
from memento_ingest.hooks.json_text import Dialect

NAME: Final = "memento"
"""What the server is called in every agent's settings."""
ARGUMENTS: Final = ["mcp"]
Entry = dict[str, Any]


@dataclass(frozen=True)
class McpAgent:
    """An agent and the shape of its list of MCP servers."""

    name: str
    title: str
    """What people call it."""
    file: Callable[[], Path]
    """The user's own settings file."""
    entry: Callable[[str], Entry]
    """What Memento's entry says, for the path of `memento`."""
    key: str = "mcpServers"
    """The key of the object, or the TOML table, that lists servers."""
    dialect: Dialect = Dialect.PLAIN

    @property
    def is_toml(self) -> bool:
        """Whether its settings are TOML rather than JSON."""
        return self.key == "mcp_servers"


def mcp_agent(name: str) -> McpAgent:
    """Return the agent of this name. Raises UnknownAgent, listing those there are."""
    wanted = name.lower()
    for one in (wanted, wanted.removesuffix("-code"), wanted.removesuffix("-cli")):
        if known := AGENTS.get(one):
            return known
    raise UnknownAgent(f"no MCP settings are known for {name}: AGENT is one of {', '.join(AGENTS)}")


def is_ours(entry: object) -> bool:
    """Tell whether a server is `memento mcp`, from whatever place, and not another one of that name."""
    command, arguments = _command(entry)
    return _base(command) == "memento" and arguments[:1] == ARGUMENTS


def called(entry: object) -> Path:
    """Return the path of the `memento` that one of our entries starts."""
    return Path(_command(entry)[0])


def is_off(entry: object) -> bool:
    """Tell whether the user switched a server off."""
    return isinstance(entry, dict) and (entry.get("enabled") is False or entry.get("disabled") is True)


def _command(entry: object) -> tuple[str, list[object]]:
    """Return a server's command and its arguments; opencode has both in one list."""
    if not isinstance(entry, dict):
        return "", []
    command, arguments = entry.get("command"), entry.get("args")
    if isinstance(command, list):
        return (str(command[0]), command[1:]) if command else ("", [])
    return (command if isinstance(command, str) else ""), (arguments if isinstance(arguments, list) else [])


def _base(command: str) -> str:
    return command.replace("\\", "/").rpartition("/")[2].removesuffix(".exe")


def _plain(memento: str) -> Entry:
    return {"command": memento, "args": ARGUMENTS}


def _stdio(memento: str) -> Entry:
    return {"type": "stdio", **_plain(memento)}


def _copilot(memento: str) -> Entry:
    return {"type": "local", **_plain(memento), "tools": ["*"]}


def _opencode(memento: str) -> Entry:
    return {"type": "local", "command": [memento, *ARGUMENTS], "enabled": True}


def _applications() -> Path:
    """Return the folder in which applications keep their settings."""
    if sys.platform == "darwin":
        return user_home() / "Library" / "Application Support"
    return _folder("XDG_CONFIG_HOME", ".config")


def _folder(variable: str, default: str) -> Path:
    named = os.environ.get(variable, "")
    return Path(named) if named.startswith("/") else user_home() / default


def _claude_file() -> Path:
    return _folder("CLAUDE_CONFIG_DIR", "") / ".claude.json"


def _claude_desktop_file() -> Path:
    return _applications() / "Claude" / "claude_desktop_config.json"


def _gemini_file() -> Path:
    return user_home() / ".gemini" / "settings.json"


def _vs_code() -> Path:
    """Return the folder of VS Code's default profile."""
    return _applications() / "Code" / "User"


def _extension(name: str, file: str) -> Callable[[], Path]:
    return lambda: _vs_code() / "globalStorage" / name / "settings" / file


def _opencode_file() -> Path:
    """Return the file that is there of the two names which opencode reads."""
    folder = _folder("XDG_CONFIG_HOME", ".config") / "opencode"
    commented = folder / "opencode.jsonc"
    return commented if commented.exists() else folder / "opencode.json"


_AGENTS: Final = (
    McpAgent("claude", "Claude Code", _claude_file, _stdio),
    McpAgent("claude-desktop", "Claude Desktop", _claude_desktop_file, _plain),
    McpAgent("cline", "Cline", _extension("saoudrizwan.claude-dev", "cline_mcp_settings.json"), _plain),
    McpAgent("codex", "Codex", lambda: _folder("CODEX_HOME", ".codex") / "config.toml", _plain, "mcp_servers"),
    McpAgent("copilot", "Copilot CLI", lambda: _folder("COPILOT_HOME", ".copilot") / "mcp-config.json", _copilot),
    McpAgent("cursor", "Cursor", lambda: user_home() / ".cursor" / "mcp.json", _plain),
    McpAgent("gemini", "Gemini CLI", _gemini_file, _plain, dialect=Dialect.COMMENTS),
    McpAgent("opencode", "opencode", _opencode_file, _opencode, "mcp", Dialect.TRAILING_COMMAS),
    McpAgent("roo", "Roo Code", _extension("rooveterinaryinc.roo-cline", "mcp_settings.json"), _plain),
    McpAgent("vscode", "VS Code", lambda: _vs_code() / "mcp.json", _stdio, "servers", Dialect.TRAILING_COMMAS),
)
AGENTS: Final[Mapping[str, McpAgent]] = {one.name: one for one in _AGENTS}
