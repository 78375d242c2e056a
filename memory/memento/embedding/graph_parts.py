"""Collected nodes and constants of an ONNX graph, and the end of every graph: pooling and unit length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from memento.embedding.model_files import Pooling

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import NodeProto, TensorProto

_FAR_BELOW: Final = 1e4
"""Subtracted from padding before the maximum is taken."""


class GraphParts:
    """Collects nodes and initialisers of the domain ONNX; all of them mean the same from opset 10 on."""

    TOKENS: Final = "tokens"

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add an initialiser and return its name."""
        import numpy as np
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def pool(self, hidden: str, pooling: Pooling) -> None:
        """Make one vector of each row's tokens (batch, tokens, dimensions), as sentence-transformers does."""
        import numpy as np

        if pooling == "cls":
            first = self.constant("first", np.zeros(1, np.int64))
            pooled = self.add("Gather", [hidden, first], "first_token", axis=1)
        elif pooling == "max":
            pooled = self._largest(hidden)
        else:  # the length is set to 1 in the end, so the sum will do for the mean
            pooled = self.add("MatMul", [self._mask([0, 1, -1]), hidden], "token_sum")
        self.unit(self.add("Reshape", [pooled, self.constant("flat", np.array([0, -1], np.int64))], "text"))

    def show_tokens(self, hidden: str) -> None:
        """Add an output for the token vectors, which late interaction compares (token_codes.py)."""
        self.add("Identity", [hidden], self.TOKENS)

    def unit(self, vectors: str) -> None:
        """End the graph: vectors (batch, dimensions) of unit length."""
        self.add("LpNormalization", [vectors], "embedding", axis=-1, p=2)

    def _mask(self, shape: list[int]) -> str:
        import numpy as np
        from onnx import TensorProto

        mask = self.add("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
        return self.add("Reshape", [mask, self.constant("mask_shape", np.array(shape, np.int64))], "mask_row")

    def _largest(self, hidden: str) -> str:
        import numpy as np
        from onnx import helper

        one = self.constant("one", np.ones(1, np.float32))
        depth = self.constant("depth", np.full(1, _FAR_BELOW, np.float32))
        absent = self.add("Sub", [self._mask([0, -1, 1]), one], "absent")
        lowered = self.add("Add", [hidden, self.add("Mul", [absent, depth], "below")], "present")
        count = self.constant("how_many", np.ones(1, np.int64))
        self.nodes.append(helper.make_node("TopK", [lowered, count], ["largest", "largest_at"], axis=1))
        return "largest"
