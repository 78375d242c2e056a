"""Nearest vectors: which memories are closest to a query, and how close given ones are.

`vector_index` answers, over `rows` (in memory, or mapped by `vector_file`), through the `directory` of whose rows lie
where, and an `accelerator` where a backend other than numpy was asked for.
"""
