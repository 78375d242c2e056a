"""The agents' plugins: as generated, of the form that each agent publishes, and their hooks do what they are for."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from tests.integrations.plugin_schemas import SCHEMAS

from memento import __version__
from memento_app.integrations.plugins import BY_HAND, files, write
from memento_ingest.hooks.agents import AGENTS

ROOT = Path(__file__).resolve().parents[2]
MEMENTO = Path(sys.executable).with_name("memento")
HOOKS = {
    "claude": ("claude-code/hooks/hooks.json", "claude-code"),
    "codex": ("codex/hooks/hooks.json", "codex"),
    "cursor": ("cursor/hooks/hooks.json", "cursor"),
    "gemini": ("gemini/hooks/hooks.json", "gemini"),
    "copilot": ("copilot/hooks.json", "copilot"),
}
"""The hooks of each plugin, and the agent that its records are of."""
SNAKE = {"session_id": "11111111-2222-4333-8444-555555555555", "cwd": "/w", "transcript_path": None}
CURSOR = {"conversation_id": "c-1", "generation_id": "g-1", "workspace_roots": ["/w"], "cursor_version": "2.4.0"}
SAID: dict[str, dict[str, Any]] = {
    "SessionStart": {"source": "startup"},
    "UserPromptSubmit": {"prompt": "We decided on blue."},
    "BeforeAgent": {"prompt": "We decided on blue.", "timestamp": "2026-11-30T10:00:00Z"},
    "PreToolUse": {"tool_name": "Edit", "tool_input": {"file_path": "/w/a.py"}, "tool_use_id": "t-1"},
    "PostToolUse": {"tool_name": "Bash", "tool_input": {"command": "ls"}, "tool_response": {"stdout": "a.py"}},
    "AfterTool": {
        "tool_name": "read_file",
        "tool_input": {"file_path": "/w/a.py"},
        "tool_response": {"llmContent": "x"},
    },
    "Stop": {"last_assistant_message": "Done."},
    "SubagentStop": {"last_assistant_message": "Done.", "agent_id": "a-1"},
    "AfterAgent": {"prompt": "We decided on blue.", "prompt_response": "Done."},
    "PreCompact": {"trigger": "auto", "custom_instructions": ""},
    "PreCompress": {"trigger": "auto"},
    "SessionEnd": {"reason": "exit"},
    "sessionStart": {"session_id": "c-1", "is_background_agent": False},
    "beforeSubmitPrompt": {"prompt": "We decided on blue.", "attachments": []},
    "postToolUse": {"tool_name": "Shell", "tool_input": {"command": "ls"}, "tool_output": '{"stdout": "a.py"}'},
    "afterAgentResponse": {"text": "Done."},
    "preCompact": {"trigger": "auto", "context_usage_percent": 85},
    "sessionEnd": {"session_id": "c-1", "reason": "completed"},
}
"""What each event brings beside what all do, as the agents' hook references show it."""


def read(name: str) -> Any:
    return json.loads((ROOT / name).read_text("utf-8"))


def test_what_is_committed_is_what_is_generated() -> None:
    made = files()
    for name, text in made.items():
        assert (ROOT / name).read_text("utf-8") == text, f"{name}: run `make integrations`"
    there = {
        str(path.relative_to(ROOT))
        for folder in ("integrations", ".claude-plugin", ".cursor-plugin", ".agents")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }
    assert {name for name in there if not name.startswith(BY_HAND)} == set(made)


def test_writing_again_changes_nothing_and_takes_away_what_is_no_longer_made(tmp_path: Path) -> None:
    assert len(write(tmp_path)) == len(files())
    (tmp_path / "integrations" / "old.json").write_text("{}")
    (tmp_path / "integrations" / "container").mkdir()
    (tmp_path / "integrations" / "container" / "Dockerfile").write_text("FROM debian\n")
    (tmp_path / "integrations" / "server.json").write_text("{}")
    assert write(tmp_path) == ["integrations/old.json", "integrations/server.json"]
    assert write(tmp_path) == []
    assert (tmp_path / "integrations" / "container" / "Dockerfile").exists()


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_manifest_has_the_form_that_its_agent_publishes(name: str) -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMAS[name])
    jsonschema.validate(read(name), SCHEMAS[name], jsonschema.Draft7Validator)


