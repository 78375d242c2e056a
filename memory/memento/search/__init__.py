"""Finding memories: by meaning (vector index), by words (FTS5), and the two fused."""
