"""What `bench/peers.py` compares: each keeps the turns of a conversation, and finds them again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from bench.datasets import Conversation, Turn
from bench.eval import fill

from memento.base.times import iso
from memento.config import load_config
from memento.embedding import Embedder
from memento.store import MemoryStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

K: Final = 5


class Peer(ABC):
    """One way to keep the turns of a conversation and to find them again."""

    package: ClassVar[str]
    note: ClassVar[str] = ""
    at: int | None = None
    """When the next question is asked, Unix milliseconds."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self.folder, self.embedder = folder, embedder

    @abstractmethod
    def fill(self, conversation: Conversation) -> None:
        """Take in every turn."""

    @abstractmethod
    def search(self, query: str) -> list[str]:
        """Return the ids of the K turns found, best first."""

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit vector per text, shape (texts, dimensions)."""
        import numpy as np

        return np.stack(self.embedder.embed_queries(texts))


class Memento(Peer):
    """MemoryStore.recall, as it is installed."""

    package = "memento-memory"

    def fill(self, conversation: Conversation) -> None:
        """Remember every turn."""
        self.store = MemoryStore(self.folder / "memory.db", config=load_config(), embedder=self.embedder)
        fill(self.store, conversation)

    def search(self, query: str) -> list[str]:
        """Recall."""
        return [str(one.memory.meta["turn"]) for one in self.store.recall(query, K, at=self.at)]


class Chroma(Peer):
    """A collection with an embedding function."""

    package = "chromadb"

    def fill(self, conversation: Conversation) -> None:
        """Add every turn."""
        import chromadb

        client = chromadb.PersistentClient(str(self.folder), chromadb.Settings(anonymized_telemetry=False))
        self.collection: Any = client.create_collection(
            "turns", embedding_function=chroma_function(self), metadata={"hnsw:space": "cosine"}
        )
        ids, texts = documents(conversation)
        self.collection.add(ids=ids, documents=texts)

    def search(self, query: str) -> list[str]:
        """Query by text."""
        found: list[str] = self.collection.query(query_texts=[query], n_results=K)["ids"][0]
        return found


class Lance(Peer):
    """A table searched by vector, exactly."""

    package = "lancedb"
    hybrid: ClassVar[bool] = False

    def fill(self, conversation: Conversation) -> None:
        """Make the table, and the full-text index where words count."""
        import lancedb

        ids, texts = documents(conversation)
        rows = zip(ids, texts, self.vectors(texts).tolist(), strict=True)
        database: Any = lancedb.connect(str(self.folder))
        self.table = database.create_table("turns", [{"id": a, "text": b, "vector": c} for a, b, c in rows])
        if self.hybrid:
            self.table.create_fts_index("text")

    def search(self, query: str) -> list[str]:
        """Search by cosine; by words too, fused by rank, where they count."""
        vector = self.vectors([query])[0]
        if self.hybrid:
            words = "".join(letter if letter.isalnum() else " " for letter in query)  # not its query language
            asked = self.table.search(query_type="hybrid").vector(vector).text(words)
        else:
            asked = self.table.search(vector)
        return [row["id"] for row in asked.distance_type("cosine").limit(K).to_list()]


class LanceHybrid(Lance):
    """Vectors and its full-text index, fused by its default reranker."""

    hybrid = True


class SqliteVec(Peer):
    """A vec0 table, exact."""

    package = "sqlite-vec"

    def fill(self, conversation: Conversation) -> None:
        """Insert every vector."""
        import apsw
        import sqlite_vec

        self.connection = apsw.Connection(str(self.folder / "vec.db"))
        self.connection.enable_load_extension(True)
        self.connection.load_extension(sqlite_vec.loadable_path())
        self.ids, texts = documents(conversation)
        vectors = self.vectors(texts)
        self.connection.execute(f"CREATE VIRTUAL TABLE turns USING vec0(vector float[{vectors.shape[1]}])")
        with self.connection:
            rows = ((number, vector.tobytes()) for number, vector in enumerate(vectors))
            self.connection.executemany("INSERT INTO turns(rowid, vector) VALUES (?, ?)", rows)

    def search(self, query: str) -> list[str]:
        """Ask for the nearest."""
        asked = (self.vectors([query])[0].tobytes(), K)
        nearest = "SELECT rowid FROM turns WHERE vector MATCH ? AND k = ? ORDER BY distance"
        return [self.ids[number] for (number,) in self.connection.execute(nearest, asked)]


class Txtai(Peer):
    """Embeddings with an external transform."""

    package = "txtai"
    hybrid: ClassVar[bool] = False

    def fill(self, conversation: Conversation) -> None:
        """Index every turn."""
        from txtai import Embeddings

        def transform(texts: Sequence[str]) -> NDArray[np.float32]:
            return self.vectors(texts)

        ids, texts = documents(conversation)
        settings = {"method": "external", "transform": transform, "content": False, "hybrid": self.hybrid}
        self.embeddings: Any = Embeddings(settings)
        self.embeddings.index(zip(ids, texts, strict=True))

    def search(self, query: str) -> list[str]:
        """Search."""
        return [identity for identity, _ in self.embeddings.search(query, K)]


class TxtaiHybrid(Txtai):
    """Vectors and its BM25, equally weighted: its default."""

    hybrid = True


class MemPalace(Peer):
    """`search_memories`: vectors from chromadb, ranked again with words."""

    package = "mempalace"

    def fill(self, conversation: Conversation) -> None:
        """File every turn as a drawer of one wing and of its session's room."""
        import mempalace.embedding
        from mempalace.palace import get_collection

        function = chroma_function(self)
        mempalace.embedding.get_embedding_function = lambda *_, **__: function
        drawers = get_collection(str(self.folder), create=True)
        ids, texts = documents(conversation)
        self.ids = dict(zip(texts, ids, strict=True))
        rooms = [{"wing": "bench", "room": turn.session, "source_file": turn.id} for turn in said(conversation)]
        drawers.upsert(ids=ids, documents=texts, metadatas=rooms)

    def search(self, query: str) -> list[str]:
        """Search as its tools do."""
        from mempalace.searcher import search_memories

        found = search_memories(query, str(self.folder), n_results=K)
        return [self.ids.get(hit["text"], "") for hit in found["results"]]


