"""Memento's MCP server in an agent's settings: put in, taken out, looked at.

The file is edited as `memento_ingest.hooks.settings_file` does it: what is not Memento's keeps its bytes, and removing
the entry gives back the very file that was there before, where nothing else has changed since.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memento.base.home import expand_user
from memento_app.integrations import toml_table
from memento_app.integrations.mcp_agents import NAME, Entry, McpAgent, called, is_off, is_ours
from memento_ingest.hooks.agents import AGENTS as HOOKED
from memento_ingest.hooks.entries import installed as installed_hooks
from memento_ingest.hooks.install import Change, Problem, memento_script
from memento_ingest.hooks.settings_file import Edit, SettingsError, SettingsFile, edited, parse


@dataclass(frozen=True)
class McpStatus:
    """Whether an agent's settings start `memento mcp`."""

    agent: str
    file: Path
    memento: Path | None
    """The `memento` that is started; None: there is no entry."""
    problems: tuple[Problem, ...]

    @property
    def state(self) -> str:
        """In words."""
        return "installed" if self.memento else "not installed"

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "agent": self.agent,
            "file": str(self.file),
            "memento": str(self.memento) if self.memento else None,
            "problems": [str(one) for one in self.problems],
        }

    def lines(self) -> list[str]:
        """Return it for a person."""
        starts = [f"  {self.memento} mcp"] if self.memento else []
        return [f"{self.agent}: {self.state} ({self.file})", *starts, *(f"  {one}" for one in self.problems)]


def install(agent: McpAgent, path: Path | None = None, *, dry_run: bool = False) -> Change:
    """Add Memento's entry. Doing so twice changes nothing. Raises SettingsError; the file is then as it was."""
    file = _file(agent, path)
    settings = _settings(agent, file)
    entry, wanted = _entry(agent, settings, file.path), agent.entry(memento_script())
    problem = _off(agent, file.path) if is_off(entry) else None
    if entry is not None and all(entry.get(key) == value for key, value in wanted.items() if key != "enabled"):
        return Change(f"{agent.title}: the MCP server is installed already in {file.path}", "", problem)
    content = _adding(agent, file.path, wanted)(file.content)
    change = Change(f"{agent.title}: MCP server installed in {file.path}", file.diff(content), problem)
    if not dry_run:
        if entry is None and not _has_hooks(agent, settings):
            file.keep_backup()
        file.write(content)
    return change


def uninstall(agent: McpAgent, path: Path | None = None, *, dry_run: bool = False) -> Change:
    """Take Memento's entry out. Raises SettingsError; the file is then as it was."""
    file = _file(agent, path)
    if _entry(agent, _settings(agent, file), file.path, may_be_foreign=True) is None:
        return Change(f"{agent.title}: there is no MCP server of Memento's in {file.path}", "")
    wanted = agent.entry("memento")
    content, is_exact = file.taken_out(_adding(agent, file.path, wanted), _removing(agent, file))
    change = Change(f"{agent.title}: MCP server removed from {file.path}", file.diff(content))
    if not dry_run:
        file.restore(content, is_exact)
    return change


def status(agent: McpAgent, path: Path | None = None) -> McpStatus:
    """Look at what is installed. Raises SettingsError if the file cannot be read."""
    file = _file(agent, path)
    entry = _entry(agent, _settings(agent, file), file.path, may_be_foreign=True)
    if entry is None:
        return McpStatus(agent.name, file.path, None, ())
    memento = called(entry)
    problems = []
    if memento.is_absolute() and not memento.exists():
        problems.append(Problem(f"{memento} is not there any more", f"run `memento mcp install {agent.name}`"))
    if is_off(entry):
        problems.append(_off(agent, file.path))
    return McpStatus(agent.name, file.path, memento, tuple(problems))


def _file(agent: McpAgent, path: Path | None) -> SettingsFile:
    return SettingsFile(expand_user(path) if path else agent.file())


def _settings(agent: McpAgent, file: SettingsFile) -> dict[str, Any]:
    return _parsed(agent, file.content, file.path)


def _parsed(agent: McpAgent, content: bytes | None, path: Path) -> dict[str, Any]:
    if not agent.is_toml:
        return parse(content or b"", path, agent.dialect)
    try:
        return tomllib.loads(_text(content, path))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{path}: is not TOML ({error}): it was left as it is; correct it, then try again"
        ) from None


