"""`memento mcp install|uninstall|status`: the agents' own settings files, and never losing what is the user's."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings as budget, strategies as st

from memento_app.integrations import toml_table
from memento_app.integrations.mcp_agents import AGENTS, McpAgent, is_ours, mcp_agent
from memento_app.integrations.mcp_entry import install, status, uninstall
from memento_ingest.hooks import json_text
from memento_ingest.hooks.agents import AGENTS as HOOKED, UnknownAgent
from memento_ingest.hooks.install import install as install_hooks, uninstall as uninstall_hooks
from memento_ingest.hooks.json_text import Dialect
from memento_ingest.hooks.settings_file import SettingsError

MEMENTO = Path(sys.executable).with_name("memento")
JSON_AGENTS = [one for one in AGENTS.values() if not one.is_toml]
ALL = pytest.mark.parametrize("agent", AGENTS.values(), ids=list(AGENTS))
USERS = {
    "theme": "dark",
    "mcpServers": {"x": {"command": "x"}},
    "mcp": {"y": {"type": "local"}},
    "n": 1.50,
    "servers": {},
}
CODEX = """# mine
model = "gpt-5"   # the best

[mcp_servers.docs]   # documentation
command = "npx"
args = [
  "-y",
]

# how to talk
[tui]
theme = "dark"
"""
VS_CODE = """{
  // what I use
  "servers": {
    "docs": { "type": "http", "url": "https://example.com/mcp" }, // kept
  },
  "inputs": [], /* none */
}
"""


def entry_in(agent: McpAgent, content: bytes) -> Any:
    """Return Memento's entry as the agent itself would read it."""
    if agent.is_toml:
        return tomllib.loads(content.decode()).get(agent.key, {}).get("memento")
    return json_text.parse(content.decode(), agent.dialect).get(agent.key, {}).get("memento")


