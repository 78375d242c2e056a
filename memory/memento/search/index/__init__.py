"""Nearest vectors: which memories are closest to a query, and how close given ones are.

`vector_index` is the interface, over `rows` (in memory, or mapped by `vector_file`). `numpy_index` implements it in
numpy, with an accelerator for other backends; `native_index` in the Rust engine, without numpy.
"""