def _text(content: bytes | None, path: Path) -> str:
    try:
        return (content or b"").decode()
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not UTF-8 text: it was left as it is; save it as UTF-8") from None


def _servers(agent: McpAgent, settings: Mapping[str, Any], path: Path) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return the keys that lead to the servers, and the servers. Raises SettingsError.

    opencode 2 keeps them one level lower than opencode 1; a file that has that level is one of opencode 2's.
    """
    keys: tuple[str, ...] = (agent.key,)
    found = settings.get(agent.key, {})
    if agent.name == "opencode" and isinstance(found, dict) and isinstance(found.get("servers"), dict):
        is_server = isinstance(found["servers"].get("command"), list)
        keys, found = (keys, found) if is_server else ((*keys, "servers"), found["servers"])
    if not isinstance(found, dict):
        raise SettingsError(f"{path}: `{agent.key}` is not an object: it was left as it is")
    return keys, found


def _entry(
    agent: McpAgent, settings: Mapping[str, Any], path: Path, *, may_be_foreign: bool = False
) -> dict[str, Any] | None:
    """Return Memento's entry. Raises SettingsError where another server has its name, unless that may be."""
    found = _servers(agent, settings, path)[1].get(NAME)
    if found is None or is_ours(found):
        return found
    if may_be_foreign:
        return None
    raise SettingsError(
        f"{path}: another MCP server is called `{NAME}`: it was left as it is; give it another name, then try again"
    )


def _adding(agent: McpAgent, path: Path, wanted: Entry) -> Edit:
    """Return the edit that puts the entry in; what the user added to one that is there stays."""

    def add(content: bytes | None) -> bytes:
        settings = _parsed(agent, content, path)
        if agent.is_toml:
            return _toml(path, lambda: toml_table.put(_text(content, path), (agent.key, NAME), wanted))
        keys, servers = _servers(agent, settings, path)
        before = servers.get(NAME) or {}
        entry = {**before, **{key: value for key, value in wanted.items() if key != "enabled" or key not in before}}
        return edited(content, _with(settings, keys, {**servers, NAME: entry}), path, agent.dialect)

    return add


def _removing(agent: McpAgent, file: SettingsFile) -> Edit:
    """Return the edit that takes the entry out, and the list of servers if that came with it."""

    def remove(content: bytes | None) -> bytes:
        settings = _parsed(agent, content, file.path)
        if agent.is_toml:
            return _toml(file.path, lambda: toml_table.drop(_text(content, file.path), (agent.key, NAME)))
        keys, servers = _servers(agent, settings, file.path)
        rest = {name: one for name, one in servers.items() if name != NAME}
        if rest or _was_there(agent, file):
            return edited(content, _with(settings, keys, rest), file.path, agent.dialect)
        without = {key: value for key, value in settings.items() if key != agent.key}
        return edited(content, without, file.path, agent.dialect)

    return remove


def _was_there(agent: McpAgent, file: SettingsFile) -> bool:
    """Tell whether the file listed servers, if only an empty list, before Memento's came."""
    try:
        return agent.key in _parsed(agent, file.backup.read_bytes(), file.path)
    except (OSError, SettingsError):
        return False


def _with(settings: Mapping[str, Any], keys: tuple[str, ...], servers: Mapping[str, Any]) -> dict[str, Any]:
    key, *below = keys
    value = _with(settings[key], tuple(below), servers) if below else dict(servers)
    return {**settings, key: value}


def _toml(path: Path, edit: Any) -> bytes:
    try:
        return str(edit()).encode()
    except ValueError as error:
        raise SettingsError(f"{path}: {error}: it was left as it is; edit it by hand") from None


def _has_hooks(agent: McpAgent, settings: Mapping[str, Any]) -> bool:
    """Tell whether the file holds Memento's hooks too: its backup is then of before them."""
    hooked = HOOKED.get(agent.name)
    return hooked is not None and bool(installed_hooks(dict(settings), hooked))


def _off(agent: McpAgent, path: Path) -> Problem:
    return Problem(f"{agent.title} does not start it: it is switched off", f"switch the server on in {path}")
