"""Dependencies point one way, and nothing heavy is loaded before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = {
    "memento_policies": ROOT / "policies" / "memento_policies",
    "memento": ROOT / "memory" / "memento",
    "memento_ingest": ROOT / "ingest" / "memento_ingest",
    "memento_app": ROOT / "app" / "memento_app",
}
ALLOWED: Final[dict[str, set[str]]] = {
    "memento_policies": set(),
    "memento": {"memento_policies"},
    "memento_ingest": {"memento", "memento_policies"},
    "memento_app": {"memento", "memento_ingest", "memento_policies"},
}
HEAVY: Final = {
    "numpy", "onnxruntime", "onnx", "tokenizers", "torch", "sentence_transformers", "watchdog", "faiss", "hnswlib",
}  # fmt: skip
LATE: Final = HEAVY | {"rich", "pydantic", "yaml", "re2"}


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the first part of every name imported, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield ("." if node.level else str(node.module).partition(".")[0]), node.lineno


def at_top(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements that run when the module is imported; those under TYPE_CHECKING do not."""
    for statement in tree.body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            yield from statement.orelse
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement


@pytest.mark.parametrize("package", PACKAGES)
def test_one_way_dependencies(package: str) -> None:
    files = sorted(PACKAGES[package].rglob("*.py"))
    assert files
    for path in files:
        allowed = ALLOWED[package] | {package}
        for name, line in imports(ast.parse(path.read_text("utf-8"))):
            assert name != ".", f"{path}:{line}: import by the whole name"
            assert name not in PACKAGES or name in allowed, f"{path}:{line}: {package} must not import {name}"


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_heavy_at_the_top(package: str) -> None:
    for path in sorted(PACKAGES[package].rglob("*.py")):
        for statement in at_top(ast.parse(path.read_text("utf-8"))):
            classes_too = ast.Module([statement], [])
            functions = [node for node in ast.walk(statement) if isinstance(node, ast.FunctionDef)]
            inside = {line for function in functions for _, line in imports(function)}
            found = {name for name, line in imports(classes_too) if line not in inside}
            assert not found & HEAVY, f"{path}:{statement.lineno}"


@pytest.mark.parametrize("module", ["memento", "memento_app.cli", "memento_policies"])
def test_a_fresh_interpreter_stays_light(module: str) -> None:
    program = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not LATE & set(loaded)


def test_sql_lives_in_storage() -> None:
    for path in sorted(PACKAGES["memento"].rglob("*.py")):
        inside = PACKAGES["memento"] / "storage" in path.parents
        assert inside or ".execute(" not in path.read_text("utf-8"), path


def modules_imported(path: Path) -> Iterator[tuple[str, ...]]:
    """Yield the full name of everything of the same package that a module imports, also inside its functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from ((*str(node.module).split("."), alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_circle_of_rooms(package: str) -> None:
    """Hold at every level: between the rooms of a package, and between the modules and folders of each room."""
    root = PACKAGES[package].parent
    below: dict[tuple[str, ...], dict[str, set[str]]] = {}
    for path in sorted(PACKAGES[package].rglob("*.py")):
        own = path.relative_to(root).with_suffix("").parts
        for name in modules_imported(path):
            depth = next((n for n, (a, b) in enumerate(zip(own, name, strict=False)) if a != b), 0)
            room = root.joinpath(*name[: depth + 1])
            if depth and (room.is_dir() or room.with_suffix(".py").is_file()):
                below.setdefault(own[:depth], {}).setdefault(own[depth], set()).add(name[depth])
    assert below
    for rooms in below.values():
        tuple(TopologicalSorter(rooms).static_order())  # raises CycleError, naming the circle
