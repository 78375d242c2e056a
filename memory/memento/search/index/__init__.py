"""Nearest vectors: which memories are closest to a query, and how close given ones are."""

from __future__ import annotations

from memento.search.index.vector_index import VectorIndex

__all__ = ["VectorIndex"]
