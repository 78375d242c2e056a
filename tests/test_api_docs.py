"""docs/api.md says what the code says, and leaves out nothing that a program may use."""

from __future__ import annotations

import inspect
import typing
from importlib import resources
from pathlib import Path
from runpy import run_path

import pytest

import memento
from memento import AutoMemory, MementoError, MemoryStore, errors
from memento.search.index.partial_index import Accelerator

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")


def test_the_page_is_what_the_docstrings_say() -> None:
    assert run_path(str(ROOT / "docs" / "generate_api.py"))["render"]() == PAGE, "run `make docs`"


def test_every_public_name_has_its_place() -> None:
    raised = [name for name in errors.__all__ if issubclass(getattr(errors, name), MementoError)]
    for name in (*memento.__all__, *raised):
        assert f"### `{name}`\n" in PAGE, name


@pytest.mark.parametrize("kind", [MemoryStore, AutoMemory, memento.Recall, memento.Found, memento.Memory, Accelerator])
def test_every_member_has_its_place_a_docstring_and_types(kind: type) -> None:
    own = {name: member for name, member in vars(kind).items() if not name.startswith("_")}
    for name, member in own.items():
        assert f"`{name}" in PAGE, name
        if inspect.isfunction(member):
            assert member.__doc__, name
            untyped = [one for one in inspect.signature(member).parameters.values() if one.annotation is one.empty]
            assert [one.name for one in untyped] == ["self"], name


def test_the_functions_on_the_default_store_take_what_its_methods_take() -> None:
    for function, method in ((memento.remember, MemoryStore.remember), (memento.recall, MemoryStore.recall)):
        _, *wanted = inspect.signature(method).parameters.values()
        assert list(inspect.signature(function).parameters.values()) == wanted
        assert function.__doc__ == method.__doc__


def test_every_filter_says_what_it_holds() -> None:
    for name in typing.get_type_hints(memento.Filters):
        assert f"\n- `{name}: " in PAGE, name


def test_type_checkers_are_told_to_look() -> None:
    for package in ("memento", "memento_ingest", "memento_policies"):
        assert resources.files(package).joinpath("py.typed").is_file()
