"""Memento's entries in an agent's settings: putting them in, taking them out, telling what is there.

Invariant: `unmerged(merged(settings))` is `settings` without Memento's entries; no other entry, key or order changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from memento_ingest.hooks.agents import Handler, HookedAgent, is_ours
from memento_ingest.hooks.settings_file import SettingsError

Settings = dict[str, Any]


def merged(settings: Settings, agent: HookedAgent, memento: str) -> Settings:
    """Return the settings with one entry for each of the agent's events, in place of any there were.

    Raises SettingsError if `hooks` is not of the shape that the agent documents.
    """
    clean = unmerged(settings, agent)
    hooks = clean.get("hooks", {})
    if not isinstance(hooks, dict):
        raise SettingsError(f"`hooks` is not an object in the settings of {agent.name}: nothing was changed")
    hooks = dict(hooks)
    for event in agent.events:
        listed = hooks.get(event, [])
        if not isinstance(listed, list):
            raise SettingsError(f"`hooks.{event}` is not a list in the settings of {agent.name}: nothing was changed")
        handler = agent.handler(memento, event)
        hooks[event] = [*listed, _group(agent, event, handler) if agent.is_nested else handler]
    missing = {key: value for key, value in agent.skeleton.items() if key not in clean}
    return {**missing, **clean, "hooks": hooks}


def unmerged(settings: Settings, agent: HookedAgent) -> Settings:
    """Return the settings without Memento's entries and without the lists and objects that this empties."""
    hooks = settings.get("hooks")
    if not isinstance(hooks, dict):
        return dict(settings)
    kept: dict[str, Any] = {}
    for event, listed in hooks.items():
        rest = _without_ours(listed, agent) if isinstance(listed, list) else listed
        if rest or rest == listed:
            kept[event] = rest
    if kept == hooks:
        return dict(settings)
    return {key: kept if key == "hooks" else value for key, value in settings.items() if key != "hooks" or kept}


def installed(settings: Settings, agent: HookedAgent) -> dict[str, Handler]:
    """Return Memento's entry of each event that has one."""
    hooks = settings.get("hooks")
    found: dict[str, Handler] = {}
    for event, listed in (hooks if isinstance(hooks, dict) else {}).items():
        for handler in _handlers(listed, agent):
            if is_ours(handler):
                found.setdefault(event, handler)
    return found


def _group(agent: HookedAgent, event: str, handler: Handler) -> dict[str, Any]:
    matcher = agent.matchers.get(event)
    return {"matcher": matcher, "hooks": [handler]} if matcher else {"hooks": [handler]}


def holds_memento(settings: Settings, agent: HookedAgent) -> bool:
    """Tell whether a file holds anything of Memento's: hooks, or its server among the MCP servers of the same file."""
    servers = settings.get("mcpServers")
    return bool(installed(settings, agent)) or (isinstance(servers, dict) and "memento" in servers)


def _without_ours(listed: list[Any], agent: HookedAgent) -> list[Any]:
    if not agent.is_nested:
        return [handler for handler in listed if not is_ours(handler)]
    kept: list[Any] = []
    for group in listed:
        handlers = group.get("hooks") if isinstance(group, dict) else None
        if not isinstance(handlers, list) or not any(map(is_ours, handlers)):
            kept.append(group)
        elif rest := [handler for handler in handlers if not is_ours(handler)]:
            kept.append({**group, "hooks": rest})
    return kept


def _handlers(listed: object, agent: HookedAgent) -> Iterator[Any]:
    for item in listed if isinstance(listed, list) else []:
        if not agent.is_nested:
            yield item
        elif isinstance(item, dict) and isinstance(item.get("hooks"), list):
            yield from item["hooks"]