def test_every_json_file_has_a_schema_that_can_fail() -> None:
    assert {name for name in files() if name.endswith(".json")} == SCHEMAS.keys()
    for name, schema in SCHEMAS.items():
        value = read(name)
        for key in schema["required"]:
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate({k: v for k, v in value.items() if k != key}, schema, jsonschema.Draft7Validator)


def versions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (one for key, one in value.items() if key == "version" and isinstance(one, str))
        for one in value.values():
            yield from versions(one)
    elif isinstance(value, list):
        for one in value:
            yield from versions(one)


def test_versions_and_contents_agree() -> None:
    found = {name: set(versions(read(name))) for name in SCHEMAS}
    assert {name: one for name, one in found.items() if one - {__version__}} == {}
    assert sum(map(bool, found.values())) >= 8
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__
    bundle = tomllib.loads((ROOT / "integrations/mcpb/pyproject.toml").read_text())["project"]
    assert bundle["dependencies"] == [f"memento-memory=={__version__}"]
    skills = {path.read_text() for path in (ROOT / "integrations").rglob("SKILL.md")}
    assert len(skills) == 1
    servers = [read(name)["mcpServers"] for name in SCHEMAS if "mcpServers" in read(name) and "plugin" not in name]
    assert {(one["memento"]["command"], *one["memento"]["args"]) for one in servers} == {("memento", "mcp")}


def test_every_part_that_a_manifest_names_is_there() -> None:
    for folder, manifest in (("codex", ".codex-plugin/plugin.json"), ("cursor", ".cursor-plugin/plugin.json"),
                             ("copilot", "plugin.json")):  # fmt: skip
        named = read(f"integrations/{folder}/{manifest}")
        for part in ("skills", "hooks", "mcpServers"):
            assert (ROOT / "integrations" / folder / named[part]).exists(), (folder, part)
    for marketplace in (".claude-plugin/marketplace.json", ".cursor-plugin/marketplace.json"):
        assert (ROOT / read(marketplace)["plugins"][0]["source"]).is_dir()
    assert (ROOT / read(".agents/plugins/marketplace.json")["plugins"][0]["source"]["path"]).is_dir()
    assert (ROOT / "integrations/mcpb" / read("integrations/mcpb/manifest.json")["server"]["entry_point"]).is_file()


def test_the_skill_can_be_found_and_its_commands_run() -> None:
    text = (ROOT / "integrations/skill/memento/SKILL.md").read_text()
    _, head, body = text.split("---\n", 2)
    front = yaml.safe_load(head)
    assert front["name"] == "memento"
    assert 40 < len(front["description"]) <= 1024
    commands = re.search(r"```sh\n(.*?)```", body, re.DOTALL)
    assert commands
    for line in commands[1].splitlines():
        words = shlex.split(line, comments=True)
        assert subprocess.run([MEMENTO, words[1], "--help"], capture_output=True).returncode == 0, line


def commands(agent: str) -> Iterator[tuple[str, str]]:
    """Yield the event and the command of every hook in an agent's plugin."""
    for event, listed in read(f"integrations/{HOOKS[agent][0]}")["hooks"].items():
        for one in listed:
            for handler in one.get("hooks", [one]):
                yield event, str(handler.get("command") or handler["bash"])


def run(command: str, payload: bytes, environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["/bin/sh", "-c", command], input=payload, env=environment, capture_output=True, timeout=30)


@pytest.mark.parametrize("agent", HOOKS)
def test_the_hooks_of_a_plugin_keep_what_the_agent_says(agent: str, tmp_path: Path) -> None:
    environment = {
        "PATH": f"{MEMENTO.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "MEMENTO_HOME": str(tmp_path / "m"),
    }
    expected = []
    for event, command in commands(agent):
        shared = CURSOR if agent == "cursor" else SNAKE
        done = run(command, json.dumps({**shared, "hook_event_name": event, **SAID[event]}).encode(), environment)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), (event, done)
        expected += [event] if event != "PreToolUse" else []
    assert set(AGENTS[agent].events) == {event for event, _ in commands(agent)}
    spooled = [
        json.loads(line) for path in (tmp_path / "m" / "spool").iterdir() for line in path.read_text().splitlines()
    ]
    assert [(one["agent"], one["event"]) for one in spooled] == [(HOOKS[agent][1], event) for event in expected]
    assert "We decided on blue." in [one.get("prompt") for one in spooled]


