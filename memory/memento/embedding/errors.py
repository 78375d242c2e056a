"""The errors of the embedding model.

MementoError
└── ModelError        the model's files are damaged, unobtainable or not the model they should be
    └── ModelMissing  there is no model in the folder
"""

from __future__ import annotations

from pathlib import Path

from memento_policies import MementoError


class ModelError(MementoError):
    """The embedding model cannot be obtained, built or used."""


class ModelMissing(ModelError):
    """No embedding model is installed in the folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"no embedding model in {folder}: run `memento model pull`")
