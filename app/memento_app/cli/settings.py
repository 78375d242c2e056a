"""`config`: the settings in force, where each comes from, and changing one; `completion`: what a shell sources."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from memento.config import load_config
from memento.errors import ConfigError, UsageError
from memento_app.cli import COMPLETE
from memento_app.cli.group import Group
from memento_app.cli.options import Argument, as_typer
from memento_app.cli.output import AsJson, Db, configured, note, print_json, say, wants_json

SHELLS: Final = ("bash", "zsh", "fish", "powershell")

config = Group(
    help="Print every setting's value and where it was set; or set one.",
    invoke_without_command=True,
    subcommand_metavar="[COMMAND]",
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(config, name="config")
    app.command()(completion)


@config.callback()
@as_typer
def show(context: typer.Context, db: Db = None, json_: AsJson = None) -> None:
    """Print every setting's value and where it was set.

    That is a flag, the environment, config.yaml or the default. `memento config set KEY VALUE` changes one.
    """
    if context.invoked_subcommand is not None:
        return
    settings = configured(db)
    places = {"storage.db_path": str(settings.db_path), "embedding.model_dir": str(settings.model_dir)}
    effective = [(key, places.get(key, value), origin) for key, value, origin in settings.effective()]
    if wants_json(json_):
        print_json({key: {"value": value, "from": origin} for key, value, origin in effective})
        return
    width = max(len(key) for key, _, _ in effective)
    for key, value, origin in effective:
        say(f"{key:<{width}}  {'-' if value in ('', None, []) else value}  ({origin})")
    say("")
    say(f"folder {settings.home}")


@config.command("set")
@as_typer
def set_(
    key: Annotated[str, Argument(metavar="KEY", help="A setting, as `memento config` lists it.")],
    value: Annotated[str, Argument(metavar="VALUE", help="Its new value.")],
) -> None:
    """Change one setting in the file of settings.

    Comments, order and spacing stay. A value that the setting does not take is refused, and the file stays as it was.
    """
    from memento.base import durable
    from memento.base.config_file import set_key
    from memento_app.cli.sidecar import tell_sidecar

    before = configured(None)
    known = [name for name, _, _ in before.effective()]
    if key not in known:
        raise UsageError(f"there is no setting {key}: `memento config` lists them")
    section, _, name = key.rpartition(".")
    if not section:
        raise UsageError(f"{key} stands outside of the sections: set it in {before.home / 'config.yaml'} by hand")
    path = before.home / "config.yaml"
    old = path.read_bytes() if path.exists() else None
    set_key(path, section, name, value)
    try:
        after = load_config()
    except ConfigError:
        durable.replace(path.resolve(), old) if old is not None else path.unlink()
        raise
    note(f"{key} is {value} in {path}")
    if after.origins.get(key, "").startswith("$"):
        note(f"{after.origins[key]} is set and wins")
    if tell_sidecar(after.db_path):
        note("the sidecar reads it now")


@as_typer
def completion(
    shell: Annotated[str, Argument(metavar="SHELL", help="bash, zsh, fish or powershell.")],
) -> None:
    """Print a shell's completion script.

    In ~/.bashrc or ~/.zshrc: `eval "$(memento completion bash)"`. fish: `memento completion fish | source`.
    PowerShell: `memento completion powershell | Out-String | Invoke-Expression`.
    """
    if shell not in SHELLS:
        raise UsageError(f"no completion is known for {shell}: SHELL is one of {', '.join(SHELLS)}")
    from typer import completion as of_typer

    script = of_typer.get_completion_script(prog_name="memento", complete_var=COMPLETE, shell=shell)  # type: ignore[attr-defined]
    typer.echo(script)
