"""docs/api.md, from the docstrings of what a program may use. `make docs` writes it; a test fails when it is stale.

The sources are read, not imported: signatures and field types stand in the page as they stand in the code.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "api.md"
_PACKAGES: Final = {"memento": "memory", "memento_ingest": "ingest", "memento_policies": "policies"}


class Part(NamedTuple):
    """A chapter: its title, what is said before, and names as `module:name` or `module` for its docstring alone."""

    title: str
    intro: str
    names: Sequence[str]


PARTS: Final = (
    Part(
        "The store",
        "`from memento import MemoryStore`",
        (
            "memento.store:MemoryStore",
            "memento.capture_account:CaptureAccount",
            "memento.standing:StandingInstructions",
            "memento.narrowing:Filters",
            "memento.narrowing:When",
        ),
    ),
    Part(
        "One store for a process",
        "`from memento import get_store, recall, remember`",
        ("memento.process_stores:get_store", "memento.process_stores:remember", "memento.process_stores:recall"),
    ),
    Part(
        "An agent's own loop",
        "`from memento import AutoMemory`",
        (
            "memento.auto:AutoMemory",
            "memento.auto:Observation",
            "memento_policies.decision:Decision",
            "memento_policies.decision:Reason",
        ),
    ),
    Part(
        "What comes back",
        "`from memento import Recall, Found, Instruction, Feature, Added, Memory`. All are frozen:\n"
        "safe to share between threads.",
        (
            "memento.memory:Recall",
            "memento.memory:Found",
            "memento.memory:Instruction",
            "memento.memory:Feature",
            "memento.memory:Added",
            "memento.memory:Memory",
            "memento.storage.overview:Stats",
            "memento.search.index_status:IndexStatus",
            "memento.memory:CacheUse",
            "memento.search.backlog:Swap",
            "memento.search.backlog:Progress",
            "memento.health.healings:Healing",
        ),
    ),
    Part(
        "Ingestion",
        "`from memento_ingest.batch_ingest import Ingestion, Options`, as `memento ingest` does:\n"
        '`Ingestion(store.policy, Options(), store).run(["~/.claude/projects"])`, then `store.embed_pending()`.',
        (
            "memento_ingest.batch_ingest:Ingestion",
            "memento_ingest.batch_ingest:Options",
            "memento_ingest.report:Report",
        ),
    ),
    Part(
        "Looking after a store",
        "What `memento backup`, `export`, `import`, `consolidate` and `audit` call. `memento forget`, `restore` and\n"
        "`doctor` are commands.",
        (
            "memento.backup.creation:create",
            "memento.backup.verification:prove",
            "memento.backup.verification:unpack",
            "memento.backup.directory:Backup",
            "memento.backup.archive:Manifest",
            "memento.backup.directory:BackupDirectory",
            "memento.transfer.exporter:export",
            "memento.transfer.importer:merge",
            "memento.transfer.importer:Imported",
            "memento.curation.consolidation:consolidate",
            "memento.curation.consolidation:Plan",
            "memento.curation.consolidation:Step",
            "memento.curation.auditing:audit",
            "memento.curation.auditing:Rate",
        ),
    ),
    Part(
        "Errors",
        "`from memento.errors import StoreError, ...`",
        ("memento.errors", "memento_policies.errors", "memento_ingest.formats.registry:UnknownFormat"),
    ),
    Part(
        "Settings",
        "`from memento.config import load_config`. The settings themselves: README.md, `memento config`.",
        ("memento.config:load_config", "memento.config:Config", "memento.config:Effective"),
    ),
    Part(
        "Embedding",
        "`from memento.embedding import Embedded, Embedder, load_embedder`",
        (
            "memento.embedding.engine:Embedder",
            "memento.embedding.engine:Embedded",
            "memento.embedding.loader:load_embedder",
        ),
    ),
    Part(
        "Vector backends",
        "What answers by `recall.index` (docs/search.md). One class of these for each; they are not an entry point.",
        (
            "memento.search.index.partial_index:Accelerator",
            "memento.search.index.partial_index:PersistentIndex",
            "memento.search.index.partial_index:Graph",
        ),
    ),
    Part(
        "A transcript format of your own",
        'A package adds one by the entry point `mine = "my_package:MyFormat"` in the group `memento.formats`\n'
        "(docs/formats.md). The class is made without arguments and follows one of the three protocols. Its instance\n"
        "is shared by all threads; a parser or reader belongs to one source and one thread.",
        (
            "memento_ingest.formats.base:LineFormat",
            "memento_ingest.formats.base:LineParser",
            "memento_ingest.formats.base:DocumentFormat",
            "memento_ingest.formats.base:DatabaseFormat",
            "memento_ingest.formats.base:DatabaseReader",
            "memento_ingest.span:Line",
            "memento_ingest.span:Span",
            "memento_ingest.span:Title",
            "memento_ingest.span:Checkpoint",
            "memento_ingest.span:SourceInfo",
            "memento_policies.message:Message",
            "memento_policies.message:Role",
            "memento_policies.message:Kind",
        ),
    ),
    Part(
        "What ingestion writes and reads",
        "The types of those methods of MemoryStore that ingestion uses.",
        (
            "memento.memory:NewMemory",
            "memento.memory:Counts",
            "memento.storage.capture:Batch",
            "memento.storage.sources:SourceState",
            "memento.storage.accounts:SourceProgress",
            "memento.storage.accounts:SourceAccount",
            "memento.storage.accounts:CaptureTotals",
            "memento.storage.sources:Quarantined",
            "memento.storage.ignored:Ignored",
        ),
    ),
)


def render() -> str:
    """Return the page. Raises KeyError for a name that is not in its module."""
    lines = [
        "# Python API",
        "",
        "Made from the docstrings by `make docs`; edit those. Everything is typed (`py.typed`), times are Unix",
        "milliseconds, texts are `str`, and nothing heavy is loaded by an import. Errors derive from `MementoError`.",
    ]
    for part in PARTS:
        lines += ["", f"## {part.title}", part.intro]
        for name in part.names:
            lines += _described(*name.partition(":")[::2])
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines).rstrip() + "\n")


@cache
def _source(module: str) -> tuple[str, ast.Module]:
    path = ROOT / _PACKAGES[module.partition(".")[0]] / Path(*module.split("."))
    text = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text("utf-8")
    return text, ast.parse(text)


def _described(module: str, name: str) -> Iterator[str]:
    text, tree = _source(module)
    if not name:
        yield from ("", ast.get_docstring(tree) or "")
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                yield from _class(text, node, module)
        return
    for value, doc in _assigned(text, tree.body):
        if value.partition(" ")[0] == name:
            yield from ("", f"### `{name}`", *(() if "(" in value else _code(value)), doc)
            return
    found = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}[name]
    if isinstance(found, ast.ClassDef):
        yield from _class(text, found, module)
    else:
        head = ("", f"### `{name}`", f"`{module}.{name}`")
        yield from (*head, *_code(_signature(text, found)), ast.get_docstring(found) or "")


def _class(text: str, node: ast.ClassDef, module: str) -> Iterator[str]:
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    yield from ("", f"### `{node.name}`", f"`{module}.{node.name}`" + (f" ({bases})" if bases else "") + "  ")
    yield ast.get_docstring(node) or ""
    if fields := list(_assigned(text, node.body)):
        yield ""
        yield from (f"- `{value}`" + (f": {doc}" if doc else "") for value, doc in fields)
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and _is_public(member):
            doc = ast.get_docstring(member) or ""
            if member.name == "__init__":
                yield from (*_code(_signature(text, member).replace("def __init__", node.name)), doc)
            elif "property" in map(ast.unparse, member.decorator_list):
                returns = f": {ast.unparse(member.returns)}" if member.returns else ""
                yield from ("", f"#### `{member.name}{returns}`", doc)
            else:
                yield from ("", f"#### `{member.name}`", *_code(_signature(text, member)), doc)


def _is_public(member: ast.FunctionDef) -> bool:
    overload = "overload" in map(ast.unparse, member.decorator_list)
    return member.name == "__init__" or not (member.name.startswith("_") or overload)


def _assigned(text: str, body: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield fields and constants as `name: type = value`, each with the docstring below it on one line."""
    for number, node in enumerate(body):
        if not isinstance(node, ast.AnnAssign | ast.Assign):
            continue
        below = body[number + 1] if number + 1 < len(body) else None
        doc = ""
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            doc = " ".join(below.value.value.split())
        target = ast.unparse(node.target if isinstance(node, ast.AnnAssign) else node.targets[0])
        if not target.startswith("_"):
            yield " ".join((ast.get_source_segment(text, node) or "").split()), doc


def _signature(text: str, node: ast.FunctionDef) -> str:
    """Return a function's head as its source has it, without decorators, `self` and the last colon."""
    head = textwrap.dedent("\n".join(text.splitlines()[node.lineno - 1 : node.body[0].lineno - 1]))
    return re.sub(r"    self,\n|\bself, |(?<=\()self(?=\))", "", head).rstrip().removesuffix(":")


def _code(source: str) -> Iterator[str]:
    yield from ("", "```py", source, "```")


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
