"""`config`: the settings in force and where each comes from."""

from __future__ import annotations

import typer

from memento_app.cli.output import AsJson, Db, configured, print_json, say, wants_json


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(config)


def config(db: Db = None, json_: AsJson = None) -> None:
    """Print every setting's value and where it was set.

    That is a flag, the environment, config.yaml or the default.
    """
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
