"""What all tests share: the real embedding model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from memento.embedding import ModelError, pull

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def model_dir() -> Path:
    """Return the folder of the installed model; pulled once, kept between runs."""
    folder = Path(os.environ.get("MEMENTO_MODEL_DIR") or REPOSITORY / ".model")
    try:
        return pull(folder).folder
    except ModelError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