@ALL
def test_a_new_file_comes_and_goes(agent: McpAgent, tmp_path: Path) -> None:
    path = tmp_path / "new" / "settings"
    assert status(agent, path).memento is None
    install(agent, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    entry = entry_in(agent, path.read_bytes())
    command = entry["command"]
    assert (command if isinstance(command, list) else [command, *entry["args"]]) == [str(MEMENTO), "mcp"]
    assert (status(agent, path).memento, status(agent, path).problems) == (MEMENTO, ())
    content = path.read_bytes()
    assert not install(agent, path).diff
    assert path.read_bytes() == content
    uninstall(agent, path)
    assert list(path.parent.iterdir()) == []
    assert not uninstall(agent, path).diff


@pytest.mark.parametrize("agent", JSON_AGENTS, ids=lambda agent: agent.name)
@pytest.mark.parametrize(
    "content",
    [
        json.dumps(USERS, indent=2).encode() + b"\n",
        json.dumps(USERS, indent="\t").replace("\n", "\r\n").encode(),
        json.dumps(USERS).encode(),
        b'{ "a" : 1e3,\n\n   "mcpServers": {},   "b":[1,2] }',
        b'\xef\xbb\xbf{"mcp": {}}',
        b"{}",
        b"",
        b"\n",
    ],
    ids=lambda content: repr(content[:12]),
)
def test_exact_undo(agent: McpAgent, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    path.chmod(0o640)
    install(agent, path)
    backup = path.with_name("settings.json.memento-backup")
    assert (backup.read_bytes(), stat.S_IMODE(backup.stat().st_mode)) == (content, 0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    install(agent, path)
    uninstall(agent, path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_every_byte_that_is_not_the_entry_stays(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(VS_CODE)
    install(mcp_agent("vscode"), path)
    added = path.read_text()
    assert [line for line in added.splitlines() if line in VS_CODE.splitlines()] == VS_CODE.splitlines()
    start, end = added.index('    "memento": {'), added.index('  },\n  "inputs"')
    assert added[:start] + added[end:] == VS_CODE
    path.write_text(added.replace('"inputs": []', '"inputs": [{"id": "k"}]'))  # the user goes on
    uninstall(mcp_agent("vscode"), path)
    assert path.read_text() == VS_CODE.replace('"inputs": []', '"inputs": [{"id": "k"}]')


def test_a_file_that_its_agent_writes_all_the_time_loses_the_entry_alone(tmp_path: Path) -> None:
    path = tmp_path / ".claude.json"
    path.write_text('{\n  "numStartups": 7\n}')
    path.chmod(0o600)
    install(mcp_agent("claude"), path)
    settings = json.loads(path.read_text())
    settings["numStartups"] = 8
    settings["projects"] = {"/w": {"mcpServers": {}}}
    path.write_text(json.dumps(settings, indent=2))
    uninstall(mcp_agent("claude"), path)
    assert path.read_text() == json.dumps({"numStartups": 8, "projects": {"/w": {"mcpServers": {}}}}, indent=2)
    assert path.with_name(".claude.json.memento-backup").exists()


@pytest.mark.parametrize("content", [CODEX, CODEX.replace("\n", "\r\n"), 'model = "x"', "", "[mcp_servers]\n"])
def test_a_toml_file_keeps_its_comments_and_comes_back_exactly(content: str, tmp_path: Path) -> None:
    codex, path = mcp_agent("codex"), tmp_path / "config.toml"
    path.write_bytes(content.encode())
    install(codex, path)
    assert path.read_bytes().startswith(content.encode())
    assert entry_in(codex, path.read_bytes()) == {"command": str(MEMENTO), "args": ["mcp"]}
    uninstall(codex, path)
    assert path.read_bytes() == content.encode()
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_user_adds_to_the_toml_entry_or_after_it_is_heeded(tmp_path: Path) -> None:
    codex, path = mcp_agent("codex"), tmp_path / "config.toml"
    path.write_text(CODEX)
    install(codex, path)
    more = 'startup_timeout_sec = 20\n\n[mcp_servers.memento.env]\nX = "1"\n\n# last\n[last]\na = 1\n'
    path.write_text(path.read_text().replace(str(MEMENTO), "/gone/memento") + more)
    assert "/gone/memento is not there any more" in str(status(codex, path).problems[0])
    install(codex, path)
    entry = entry_in(codex, path.read_bytes())
    assert entry == {"command": str(MEMENTO), "args": ["mcp"], "startup_timeout_sec": 20, "env": {"X": "1"}}
    uninstall(codex, path)
    assert path.read_text() == CODEX + "\n# last\n[last]\na = 1\n"


@pytest.mark.parametrize(
    "content",
    [
        "not toml",
        "a = 1\na = 2\n",
        "mcp_servers = 3\n",
        'mcp_servers = { x = { command = "x" } }\n',
        "[mcp_servers]\nmemento = 1\n",
        '[mcp_servers.memento]\ncommand = "other"\n',
    ],
)
def test_toml_that_cannot_be_edited_is_left_as_it_is(content: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(content)
    with pytest.raises(SettingsError, match="left as it is"):
        install(mcp_agent("codex"), path)
    assert path.read_text() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "content",
    [b'{"a": 1, // why\n"b": 2}', b'{"a": 1,}', b"[]", b"nonsense", b'{"a":1,"a":2}', b"\xff{}", b'{"mcpServers": []}',
     b'{"mcpServers": {"memento": {"command": "npx", "args": ["other-memento"]}}}', b"[" * 100_000, b'{"a": NaN}'],
    ids=lambda content: repr(content[:10]),
)  # fmt: skip
def test_what_cannot_be_edited_is_left_as_it_is(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="left as it is"):
        install(mcp_agent("claude"), path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_server_of_another_program_with_our_name_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"mcpServers": {"memento": {"command": "npx", "args": ["other-memento"]}}}')
    before = path.read_bytes()
    assert status(mcp_agent("cursor"), path).memento is None
    assert not uninstall(mcp_agent("cursor"), path).diff
    assert path.read_bytes() == before


@pytest.mark.parametrize("order", ["hooks first out", "server first out"])
def test_hooks_and_server_in_one_file_give_back_the_first_state(order: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{\n  // mine\n  "ui": {"theme": "x"}\n}\n')
    before = path.read_bytes()
    hooked, server = HOOKED["gemini"], mcp_agent("gemini")
    install_hooks(hooked, path)
    install(server, path)
    assert path.with_name("settings.json.memento-backup").read_bytes() == before
    if order == "hooks first out":
        uninstall_hooks(hooked, path)
    uninstall(server, path)
    uninstall_hooks(hooked, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_two_generations_of_opencode(tmp_path: Path) -> None:
    opencode, path = mcp_agent("opencode"), tmp_path / "opencode.jsonc"
    path.write_text('{\n  "mcp": {\n    "servers": {\n      "docs": {"type": "remote"},\n    },\n  },\n}\n')
    before = path.read_text()
    install(opencode, path)
    servers = json_text.parse(path.read_text(), Dialect.TRAILING_COMMAS)["mcp"]["servers"]
    assert servers["memento"] == {"type": "local", "command": [str(MEMENTO), "mcp"], "enabled": True}
    uninstall(opencode, path)
    assert path.read_text() == before
    path.write_text('{"mcp": {"servers": {"type": "local", "command": ["a server that is called servers"]}}}')
    install(opencode, path)
    assert entry_in(opencode, path.read_bytes()) == servers["memento"]


def test_a_server_that_the_user_switched_off_stays_off(tmp_path: Path) -> None:
    opencode, path = mcp_agent("opencode"), tmp_path / "opencode.json"
    install(opencode, path)
    path.write_text(path.read_text().replace("true", "false").replace(str(MEMENTO), "/gone/memento"))
    problem = install(opencode, path).problem
    assert "switch the server on" in str(problem)
    assert entry_in(opencode, path.read_bytes())["enabled"] is False
    assert status(opencode, path).memento == MEMENTO


def test_own_servers_are_told_from_others() -> None:
    for ours in ({"command": "/a b/memento", "args": ["mcp"]}, {"command": ["C:\\x\\memento.exe", "mcp"]}):
        assert is_ours(ours)
    others: list[object] = [{"command": "memento"}, {"command": "npx", "args": ["mcp"]}, {"command": []}, {}, None]
    assert not any(map(is_ours, others))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=3), one, max_size=3),
    max_leaves=8,
)
COMMA = st.sampled_from(["", ","])
SPACE = st.sampled_from(["", " ", "\n", "\r\n\t", " // x, }\n", "/* , ] */"])


def spelled(draw: Callable[[st.SearchStrategy[str]], str], one: Any) -> str:
    """Write a value with white space, comments and trailing commas anywhere."""
    before, after = draw(SPACE), draw(SPACE)
    if not isinstance(one, dict | list) or not one:
        return before + json.dumps(one) + after
    opening, closing = "{}" if isinstance(one, dict) else "[]"
    if isinstance(one, dict):
        items = [f"{draw(SPACE)}{json.dumps(key)}{draw(SPACE)}:{spelled(draw, value)}" for key, value in one.items()]
    else:
        items = [spelled(draw, value) for value in one]
    return before + opening + ",".join(items) + draw(COMMA) + draw(SPACE) + closing + after


@given(data=st.data(), value=st.dictionaries(st.text(max_size=3), VALUES, max_size=4), more=VALUES)
@budget(max_examples=300, deadline=None)
def test_any_edit_says_what_was_meant_or_is_refused(data: Any, value: dict[str, Any], more: Any) -> None:
    text = spelled(data.draw, value)
    assert json_text.parse(text, Dialect.TRAILING_COMMAS) == value
    gone = data.draw(st.sampled_from([*value, ""]))
    new = {**{key: one for key, one in value.items() if key != gone}, "added": more}
    try:
        edited = json_text.edited(text, new, json_text.style_of(text), Dialect.TRAILING_COMMAS)
    except ValueError:
        return
    assert json_text.parse(edited, Dialect.TRAILING_COMMAS) == new


@given(st.text(alphabet="ab \n#[]=\"'.1", max_size=60))
@budget(max_examples=300, deadline=None)
def test_any_toml_file_that_takes_the_table_gives_it_back(text: str) -> None:
    try:
        before = tomllib.loads(text)
        added = toml_table.put(text, ("mcp_servers", "memento"), {"command": "m", "args": ["mcp"]})
    except ValueError:
        return
    assert tomllib.loads(added)["mcp_servers"]["memento"] == {"command": "m", "args": ["mcp"]}
    assert tomllib.loads(toml_table.drop(added, ("mcp_servers", "memento"))) == before


def test_the_command_line(tmp_path: Path) -> None:
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environment = {**inherited, "HOME": str(tmp_path), "MEMENTO_HOME": str(tmp_path / "m")}

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([MEMENTO, *arguments], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr
        return done

    run("mcp", "status", code=3)
    run("hooks", "status", code=3)
    assert "+[mcp_servers.memento]" in run("mcp", "install", "codex", "--dry-run").stdout
    assert not (tmp_path / ".codex").exists()
    run("mcp", "install", "codex")
    assert json.loads(run("mcp", "status", "codex", "--json").stdout)["memento"] == str(MEMENTO)
    everyone = json.loads(run("mcp", "status").stdout)
    assert [one["agent"] for one in everyone] == list(AGENTS)
    assert [one["agent"] for one in everyone if one["memento"]] == ["codex"]
    run("hooks", "install", "cursor")
    assert [one["agent"] for one in json.loads(run("hooks", "status").stdout) if one["installed"]] == ["cursor"]
    run("mcp", "status", "gemini", code=3)
    assert "claude, claude-desktop, cline" in run("mcp", "install", "vim", code=2).stderr
    assert "name the agent too" in run("mcp", "status", "--settings", "x", code=2).stderr
    (tmp_path / ".cursor" / "mcp.json").write_text("{,}")
    assert "cannot be read" in run("mcp", "status", "--table", code=4).stdout
    assert "not plain JSON" in run("mcp", "install", "cursor", code=1).stderr
    project = tmp_path / ".mcp.json"
    run("mcp", "install", "claude", "--settings", str(project))
    assert json.loads(project.read_text())["mcpServers"]["memento"]["type"] == "stdio"
    run("mcp", "uninstall", "claude", "--settings", str(project))
    assert not project.exists()
    run("mcp", "uninstall", "codex")
    assert not (tmp_path / ".codex" / "config.toml").exists()
    with pytest.raises(UnknownAgent):
        mcp_agent("emacs")
