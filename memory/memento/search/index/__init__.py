"""Nearest vectors: which memories are closest to a query, and how close given ones are.

`vector_index` says what an index answers, over `rows` (in memory, or mapped by `vector_file`). `numpy_index` answers in
numpy, with an `accelerator` where another backend was asked for; `native_index` in the Rust engine, without numpy.
"""
