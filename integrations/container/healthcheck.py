"""Exit with 0 when a sidecar of this version answers for the configured store, with 1 otherwise."""

from __future__ import annotations

import sys

from memento.config import load_config
from memento_ingest.server.client import kept

sys.exit(kept(load_config().db_path) is None)
