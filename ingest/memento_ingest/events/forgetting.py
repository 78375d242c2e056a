"""The hooks' spool as forgetting knows it: whoever forgets hands it in, since the store does not know of ingestion."""

from __future__ import annotations

from memento.forgetting.spool import Spool
from memento.store import MemoryStore
from memento_ingest.events.spool import files, scrub


def spool_of(store: MemoryStore) -> Spool:
    """Return the spool beside a store."""
    return Spool(lambda: files(store.config.home), scrub)
