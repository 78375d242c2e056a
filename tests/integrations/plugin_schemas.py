"""What agents publish of the form of their plugins, as JSON Schemas: the parts that the plugins of this repository use.

Written after the sources that `memento_app.integrations.plugins` names; read on 2026-11-30. Where a source says which
keys there may be (`additionalProperties: false`), so do these.
"""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string", "minLength": 1}
SEMVER: Final[Schema] = {"type": "string", "pattern": r"^\d+\.\d+\.\d+([-+][0-9A-Za-z.-]+)?$"}
KEBAB: Final[Schema] = {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 64}
TEXTS: Final[Schema] = {"type": "array", "items": TEXT}
RELATIVE: Final[Schema] = {"type": "string", "pattern": r"^\./"}


def an_object(required: str, closed: bool = False, /, **properties: Schema) -> Schema:
    """Return the schema of an object; `required` are names, `closed` allows no others than those given."""
    more = {"additionalProperties": False} if closed else {}
    return {"type": "object", "required": required.split(), "properties": properties, **more}


def a_map(names: list[str], value: Schema) -> Schema:
    """Return the schema of an object whose keys are among some names."""
    return {"type": "object", "propertyNames": {"enum": names}, "additionalProperties": value, "minProperties": 1}


AUTHOR: Final = an_object("name", True, name=TEXT, email=TEXT, url=TEXT)
OWNER: Final = an_object("name", name=TEXT, email=TEXT, url=TEXT)
STDIO: Final = an_object("command", command=TEXT, args=TEXTS, type={"enum": ["stdio", "local"]}, tools=TEXTS)
MCP_FILE: Final = an_object("mcpServers", True, mcpServers={"type": "object", "additionalProperties": STDIO})


def nested_hooks(events: list[str], seconds_at_most: int, **handler: Schema) -> Schema:
    """Return the schema of hooks in groups with matchers, as Claude Code, Codex and Gemini CLI have them."""
    timeout = {"type": "number", "exclusiveMinimum": 0, "maximum": seconds_at_most}
    one = an_object("type command", True, type={"const": "command"}, command=TEXT, timeout=timeout, **handler)
    group = an_object("hooks", True, matcher=TEXT, hooks={"type": "array", "items": one, "minItems": 1})
    groups = {"type": "array", "items": group, "minItems": 1}
    return an_object("hooks", True, description=TEXT, hooks=a_map(events, groups))


CLAUDE_EVENTS: Final = (
    "PreToolUse PostToolUse PostToolUseFailure PostToolBatch Notification UserPromptSubmit UserPromptExpansion "
    "SessionStart SessionEnd Stop StopFailure SubagentStart SubagentStop PreCompact PostCompact PermissionRequest "
    "PermissionDenied Setup TeammateIdle TaskCreated TaskCompleted Elicitation ElicitationResult ConfigChange "
    "WorktreeCreate WorktreeRemove InstructionsLoaded CwdChanged FileChanged"
).split()
CODEX_EVENTS: Final = (
    "PermissionRequest PostCompact PostToolUse PreCompact PreToolUse SessionStart Stop StopFailure SubagentStart "
    "SubagentStop UserPromptSubmit"
).split()
GEMINI_EVENTS: Final = (
    "BeforeTool AfterTool BeforeAgent AfterAgent BeforeModel AfterModel BeforeToolSelection SessionStart SessionEnd "
    "Notification PreCompress"
).split()
COPILOT_EVENTS: Final = (  # in the spelling whose payloads are VS Code's
    "SessionStart SessionEnd UserPromptSubmit PreToolUse PostToolUse PostToolUseFailure Stop SubagentStop "
    "ErrorOccurred PreCompact"
).split()
CURSOR_EVENTS: Final = (
    "sessionStart sessionEnd preToolUse postToolUse subagentStart subagentStop beforeShellExecution "
    "afterShellExecution beforeMCPExecution afterMCPExecution beforeReadFile afterFileEdit beforeSubmitPrompt "
    "preCompact stop afterAgentResponse afterAgentThought"
).split()

_METADATA: Final[dict[str, Schema]] = {
    "name": KEBAB, "version": SEMVER, "description": {"type": "string", "maxLength": 1024}, "license": TEXT,
    "homepage": TEXT, "repository": TEXT, "keywords": TEXTS, "category": TEXT, "tags": TEXTS,
}  # fmt: skip
_BASH: Final = an_object(
    "type bash", True, type={"const": "command"}, bash=TEXT, powershell=TEXT, cwd=TEXT, timeoutSec={"type": "number"}
)
_PYPI: Final = an_object(
    "registryType identifier version transport", True,
    registryType=TEXT, registryBaseUrl=TEXT, identifier=TEXT, version={**SEMVER, "not": {"const": "latest"}},
    fileSha256=TEXT, runtimeHint={"enum": ["npx", "uvx", "docker", "dnx"]},
    transport=an_object("type", type={"enum": ["stdio"]}),
    runtimeArguments={"type": "array", "items": an_object("type name", type={"const": "named"}, name=TEXT, value=TEXT)},
    packageArguments={
        "type": "array", "items": an_object("type value", type={"const": "positional"}, value=TEXT),
    },
)  # fmt: skip
_BUNDLED: Final = an_object(
    "entry_point type", True, type={"const": "uv"}, entry_point=TEXT,
    mcp_config=an_object("command", True, command=TEXT, args=TEXTS, env={"type": "object"}),
)  # fmt: skip