@pytest.mark.parametrize("agent", HOOKS)
def test_a_plugin_without_memento_disturbs_no_agent(agent: str, tmp_path: Path) -> None:
    for _, command in commands(agent):
        done = run(command, b"{}", {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_memento_is_found_where_pipx_puts_it(tmp_path: Path) -> None:
    folder = tmp_path / ".local" / "bin"
    folder.mkdir(parents=True)
    (folder / "memento").symlink_to(MEMENTO)
    [(_, command), *_] = commands("codex")
    payload = json.dumps({**SNAKE, "hook_event_name": "SessionStart"}).encode()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "MEMENTO_HOME": str(tmp_path / "m")}
    assert run(command, payload, environment).returncode == 0
    assert list((tmp_path / "m" / "spool").iterdir())


OPENCODE = """
import plugin, {{ Memento }} from {module};
const hooks = await Memento({{ directory: "/w" }});
const config = {{}};
await hooks.config(config);
const parts = [{{ type: "text", text: "how do we deploy?" }}];
for (let i = 0; i < 2; i++) await hooks["chat.message"]({{ sessionID: "s-1" }}, {{ message: {{ id: "m-1" }}, parts }});
const output = {{ output: "file", metadata: {{}} }};
await hooks["tool.execute.after"]({{ tool: "read", sessionID: "s-1", args: {{ filePath: "/w/a.py" }} }}, output);
const other = {{ output: "ls", metadata: {{}} }};
await hooks["tool.execute.after"]({{ tool: "bash", sessionID: "s-1", args: {{}} }}, other);
console.log(JSON.stringify({{ same: plugin === Memento, config, parts, output, other }}));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
@pytest.mark.parametrize("state", ["answers", "is silent", "is missing", "hangs"])
def test_the_opencode_plugin_tells_what_memento_says_and_needs_none(state: str, tmp_path: Path) -> None:
    reply = json.dumps({"hookSpecificOutput": {"additionalContext": "<memento-recall>"}})
    said = {"answers": f"echo '{reply}'", "is silent": "true", "hangs": "exec sleep 60"}
    command = tmp_path / "memento"
    if state in said:
        command.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/arguments\ncat >> {tmp_path}/payloads\n{said[state]}\n')
        command.chmod(0o755)
    script = tmp_path / "run.mjs"
    script.write_text(OPENCODE.format(module=json.dumps(str(ROOT / "integrations/opencode/index.js"))))
    environment = {**os.environ, "MEMENTO_COMMAND": str(command)}
    done = subprocess.run(["node", str(script)], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["same"]
    assert result["config"]["mcp"]["memento"]["command"] == ["memento", "mcp"]
    told = [part for part in result["parts"] if part.get("synthetic")]
    assert len(told) == (3 if state == "answers" else 0), "at the session's start once, and with each prompt"
    assert all(part["messageID"] == "m-1" and part["text"] == "<memento-recall>" for part in told)
    assert result["output"]["output"] == ("file\n\n<memento-recall>" if state == "answers" else "file")
    assert result["other"]["output"] == "ls"
    if state == "answers":
        assert set((tmp_path / "arguments").read_text().splitlines()) == {"hook --ask --agent opencode"}
        assert '"tool_input":{"file_path":"/w/a.py"}' in (tmp_path / "payloads").read_text()


def test_a_hook_that_only_asks_keeps_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "MEMENTO_HOME": str(tmp_path / "m")}
    payload = json.dumps({**SNAKE, "hook_event_name": "UserPromptSubmit", "prompt": "We decided on blue."}).encode()
    for arguments in ("--ask --agent opencode", "--agent opencode"):
        assert not (tmp_path / "m" / "spool").exists()
        assert run(f"{MEMENTO} hook {arguments}", payload, environment).returncode == 0
    assert (tmp_path / "m" / "spool").exists()
