"""Adapter for an exported ONNX model: gives it the inputs and the output that Memento's engines use.

Exports differ in the width of their integers, in whether they take segments, and in their output: token vectors
(optimum) or sentence vectors (sentence-transformers).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from memento.embedding.graph import interface
from memento.embedding.graph_parts import GraphParts
from memento.embedding.model_files import Pooling
from memento.errors import ModelError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

_INSIDE: Final = "exported/"
_SENTENCE: Final = ("sentence_embedding", "embedding", "text_embeds")
_TOKENS: Final = ("last_hidden_state", "token_embeddings")


def adapt(path: Path, pooling: Pooling) -> ModelProto:
    """Return the model in `path` with the interface of `graph.interface`; token vectors are pooled.

    Raises ModelError for a file that is not an ONNX model, and for unknown inputs and outputs.
    """
    import onnx
    from onnx import compose, helper

    try:
        model = compose.add_prefix(onnx.load(path), _INSIDE)
    except Exception as error:  # The library raises what its parser raises.
        raise ModelError(f"{path} cannot be read as an ONNX model ({error})") from error
    graph, parts = model.graph, GraphParts()
    _connect_inputs(graph, parts, path)
    before, parts.nodes = parts.nodes, []
    dimensions, tokens = _connect_output(graph, parts, pooling, path)
    inputs, outputs = interface(dimensions, tokens=tokens)
    nodes = [*before, *graph.node, *parts.nodes]
    body = helper.make_graph(nodes, graph.name, inputs, outputs, [*graph.initializer, *parts.initializers])
    body.sparse_initializer.extend(graph.sparse_initializer)
    adapted = helper.make_model(body, opset_imports=model.opset_import, ir_version=model.ir_version)
    adapted.functions.extend(model.functions)
    return adapted


def _connect_inputs(graph: GraphProto, parts: GraphParts, path: Path) -> None:
    """Connect the export's inputs: ours cast to its integer type, and segment 0 for every token."""
    import numpy as np

    held = {constant.name for constant in graph.initializer}
    for wanted in graph.input:
        name, number = wanted.name.removeprefix(_INSIDE), wanted.type.tensor_type.elem_type
        if wanted.name in held:
            continue
        if name in ("input_ids", "attention_mask"):
            parts.add("Cast", [name], wanted.name, to=number)
        elif name == "token_type_ids":
            zero = parts.constant("segment", np.zeros(1, np.int32))
            parts.add("Cast", [parts.add("Mul", ["input_ids", zero], "segments")], wanted.name, to=number)
        else:
            raise ModelError(f"{path} wants an input {name}: Memento knows input_ids, attention_mask, token_type_ids")


def _connect_output(graph: GraphProto, parts: GraphParts, pooling: Pooling, path: Path) -> tuple[int | str, bool]:
    """Connect the export's best output to ours; return its dimensions, or a name for them, and if it outputs tokens."""
    outputs: dict[str, Any] = {output.name.removeprefix(_INSIDE): output for output in graph.output}
    chosen = next((name for name in (*_SENTENCE, *_TOKENS) if name in outputs), next(iter(outputs)))
    shape = outputs[chosen].type.tensor_type.shape.dim
    if len(shape) == 2:
        parts.unit(outputs[chosen].name)
    elif len(shape) == 3:
        parts.pool(outputs[chosen].name, pooling)
        parts.show_tokens(outputs[chosen].name)
    else:
        raise ModelError(f"the output {chosen} of {path} has {len(shape)} axes: it is neither token nor text vectors")
    return shape[-1].dim_value or "dimensions", len(shape) == 3
