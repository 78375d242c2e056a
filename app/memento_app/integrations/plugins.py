"""The agents' plugins, made from one source: the hooks of `memento_ingest.hooks.agents`, one MCP server and one skill.

`make integrations` writes them. They call the `memento` on the path, or in `~/.local/bin`, where pipx puts it; one that
is missing, or fails, never disturbs the agent.

| Plugin | Source |
|---|---|
| Claude Code | code.claude.com/docs/en/plugins-reference; SchemaStore, claude-code-plugin-manifest.json |
| Codex | github.com/openai/codex, codex-rs/core-plugins/src/manifest.rs and marketplace.rs |
| Cursor | github.com/cursor/plugins, schemas/plugin.schema.json |
| Gemini CLI | github.com/google-gemini/gemini-cli, docs/extensions/reference.md |
| Copilot CLI, VS Code | docs.github.com, cli-plugin-reference and cli-hooks-reference |
| opencode | github.com/anomalyco/opencode, packages/plugin/src/index.ts |
| MCP bundle | github.com/modelcontextprotocol/mcpb, schemas/mcpb-manifest-v0.4.schema.json |
| MCP registry | github.com/modelcontextprotocol/registry, docs/reference/server-json |
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from memento import __version__
from memento_app.integrations import texts
from memento_app.integrations.mcp_agents import ARGUMENTS, NAME
from memento_ingest.hooks.agents import AGENTS, HookedAgent

DISTRIBUTION: Final = "memento-memory"
"""The name on PyPI, and of the npm package's author part."""
REGISTRY_NAME: Final = "io.github.memento-memory/memento"
"""The name in the MCP registry: its first part belongs to the account that publishes it."""
BY_HAND: Final = ("integrations/generate.py", "integrations/opencode/index.js", "integrations/container/")
"""Files and folders below those that are written here which are not."""
"""Files among the generated ones that are written by hand."""
_AUTHOR: Final = {"name": "The Memento authors"}
_KEYWORDS: Final = ["memory", "recall", "transcripts", "local-first", "mcp"]
_ABOUT: Final[Mapping[str, Any]] = {
    "name": NAME,
    "version": __version__,
    "description": texts.DESCRIPTION,
    "author": _AUTHOR,
    "license": "MIT",
    "keywords": _KEYWORDS,
}
_PATH: Final = 'PATH="$PATH:$HOME/.local/bin"'
_SERVER: Final = {"command": "memento", "args": ARGUMENTS}


def files() -> dict[str, str]:
    """Return every generated file, by its path from the repository's root."""
    values: dict[str, Any] = {**_claude(), **_codex(), **_cursor(), **_gemini(), **_copilot(), **_others()}
    made = {path: json.dumps(value, indent=2, ensure_ascii=False) + "\n" for path, value in values.items()}
    for folder in ("claude-code", "codex", "cursor", "gemini", "copilot"):
        made[f"integrations/{folder}/skills/memento/SKILL.md"] = texts.SKILL
    return {
        **made,
        "integrations/skill/memento/SKILL.md": texts.SKILL,
        "integrations/AGENTS.md": texts.AGENTS_BLOCK,
        "integrations/README.md": texts.README,
        "integrations/mcpb/pyproject.toml": _BUNDLE_PROJECT,
        "integrations/mcpb/src/server.py": _BUNDLE_SERVER,
    }


def write(root: Path) -> list[str]:
    """Write the files below the repository's root; return those that changed, and those that are no longer made."""
    made = files()
    folders = ("integrations", ".claude-plugin", ".cursor-plugin", ".agents")
    there = {path for folder in folders for path in (root / folder).rglob("*") if path.is_file()}
    names = {str(path.relative_to(root)) for path in there}
    changed = [name for name, text in made.items() if name not in names or (root / name).read_text("utf-8") != text]
    for name in changed:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(made[name], "utf-8")
    stale = sorted(name for name in names - made.keys() if not name.startswith(BY_HAND))
    for name in stale:
        (root / name).unlink()
    return sorted([*changed, *stale])


def hooks(agent: HookedAgent, *, named: bool) -> dict[str, Any]:
    """Return an agent's hooks as its plugin lists them; `named` ones tell `memento hook` which agent calls."""
    command = f"{_PATH} memento hook{f' --agent {agent.name}' if named else ''} 2>/dev/null || true"
    found: dict[str, Any] = {}
    for event in agent.events:
        made = {key: value for key, value in agent.handler(NAME, event).items() if key != "args"}
        handler = {key: command if key in ("command", "bash") else value for key, value in made.items()}
        matcher = {"matcher": agent.matchers[event]} if event in agent.matchers else {}
        found[event] = [{**matcher, "hooks": [handler]} if agent.is_nested else handler]
    return {**agent.skeleton, "hooks": found}


def _claude() -> dict[str, Any]:
    root = "integrations/claude-code"
    listed = {"source": f"./{root}", "category": "productivity", **_ABOUT}
    return {
        ".claude-plugin/marketplace.json": {
            "name": NAME,
            "owner": _AUTHOR,
            "description": texts.DESCRIPTION,
            "version": __version__,
            "plugins": [listed],
        },
        f"{root}/.claude-plugin/plugin.json": dict(_ABOUT),
        f"{root}/hooks/hooks.json": {"description": "Keeps and recalls.", **hooks(AGENTS["claude"], named=False)},
        f"{root}/.mcp.json": {"mcpServers": {NAME: {"type": "stdio", **_SERVER}}},
    }


