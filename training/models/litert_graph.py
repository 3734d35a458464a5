"""LiteRT graph: a file whose operators can be changed; weights as float16."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from counter.errors import BundleError

FILE_IDENTIFIER = b"TFL3"
# Codes above this one do not fit into the field that older readers look at.
LAST_OLD_CODE = 127
TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.float16): schema.TensorType.FLOAT16,
    np.dtype(np.int32): schema.TensorType.INT32,
}
_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}


class Graph:
    """The main graph of a LiteRT file; others of it are the bodies of its loops.

    ``content`` is the file, ``name`` what messages call it. Raises BundleError for another file.
    """

    def __init__(self, content: bytes, name: str) -> None:
        if content[4:8] != FILE_IDENTIFIER:
            raise BundleError(f"{name} is no LiteRT file.", "Check the file.")
        self.model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        self._graph = self.model.subgraphs[0]

    @property
    def operators(self) -> list[Any]:
        """The operators in the order in which they run."""
        found: list[Any] = self._graph.operators
        return found

    @property
    def input(self) -> int:
        """Index of the tensor that takes samples."""
        return int(self._graph.inputs[0])

    @property
    def output(self) -> int:
        """Index of the tensor that gives scores."""
        return int(self._graph.outputs[0])

    @output.setter
    def output(self, tensor: int) -> None:
        # Signatures name the output as well; readers take the subgraph's where there is none.
        self._graph.outputs, self.model.signatureDefs = [tensor], []

    def kind(self, operator: Any) -> str:
        """The name of what an operator does, as the schema has it."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        return _NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]

    def foreign(self, operator: Any) -> str:
        """The name of an operator that is none of LiteRT's own, else nothing."""
        code = self.model.operatorCodes[operator.opcodeIndex].customCode
        return code.decode() if code else ""

    def tensor(self, index: int) -> Any:
        """A tensor's record."""
        return self._graph.tensors[index]

    def has_integers(self) -> bool:
        """Whether any tensor is quantised to 8 bit."""
        return any(one.type == schema.TensorType.INT8 for one in self._tensors())

    def values(self, index: int) -> NDArray[np.float32] | None:
        """The numbers of a float32 constant; ``None`` of another tensor."""
        tensor = self.tensor(index)
        data = self.model.buffers[tensor.buffer].data
        if tensor.type != schema.TensorType.FLOAT32 or data is None or not len(data):
            return None
        return np.frombuffer(bytes(bytearray(data)), dtype=np.float32)

    def constant(self, values: NDArray[Any], name: str) -> int:
        """Add a constant; its index."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), dtype=np.uint8)
        self.model.buffers.append(buffer)
        index = self._new_tensor(values.shape, TYPES[values.dtype], name)
        self.tensor(index).buffer = len(self.model.buffers) - 1
        return index

    def forget(self, index: int) -> None:
        """Drop the numbers of a constant that no operator needs any more."""
        tensor = self.tensor(index)
        buffer, tensor.buffer = tensor.buffer, 0
        if all(one.buffer != buffer for one in self._tensors()):
            self.model.buffers[buffer].data = None

    def put(
        self,
        kind: str,
        inputs: Sequence[int],
        *,
        shape: Sequence[int],
        options: Any = None,
        at: int | None = None,
    ) -> int:
        """Put in an operator with one float32 output, at the end or in a place; the output's index.

        ``kind`` is as the schema names it, such as ``ADD``, ``inputs`` are indices of tensors,
        ``shape`` is the output's, ``options`` the schema's record.
        """
        output = self._new_tensor(shape, schema.TensorType.FLOAT32, f"{kind}_{len(self.operators)}")
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(kind)
        operator.inputs, operator.outputs = list(inputs), [output]
        if options is not None:
            operator.builtinOptions = options
            record = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, record)
        self.operators.insert(len(self.operators) if at is None else at, operator)
        return output

    def find(self, name: str) -> int | None:
        """Index of the tensor of that name, ``None`` where there is none."""
        names = [one.name.decode() if one.name else "" for one in self._graph.tensors]
        return names.index(name) if name in names else None

    def fix_input(self, shape: Sequence[int]) -> None:
        """Make the input of one shape for good."""
        samples = self.tensor(self.input)
        samples.shape, samples.shapeSignature = list(shape), None

    def cut(self, tensor: int) -> None:
        """Make a tensor the output, and leave out what comes after it."""
        needed, kept = {tensor}, []
        for one in reversed(self.operators):
            if needed & {int(index) for index in one.outputs}:
                needed |= {int(index) for index in one.inputs}
                kept.append(one)
        self._graph.operators = kept[::-1]
        self.output = tensor

    def follow(self, other: Graph) -> None:
        """Put all of another graph behind this one: what this gives, the other takes."""
        model, own = self.model, self._graph
        buffers, codes, tensors = len(model.buffers), len(model.operatorCodes), len(own.tensors)

        def moved(index: int) -> int:
            return index if index < 0 else index + tensors

        joint = {moved(other.input): self.output}
        model.buffers += other.model.buffers
        model.operatorCodes += other.model.operatorCodes
        for tensor in other._graph.tensors:
            tensor.buffer += buffers
        own.tensors += other._graph.tensors
        for one in other.operators:
            one.opcodeIndex += codes
            inputs = [moved(int(index)) for index in one.inputs]
            one.inputs = [joint.get(index, index) for index in inputs]
            one.outputs = [moved(int(index)) for index in one.outputs]
        own.operators += other.operators
        self.output = moved(other.output)

    def content(self) -> bytes:
        """The file."""
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), file_identifier=FILE_IDENTIFIER)
        return bytes(builder.Output())

    def _tensors(self) -> list[Any]:
        return [one for graph in self.model.subgraphs for one in graph.tensors]

    def _new_tensor(self, shape: Sequence[int], kind: int, name: str) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.name = list(shape), kind, f"callcount/{name}"
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _code(self, kind: str) -> int:
        wanted = getattr(schema.BuiltinOperator, kind)
        # float16 needs the third version of DEQUANTIZE, all else that is put in the first.
        version = 3 if kind == "DEQUANTIZE" else 1
        for index, code in enumerate(self.model.operatorCodes):
            if max(code.builtinCode, code.deprecatedBuiltinCode) == wanted:
                code.version = max(code.version, version)
                return index
        code = schema.OperatorCodeT()
        code.builtinCode, code.version = wanted, version
        code.deprecatedBuiltinCode = min(wanted, LAST_OLD_CODE)
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1


# Operators whose second input is weights: nearly all of a model's size.
WEIGHED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL"}
# Operators that make a spectrum; what stands before the last of them is the front end.
OF_SPECTRA = {"SQUARE", "SQRT", "LOG"}
# Beyond this a number is infinite in half precision.
LARGEST = 65504.0


def to_float16(content: bytes, name: str) -> bytes:
    """The file with its network's weights in half the room.

    Raises
    ------
    BundleError
        It is no LiteRT file, or has no float32 weights to make float16.
    """
    graph = Graph(content, name)
    kinds = [graph.kind(one) for one in graph.operators]
    first = max((n + 1 for n, kind in enumerate(kinds) if kind in OF_SPECTRA), default=0)
    network = zip(kinds[first:], graph.operators[first:], strict=True)
    weights = [int(one.inputs[1]) for kind, one in network if kind in WEIGHED]
    wide: dict[int, int] = {}
    for tensor in dict.fromkeys(weights):
        values = graph.values(tensor)
        if values is not None and np.abs(values).max() <= LARGEST:
            shape = tuple(int(n) for n in graph.tensor(tensor).shape)
            half = graph.constant(values.reshape(shape).astype(np.float16), f"half_{tensor}")
            wide[tensor] = graph.put("DEQUANTIZE", [half], shape=shape, at=len(wide))
            graph.forget(tensor)
    if not wide:
        raise BundleError(f"{name} has no float32 weights to make float16.")
    for one in graph.operators[len(wide) :]:
        one.inputs = [wide.get(int(index), int(index)) for index in one.inputs]
    return graph.content()
