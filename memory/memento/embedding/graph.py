"""The ONNX graph of a BERT such as all-MiniLM-L6-v2: token ids in, one unit vector per row out, from the safetensors.

The nodes are ONNX Runtime's fused transformer operators (domain `com.microsoft`), which its graph optimiser would make
out of an exported graph: <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>. Pooling and
normalisation are part of the graph, so every engine that runs it returns the sentence embedding itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from memento.embedding.graph_parts import GraphParts
from memento.embedding.model_files import MODEL_NAME, Pooling
from memento.embedding.telemetry import disable_telemetry
from memento.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto, ValueInfoProto

    Weights = dict[str, NDArray[np.float32]]

WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"
SEGMENT_0 = "embeddings.segment_0"
LAYERS = 6
HEADS = 12
LAYER_NORM_EPSILON = 1e-12
FUSED = "com.microsoft"
OPSET = 17
_NUMBERS = {"F32": "<f4", "F16": "<f2"}


class Architecture(NamedTuple):
    """The parameters of a BERT encoder that its weights do not state."""

    layers: int = LAYERS
    heads: int = HEADS
    epsilon: float = LAYER_NORM_EPSILON


MINILM = Architecture()


def read_safetensors(path: Path) -> Weights:
    """Return a safetensors file's float32 and float16 tensors as float32: u64 header length, JSON header, raw data.

    The format is that of the safetensors library. Tensors of other types (position ids) are left out. Raises
    ModelError.
    """
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    try:
        header: dict[str, Any] = json.loads(data[8:start])
        tensors = {name: entry for name, entry in header.items() if entry.get("dtype") in _NUMBERS}
        return {
            name: _tensor(data[start + begin : start + end], _NUMBERS[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in tensors.items()
            for begin, end in [entry["data_offsets"]]
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path} is not a safetensors file ({error}): remove it and run `memento model pull`"
        ) from error


def _tensor(data: bytes, number: str) -> NDArray[np.float32]:
    import numpy as np

    return np.frombuffer(data, number).astype(np.float32)


def build_graph(weights: Weights, architecture: Architecture = MINILM, pooling: Pooling = "mean") -> ModelProto:
    """Return the fp32 model.

    Inputs `input_ids` and `attention_mask`, int32, (batch, tokens). Outputs, float32, `embedding` (batch, dimensions)
    and `tokens` (batch, tokens, dimensions), the last layer's before pooling. Raises ModelError when a tensor of the
    architecture is missing.
    """
    from onnx import helper

    try:
        graph = _Builder(weights, architecture)
        hidden = graph.embeddings()
        for layer in range(architecture.layers):
            hidden = graph.encoder_layer(hidden, f"encoder.layer.{layer}")
        graph.pool(hidden, pooling)
        graph.show_tokens(hidden)
    except KeyError as error:
        raise ModelError(f"the weights have no tensor {error}: this is not the BERT they are said to be") from error
    inputs, outputs = interface(weights[WORD_EMBEDDINGS].shape[1])
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, 1)]
    body = helper.make_graph(graph.nodes, MODEL_NAME, inputs, outputs, graph.initializers)
    model = helper.make_model(body, opset_imports=opsets, ir_version=8, producer_name="memento")
    # The graph is already what onnxruntime's preprocessing would make of it; without the mark its quantiser warns.
    helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    return model


def interface(dimensions: int | str, *, tokens: bool = True) -> tuple[list[ValueInfoProto], list[ValueInfoProto]]:
    """Return the inputs and outputs of a graph for an engine; some exports have no `tokens` output."""
    from onnx import TensorProto, helper

    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT32, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", dimensions])]
    if tokens:
        shape = ["batch", "tokens", dimensions]
        outputs.append(helper.make_tensor_value_info(GraphParts.TOKENS, TensorProto.FLOAT, shape))
    return inputs, outputs


def unpack_weights(model: ModelProto) -> Weights:
    """Return the tensors that `build_graph` put into `model`, as the safetensors named and shaped them.

    The pooler and the embedding of segment 1, which the graph does not need, are missing.
    """
    import numpy as np
    from onnx import numpy_helper

    weights: Weights = {}
    for initializer in model.graph.initializer:
        name, value = initializer.name, numpy_helper.to_array(initializer)
        module, _, kind = name.rpartition(".")
        if kind in {"packed_weight", "packed_bias"}:
            for part, piece in zip(("query", "key", "value"), np.split(value, 3, axis=-1), strict=True):
                weights[f"{module}.{part}.{kind.removeprefix('packed_')}"] = piece.T
        elif kind == "weight_transposed":
            weights[f"{module}.weight"] = value.T
        elif name == SEGMENT_0:
            weights["embeddings.token_type_embeddings.weight"] = value[np.newaxis]
        elif kind in {"weight", "bias"}:
            weights[name] = value
    return {name: np.ascontiguousarray(value) for name, value in weights.items()}


class _Builder(GraphParts):
    """Builds a BERT's nodes and initialisers; a tensor keeps its safetensors name unless it is transposed or packed."""

    def __init__(self, weights: Weights, architecture: Architecture) -> None:
        super().__init__()
        self.weights = weights
        self.architecture = architecture

    def embeddings(self) -> str:
        """Token + position + segment embeddings, normalised; the whole text is segment 0, so its row is a bias."""
        import numpy as np

        words = self.add("Gather", [self._weight(WORD_EMBEDDINGS), "input_ids"], "words")
        length = self.add("Shape", ["input_ids"], "token_count", start=1, end=2)
        first, axis = (
            self.constant("zero", np.zeros(1, np.int64)),
            self.constant("position_axis", np.zeros(1, np.int64)),
        )
        table = self._weight("embeddings.position_embeddings.weight")
        positions = self.add("Slice", [table, first, length, axis], "positions")
        segment = self.constant(SEGMENT_0, self.weights["embeddings.token_type_embeddings.weight"][0])
        return self._add_and_normalise([words, positions], "embeddings", segment)

    def encoder_layer(self, hidden: str, name: str) -> str:
        """Post-norm transformer block: attention, add and normalise, GELU feed-forward, add and normalise."""
        weight, bias = self._packed_attention(f"{name}.attention.self")
        inputs = [hidden, weight, bias, "attention_mask"]
        context = self._fused("Attention", inputs, f"{name}.context", num_heads=self.architecture.heads)
        attended = self._matmul(context, f"{name}.attention.output.dense")
        bias = self._weight(f"{name}.attention.output.dense.bias")
        hidden = self._add_and_normalise([attended, hidden], f"{name}.attention.output", bias)
        raised = self._matmul(hidden, f"{name}.intermediate.dense")
        active = self._fused("BiasGelu", [raised, self._weight(f"{name}.intermediate.dense.bias")], f"{name}.gelu")
        lowered = self._matmul(active, f"{name}.output.dense")
        return self._add_and_normalise([lowered, hidden], f"{name}.output", self._weight(f"{name}.output.dense.bias"))

    def _packed_attention(self, name: str) -> tuple[str, str]:
        """Return the weight (384 x 1152) and the bias (1152) of query, key and value side by side."""
        import numpy as np

        parts = [f"{name}.{part}" for part in ("query", "key", "value")]
        weight = np.concatenate([self.weights[f"{part}.weight"].T for part in parts], axis=1)
        bias = np.concatenate([self.weights[f"{part}.bias"] for part in parts])
        return self.constant(f"{name}.packed_weight", weight), self.constant(f"{name}.packed_bias", bias)

    def _add_and_normalise(self, terms: list[str], name: str, bias: str) -> str:
        """Add and normalise in single steps: ONNX Runtime's fused operator sums one number at a time on a CPU."""
        total = self.add("Add", [self.add("Add", terms, f"{name}.sum"), bias], f"{name}.biased")
        norm = [self._weight(f"{name}.LayerNorm.weight"), self._weight(f"{name}.LayerNorm.bias")]
        return self.add(
            "LayerNormalization", [total, *norm], f"{name}.normalised", axis=-1, epsilon=self.architecture.epsilon
        )

    def _matmul(self, hidden: str, name: str) -> str:
        weight = self.constant(f"{name}.weight_transposed", self.weights[f"{name}.weight"].T)
        return self.add("MatMul", [hidden, weight], f"{name}.product")

    def _weight(self, name: str) -> str:
        return self.constant(name, self.weights[name])

    def _fused(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        return self.add(operator, inputs, output, domain=FUSED, **attributes)


KEPT_IN_FP32 = ["encoder.layer.0.output.dense.product", "token_sum"]
"""The product whose activations have the widest range (leaving it out takes away a fifth of the whole error, mean
cosine 0.9909 -> 0.9927, for 1.8 MB), and the pooling, which has no weights."""


def quantize(fp32: Path, int8: Path) -> None:
    """Write the int8 model of `fp32` to `int8` (25 MB for 90 MB)."""
    from onnx import TensorProto

    disable_telemetry()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        fp32,
        int8,
        op_types_to_quantize=["MatMul", "Attention", "Gather"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=KEPT_IN_FP32,
        # The fused operators' outputs have no type that ONNX's shape inference knows.
        extra_options={"DefaultTensorType": TensorProto.FLOAT},
    )
