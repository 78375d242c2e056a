"""Changes one setting in config.yaml and preserves its comments, order and spacing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from memento.base import durable
from memento.errors import ConfigError


def set_key(path: Path, section: str, name: str, value: str) -> None:
    """Set `section.name` to a value that fits a line of YAML, adding the file, section or key if missing.

    Raises ConfigError if the file cannot be read, written, or changed without other effects.
    """
    try:
        old = path.read_bytes().decode() if path.exists() else ""
        new = _changed(old, section, name, value)
        if not _only_change(old, new, section, name, value):
            raise ConfigError(f"{path} cannot be changed safely: set `{name}: {value}` under `{section}:` by hand")
        target = path.resolve()
        durable.make_private_folder(target.parent)
        durable.replace(target, new.encode())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ConfigError(f"cannot change {path}: {reason}") from None


def _changed(text: str, section: str, name: str, value: str) -> str:
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return text
    entry = _entry(root, section)
    if entry is None:
        end = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{end}{section}:\n  {name}: {value}\n"
    key, body = entry
    if not isinstance(body, yaml.MappingNode):  # `recall:` without a value
        at = key.end_mark.index + 1
        return f"{text[:at]}\n  {name}: {value}{text[at:]}"
    known = _entry(body, name)
    if known is not None:
        return f"{text[: known[1].start_mark.index]}{value}{text[known[1].end_mark.index :]}"
    if body.flow_style:
        at = body.start_mark.index + 1
        return f"{text[:at]}{name}: {value}{', ' if body.value else ''}{text[at:]}"
    at, indent = body.start_mark.index, " " * body.start_mark.column
    return f"{text[:at]}{name}: {value}\n{indent}{text[at:]}"


def _entry(node: Any, name: str) -> tuple[Any, Any] | None:
    """Return the nodes of a mapping's key and value."""
    for key, value in getattr(node, "value", ()) if node is not None and node.id == "mapping" else ():
        if key.value == name:
            return key, value
    return None


def _only_change(old: str, new: str, section: str, name: str, value: str) -> bool:
    """Tell whether the two texts differ in the value only."""
    import yaml

    try:
        before = yaml.safe_load(old) or {}
        wanted = {**before, section: {**(before.get(section) or {}), name: yaml.safe_load(value)}}
        return bool(yaml.safe_load(new) == wanted)
    except (yaml.YAMLError, TypeError, AttributeError):
        return False