SCHEMAS: Final[dict[str, Schema]] = {
    ".claude-plugin/marketplace.json": an_object(
        "name owner plugins",
        name=KEBAB, owner=OWNER, version=SEMVER, description=TEXT,
        plugins={"type": "array", "items": an_object("name source", source=RELATIVE, author=OWNER, **_METADATA)},
    ),
    "integrations/claude-code/.claude-plugin/plugin.json": an_object("name", True, author=OWNER, **_METADATA),
    "integrations/claude-code/hooks/hooks.json": nested_hooks(CLAUDE_EVENTS, 60, **{"async": {"type": "boolean"}}),
    "integrations/claude-code/.mcp.json": MCP_FILE,
    ".agents/plugins/marketplace.json": an_object(
        "name plugins", True,
        name=KEBAB, interface=an_object("", displayName=TEXT),
        plugins={"type": "array", "items": an_object(
            "name source", True, name=KEBAB, category=TEXT,
            source=an_object("source path", True, source={"const": "local"}, path=RELATIVE),
            policy=an_object("installation authentication", installation={"enum": ["AVAILABLE"]},
                             authentication={"enum": ["ON_INSTALL", "ON_USE"]}),
        )},
    ),
    "integrations/codex/.codex-plugin/plugin.json": an_object(
        "name version", author=OWNER, skills=RELATIVE, mcpServers=RELATIVE, hooks=RELATIVE,
        interface=an_object("displayName", displayName=TEXT, shortDescription=TEXT, developerName=TEXT, category=TEXT,
                            defaultPrompt={"type": "array", "maxItems": 3, "items": {**TEXT, "maxLength": 128}}),
        **_METADATA,
    ),
    "integrations/codex/hooks/hooks.json": nested_hooks(CODEX_EVENTS, 60),
    "integrations/codex/.mcp.json": MCP_FILE,
    ".cursor-plugin/marketplace.json": an_object(
        "name owner plugins", name=KEBAB, owner=OWNER,
        plugins={"type": "array", "items": an_object("name source", name=KEBAB, source=RELATIVE, description=TEXT)},
    ),
    "integrations/cursor/.cursor-plugin/plugin.json": an_object(
        "name", True, displayName=TEXT, author=an_object("name", True, name=TEXT, email=TEXT), publisher=TEXT,
        logo=TEXT, skills=TEXT, hooks=TEXT, mcpServers=TEXT, **_METADATA,
    ),
    "integrations/cursor/hooks/hooks.json": an_object(
        "version hooks", True, version={"const": 1},
        hooks=a_map(CURSOR_EVENTS, {"type": "array", "items": an_object(
            "command", True, command=TEXT, timeout={"type": "number"}, matcher=TEXT)}),
    ),
    "integrations/cursor/mcp.json": MCP_FILE,
    "integrations/gemini/gemini-extension.json": an_object(
        "name version", True, name=KEBAB, version=SEMVER, description=TEXT, contextFileName=TEXT,
        mcpServers={"type": "object", "additionalProperties": an_object("command", command=TEXT, args=TEXTS,
                                                                        trust={"not": {}})},
    ),
    "integrations/gemini/hooks/hooks.json": nested_hooks(GEMINI_EVENTS, 60_000, name=TEXT),
    "integrations/copilot/plugin.json": an_object(
        "name", True, author=AUTHOR, skills=TEXT, hooks=TEXT, mcpServers=TEXT, agents=TEXT, **_METADATA,
    ),
    "integrations/copilot/hooks.json": an_object(
        "version hooks", True, version={"const": 1}, hooks=a_map(COPILOT_EVENTS, {"type": "array", "items": _BASH}),
    ),
    "integrations/copilot/.mcp.json": MCP_FILE,
    "integrations/opencode/package.json": an_object(
        "name version main type", name=KEBAB, version=SEMVER, description=TEXT, license=TEXT, main=TEXT,
        type={"const": "module"}, author=TEXT, keywords=TEXTS, files=TEXTS,
    ),
    "integrations/mcpb/manifest.json": an_object(
        "name version description author server", True,
        manifest_version={"const": "0.4"}, display_name=TEXT, name=TEXT, version=SEMVER, description=TEXT,
        author=AUTHOR, license=TEXT, keywords=TEXTS, server=_BUNDLED, tools_generated={"type": "boolean"},
        prompts_generated={"type": "boolean"},
        compatibility=an_object("", True, claude_desktop=TEXT, platforms={
            "type": "array", "items": {"enum": ["darwin", "win32", "linux"]},
        }, runtimes=an_object("", True, python=TEXT, node=TEXT)),
    ),
    "integrations/server.json": an_object(
        "name description version",
        name={"type": "string", "pattern": r"^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$", "minLength": 3, "maxLength": 200},
        description={"type": "string", "minLength": 1, "maxLength": 100},
        version=SEMVER,
        packages={"type": "array", "items": _PYPI, "minItems": 1},
    ),
}  # fmt: skip
