"""The embedding models of a store: the one that answers queries, and the one that will follow it."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from memento.config import Config
from memento.embedding import Embedder, find_model, load_embedder
from memento.errors import ModelMissing
from memento.storage import next_model
from memento.storage.database import Database


class ActiveModels(NamedTuple):
    """The models of a store at one moment, by their stamps."""

    answering: str
    """The model whose vectors are searched; empty if no model is installed."""
    following: str = ""
    """The configured model, while its vectors are incomplete."""


class Models:
    """The embedders of one store. Safe for use from several threads.

    The configured model answers at once if the rows hold no vector of another model, or if that model's folder is gone.
    Otherwise the other model answers until the configured one has embedded everything.
    """

    def __init__(self, database: Database, config: Config, embedder: Embedder | None) -> None:
        self._database = database
        self._config = config
        self._given = embedder
        self._loaded: dict[str, Embedder] = {}
        self._folders: dict[str, Path] = {}
        self._answered = False
        self._lock = threading.Lock()

    def active(self) -> ActiveModels:
        """Return which model answers now, and which follows."""
        own = self._configured()
        if not own:
            return ActiveModels("")
        with self._database.read() as connection:
            held = next_model.stored_models(connection, own)
            if held.own or not held.other:
                self._answered = self._answered or held.own
                return ActiveModels(own)
            known = self._folders.get(held.other)
            folder = str(known) if known else next_model.read_folder(connection, held.other)
        if not self._holds(folder, held.other):
            return ActiveModels(own)
        if self._answered:  # another process has switched: follow it instead of switching back
            return ActiveModels(held.other)
        return ActiveModels(held.other, own)

    def embedder(self, model: str) -> Embedder:
        """Return the embedder of a stamp, loaded on first use. Raises ModelMissing or ModelError."""
        if self._given is not None and model == self._given.model:
            return self._given
        with self._lock:
            if model not in self._loaded:
                self._loaded[model] = self._load(self._folders.get(model, self._config.model_dir))
            return self._loaded[model]

    def folder(self, model: str) -> str:
        """Return the folder a stamp is loaded from; empty for an embedder that the caller gave."""
        return str(self._folders[model].absolute()) if model in self._folders else ""

    def use_config(self, config: Config) -> None:
        """Let the model of these settings follow, if it is another one."""
        with self._lock:
            self._config, self._answered = config, False

    def release(self) -> None:
        """Unload the models; an embedder that the caller gave stays."""
        with self._lock:
            self._loaded.clear()

    def warm(self) -> threading.Thread:
        """Load the answering model in a new thread, and embed a word with it; return the thread.

        The process does not end before the thread does.
        """

        def load() -> None:
            with suppress(Exception):  # the query that needs the model reports the error
                self.embedder(self.active().answering).embed_query("ready")

        # Not a daemon: ONNX Runtime aborts a process that ends while it loads.
        thread = threading.Thread(target=load, name="memento-model")
        thread.start()
        return thread

    def _configured(self) -> str:
        """Return the stamp of the configured model, known without loading it; empty when none is installed."""
        if self._given is not None:
            return self._given.model
        files = find_model(self._config.model_dir)
        if files is None:
            return ""
        self._folders[files.model] = files.folder
        return files.model

    def _holds(self, folder: str, model: str) -> bool:
        """Tell whether a folder holds this model, and remember the folder."""
        files = find_model(Path(folder)) if folder else None
        if files is None or files.model != model:
            self._folders.pop(model, None)
            return False
        self._folders[model] = files.folder
        return True

    def _load(self, folder: Path) -> Embedder:
        settings = self._config.settings.embedding
        files = find_model(folder)
        if files is None:
            raise ModelMissing(folder)
        return load_embedder(
            folder,
            precision=settings.precision,
            threads=settings.threads,
            torch=not settings.use_onnx,
            rust=self._config.settings.rust,
        )