class Mem0(Peer):
    """`Memory.add(infer=False)` and `Memory.search`, over its local qdrant."""

    package = "mem0ai"
    note = "texts as they are: what its LLM would extract is left out"

    def fill(self, conversation: Conversation) -> None:
        """Add every turn."""
        import mem0

        store = {"provider": "qdrant", "config": {"path": str(self.folder / "q"), "embedding_model_dims": 384}}
        never_asked = {"provider": "openai", "config": {"api_key": "none"}}
        self.memory: Any = mem0.Memory.from_config(
            {"vector_store": store, "llm": never_asked, "embedder": never_asked, "history_db_path": ":memory:"}
        )
        self.memory.embedding_model = Mem0Embedder(self)
        for identity, text in zip(*documents(conversation), strict=True):
            message = {"role": "user", "content": text}
            self.memory.add([message], user_id="bench", metadata={"turn": identity}, infer=False)

    def search(self, query: str) -> list[str]:
        """Search without its threshold."""
        found = self.memory.search(query, top_k=K, filters={"user_id": "bench"}, threshold=0.0)
        return [hit["metadata"]["turn"] for hit in found["results"]]


class Mem0Embedder:
    """What mem0 takes for an embedding model."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        """Return one vector."""
        vector: list[float] = self._peer.vectors([text])[0].tolist()
        return vector

    def embed_batch(self, texts: Sequence[str], memory_action: str | None = None) -> list[list[float]]:
        """Return one vector per text."""
        vectors: list[list[float]] = self._peer.vectors(texts).tolist()
        return vectors


PEERS: Final[dict[str, type[Peer]]] = {
    "memento": Memento,
    "chromadb": Chroma,
    "lancedb": Lance,
    "lancedb hybrid": LanceHybrid,
    "sqlite-vec": SqliteVec,
    "txtai": Txtai,
    "txtai hybrid": TxtaiHybrid,
    "mempalace": MemPalace,
    "mem0": Mem0,
}


def chroma_function(peer: Peer) -> Any:
    """Return the peer's embedder as chromadb wants it."""
    from chromadb import EmbeddingFunction

    class Ours(EmbeddingFunction):  # type: ignore[misc]
        def __init__(self) -> None:
            pass

        def __call__(self, input: Any) -> Any:
            return list(peer.vectors(input))

        @staticmethod
        def name() -> str:
            return "default"

        def get_config(self) -> dict[str, Any]:
            return {}

    return Ours()


def said(conversation: Conversation) -> list[Turn]:
    """Return the turns that say anything."""
    return [turn for turn in conversation.turns if turn.text.strip()]


def documents(conversation: Conversation) -> tuple[list[str], list[str]]:
    """Return the ids of the turns, and their texts as those without fields for date and speaker get them."""
    turns = said(conversation)
    return [turn.id for turn in turns], [_written(turn) for turn in turns]


def _written(turn: Turn) -> str:
    return f"[{iso(turn.timestamp)[:10]}] {turn.speaker or turn.role}: {turn.text}"