def _codex() -> dict[str, Any]:
    root = "integrations/codex"
    interface = {
        "displayName": "Memento",
        "shortDescription": texts.DESCRIPTION,
        "developerName": _AUTHOR["name"],
        "category": "Productivity",
        "defaultPrompt": ["What did we decide about this project?", "Continue where we left off."],
    }
    parts = {"skills": "./skills/", "mcpServers": "./.mcp.json", "hooks": "./hooks/hooks.json"}
    policy = {"installation": "AVAILABLE", "authentication": "ON_INSTALL"}
    source = {"source": "local", "path": f"./{root}"}
    return {
        ".agents/plugins/marketplace.json": {
            "name": NAME,
            "interface": {"displayName": "Memento"},
            "plugins": [{"name": NAME, "source": source, "policy": policy, "category": "Productivity"}],
        },
        f"{root}/.codex-plugin/plugin.json": {**_ABOUT, **parts, "interface": interface},
        f"{root}/hooks/hooks.json": hooks(AGENTS["codex"], named=True),
        f"{root}/.mcp.json": {"mcpServers": {NAME: _SERVER}},
    }


def _cursor() -> dict[str, Any]:
    root = "integrations/cursor"
    parts = {"skills": "./skills/", "mcpServers": "./mcp.json", "hooks": "./hooks/hooks.json"}
    return {
        ".cursor-plugin/marketplace.json": {
            "name": NAME,
            "owner": _AUTHOR,
            "plugins": [{"name": NAME, "source": f"./{root}", "description": texts.DESCRIPTION}],
        },
        f"{root}/.cursor-plugin/plugin.json": {**_ABOUT, "displayName": "Memento", **parts},
        f"{root}/hooks/hooks.json": hooks(AGENTS["cursor"], named=True),
        f"{root}/mcp.json": {"mcpServers": {NAME: _SERVER}},
    }


def _gemini() -> dict[str, Any]:
    root = "integrations/gemini"
    about = {key: _ABOUT[key] for key in ("name", "version", "description")}
    return {
        f"{root}/gemini-extension.json": {**about, "mcpServers": {NAME: _SERVER}},
        f"{root}/hooks/hooks.json": hooks(AGENTS["gemini"], named=True),
    }


def _copilot() -> dict[str, Any]:
    root = "integrations/copilot"
    parts = {"skills": "skills/", "hooks": "hooks.json", "mcpServers": ".mcp.json"}
    return {
        f"{root}/plugin.json": {**_ABOUT, **parts},
        f"{root}/hooks.json": hooks(AGENTS["copilot"], named=True),
        f"{root}/.mcp.json": {"mcpServers": {NAME: {"type": "stdio", **_SERVER, "tools": ["*"]}}},
    }


def _others() -> dict[str, Any]:
    """Return the npm package of opencode, the MCP bundle's manifest and the entry of the MCP registry."""
    npm = {
        **_ABOUT,
        "name": "opencode-memento",
        "author": _AUTHOR["name"],
        "type": "module",
        "main": "index.js",
        "exports": {".": "./index.js"},
        "files": ["index.js"],
        "engines": {"node": ">=20"},
    }
    bundle = {
        "manifest_version": "0.4",
        "display_name": "Memento",
        **_ABOUT,
        "server": {
            "type": "uv",
            "entry_point": "src/server.py",
            "mcp_config": {"command": "uv", "args": ["run", "--directory", "${__dirname}", "src/server.py"]},
        },
        "tools_generated": True,
        "prompts_generated": True,
        "compatibility": {"platforms": ["darwin", "linux"], "runtimes": {"python": ">=3.11"}},
    }
    package = {
        "registryType": "pypi",
        "identifier": DISTRIBUTION,
        "version": __version__,
        "runtimeHint": "uvx",
        "runtimeArguments": [{"type": "named", "name": "--from", "value": f"{DISTRIBUTION}=={__version__}"}],
        "transport": {"type": "stdio"},
        "packageArguments": [{"type": "positional", "value": one} for one in ARGUMENTS],
    }
    registry = {
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-09-29/server.schema.json",
        "name": REGISTRY_NAME,
        "description": "A local memory for AI agents: recalls what was said and decided in earlier sessions.",
        "version": __version__,
        "packages": [package],
    }
    return {
        "integrations/opencode/package.json": npm,
        "integrations/mcpb/manifest.json": bundle,
        "integrations/server.json": registry,
    }


_BUNDLE_PROJECT: Final = f"""\
# Generated by `make integrations`. What the bundle's server needs; uv installs it when the bundle is first used.
[project]
name = "memento-mcpb"
version = "{__version__}"
requires-python = ">=3.11"
dependencies = ["{DISTRIBUTION}=={__version__}"]
"""
_BUNDLE_SERVER: Final = '''\
"""Start `memento mcp` from inside the bundle. Generated by `make integrations`."""

import sys

from memento_app.cli import main

sys.argv = ["memento", "mcp", *sys.argv[1:]]
main()
'''
