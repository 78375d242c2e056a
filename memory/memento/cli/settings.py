"""`config`: the settings in force and where each comes from."""

from __future__ import annotations

import typer

from memento.cli.output import AsJson, Db, configured, print_json, wants_json


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(config)


def config(db: Db = None, json_: AsJson = None) -> None:
    """Print every setting's value and where it was set: flag, environment, config.yaml or default."""
    settings = configured(db)
    effective = list(settings.effective())
    if wants_json(json_):
        print_json({key: {"value": value, "from": origin} for key, value, origin in effective})
        return
    width = max(len(key) for key, _, _ in effective)
    for key, value, origin in effective:
        typer.echo(f"{key:<{width}}  {'-' if value == '' else value}  ({origin})")
    typer.echo(f"\nfolder {settings.home}, store {settings.db_path}, model {settings.model_dir}")
