"""Policy files: the shipped YAML, a user's YAML of the same name merged over it, validated against the schema."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError
from yaml.nodes import Node

from memento_policies.diagnostics import Location, describe, describe_all, nearest
from memento_policies.errors import PolicyError
from memento_policies.nodes import compose, construct, merge
from memento_policies.schema import (
    ImportanceFile,
    RedactionFile,
    RetentionFile,
    SignificanceFile,
    TagsFile,
    WeightsFile,
)

FILES: dict[type[BaseModel], str] = {
    RedactionFile: "redaction.yaml",
    SignificanceFile: "significance.yaml",
    TagsFile: "tags.yaml",
    ImportanceFile: "importance.yaml",
    WeightsFile: "weights.yaml",
    RetentionFile: "retention.yaml",
}

M = TypeVar("M", bound=BaseModel)


class Document(Generic[M]):
    """One validated policy file, which still knows where each of its values was written."""

    def __init__(self, model: M, node: Node) -> None:
        self.model = model
        self._node = node

    def error(self, location: Location, problem: str) -> PolicyError:
        """Return the error that says where something is wrong: `file:line: key.path: problem`."""
        return PolicyError(describe(self._node, location, problem))


def load_document(model: type[M], overrides: Path | None) -> Document[M]:
    """Load a shipped policy file, merged with the user's file of the same name if the folder `overrides` holds one.

    Raises PolicyError, naming file, line and key, if either cannot be read, parsed or validated.
    """
    name = FILES[model]
    node = compose((files("memento_policies") / "rules" / name).read_bytes(), name)
    over = _read(overrides / name) if overrides is not None else None
    if node is None:
        raise PolicyError(f"{name}: the shipped file is empty: reinstall Memento")
    if over is not None:
        node = merge(node, over)
    try:
        return Document(model.model_validate(construct(node)), node)
    except ValidationError as invalid:
        raise PolicyError(describe_all(node, model, invalid)) from None


def check_overrides(folder: Path) -> None:
    """Raise PolicyError if `folder` exists and is no folder, or holds YAML that no policy reads (a misspelt name)."""
    if not folder.exists():
        return
    names = list(FILES.values())
    if not folder.is_dir():
        raise PolicyError(f"{folder}: must be a folder that holds any of {', '.join(names)}")
    for path in sorted(folder.iterdir()):
        if path.suffix in {".yaml", ".yml"} and path.name not in names:
            raise PolicyError(f"{path}: no policy reads this file{nearest(path.name, names) or '; rename it'}")


def _read(path: Path) -> Node | None:
    try:
        return compose(path.read_bytes(), str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read: {error.strerror}") from error
