"""The command line. `app.py` lists the commands; `memento hook` is dispatched before any of that is imported.

An agent waits for its hooks, and importing the command line takes several times as long as a hook's whole work.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with its code; of a hook always 0."""
    if sys.argv[1:2] == ["hook"] and sys.argv[2:3] not in (["--help"], ["-h"]):
        try:
            from memento_ingest.hooks.entry import run

            run(sys.argv[2:])
        finally:  # whatever was raised: a hook that fails must not disturb its agent
            os._exit(0)
    from memento.cli.app import app

    app()
