"""Embedding: the model's files, and the engines that run it.

Importing this package loads neither numpy nor onnxruntime; loading an embedder does. `published_model`
downloads the model.
"""

from memento.embedding.engine import Embedded, Embedder
from memento.embedding.loader import load_embedder
from memento.embedding.model_files import ModelFiles, find_model, installed
from memento.errors import ModelError, ModelMissing

__all__ = [
    "Embedded", "Embedder", "ModelError", "ModelFiles", "ModelMissing", "find_model", "installed", "load_embedder",
]  # fmt: skip
