"""How much of the machine one call of the model takes, in whichever engine."""

from __future__ import annotations

import os

from memento.embedding.model_files import Precision

BATCH_TEXTS: dict[Precision, int] = {"int8": 1, "fp32": 8}
"""Texts in a call. With int8 weights texts that share a call would share the scale of quantisation."""
BATCH_TOKENS = 512
"""Padding included. Larger batches are slower: a core is busy with far less, and padding is computed too."""


def default_threads() -> int:
    """Two at most: the model is small, and the sidecar is a guest on the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2, cores)
