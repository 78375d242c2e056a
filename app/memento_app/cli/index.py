"""`index status`, `index rebuild` and `index use`: the vectors that recall searches."""

from __future__ import annotations

from typing import Annotated

import typer

from memento.base.counted import counted
from memento.errors import UsageError
from memento_app.cli.ending import FAILED
from memento_app.cli.group import Group
from memento_app.cli.output import AsJson, Db, configured, note, print_json, say, wants_json
from memento_app.cli.sidecar import tell_sidecar

index = Group(
    help="The vectors that recall searches: look, rebuild, choose.", no_args_is_help=True, rich_markup_mode=None
)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(index, name="index")


@index.command()
def status(db: Db = None, json_: AsJson = None) -> None:
    """Say whether the vector file fits the database.

    It is read whole.

    Exit code 1: it does not fit, or no model is installed.
    """
    from memento.store import MemoryStore

    with MemoryStore(config=configured(db)) as store:
        found = store.index_status()
    if wants_json(json_):
        print_json(found._asdict())
    else:
        step = "in step with" if found.in_step else f"{counted(found.behind, 'embedding')} behind"
        say(f"backend   {found.backend}")
        say(f"file      {found.folder} ({found.bytes / 1e6:,.1f} MB)")
        say(
            f"vectors   {found.rows:,} of {counted(found.memories, 'memory')}, {found.dead:,} dead; "
            f"model {found.model or '-'}"
        )
        state = found.problem or f"{step} the database"
        say(f"state     {state}; generation {found.seq}.{found.deletions} of {found.epoch or '-'}")
    if found.problem:
        raise typer.Exit(FAILED)


@index.command()
def rebuild(db: Db = None) -> None:
    """Make the vector file anew from the database.

    Also the graph of a backend that has one.
    """
    from memento.store import MemoryStore

    config = configured(db)
    done = 0

    def progress(added: int) -> None:
        nonlocal done
        done += added
        if done % 10_000 < added:
            note(f"{done:,} vectors in the graph")

    with MemoryStore(config=config) as store:
        store.rebuild_index(progress)
        found = store.index_status()
    vectors = f"{counted(found.rows, 'vector')} of {counted(found.memories, 'memory')}"
    note(f"{vectors} in {found.folder}, backend {found.backend}")


@index.command()
def use(
    backend: Annotated[str, typer.Argument(metavar="BACKEND", help="auto, numpy, faiss, hnsw, sqlite-vec or native.")],
) -> None:
    """Choose the backend.

    Sets `recall.index` in config.yaml and leaves the rest of it as it is.
    """
    from memento.base.config_file import set_key
    from memento.search.index.backends import NAMES, accelerator_class, resolved

    if backend not in NAMES:
        raise UsageError(f"there is no backend {backend}: choose {', '.join(NAMES[:-1])} or {NAMES[-1]}")
    accelerator_class(resolved(backend, None), 1)
    path = configured(None).home / "config.yaml"
    set_key(path, "recall", "index", backend)
    told = "; the running sidecar takes it up" if tell_sidecar(configured(None).db_path) else ""
    graph = "; a graph grows while memories are embedded, `memento index rebuild` makes it at once"
    note(f"recall.index is {backend} in {path}{told}{graph if backend in ('faiss', 'hnsw') else ''}")
