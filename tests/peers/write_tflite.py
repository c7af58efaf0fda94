"""A network of `generate.py` as an int8 .tflite with the integers and scales of its quantized ONNX form."""

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as tfl
from onnx import numpy_helper

BUILTIN = tfl.BuiltinOperator
OPTIONS = tfl.BuiltinOptions
ACTIVATIONS = {None: 0, "Relu": 1, "Clip": 3}
SIGMOID = ([1 / 256], [-128])


class Writer:
    """Tensors are channels-last; what comes straight behind a product or a sum is part of it."""

    def __init__(self, net, quantized):
        model = onnx.load(quantized)
        self.net = net
        self.constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
        self.scales = {}
        for node in model.graph.node:
            if node.op_type == "QuantizeLinear":
                scale, zero = (self.constants[name] for name in node.input[1:3])
                name = node.input[0].removesuffix("_QuantizeLinear_Input")
                self.scales[name] = ([float(scale)], [int(zero) - 128])
        self.file = tfl.ModelT()
        self.file.version, self.file.operatorCodes, self.file.description = 3, [], b""
        self.file.buffers = [tfl.BufferT()]
        self.graph = tfl.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.index = {}

    def tensor(self, name, shape, scales, kind=tfl.TensorType.INT8, axis=0, data=None):
        tensor = tfl.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name.encode(), list(shape), kind, 0
        if scales:
            tensor.quantization = tfl.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = scales
            tensor.quantization.quantizedDimension = axis
        if data is not None:
            buffer = tfl.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            tensor.buffer = len(self.file.buffers)
            self.file.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        self.index[name] = len(self.graph.tensors) - 1
        return self.index[name]

    def value(self, name, scales=None):
        """A tensor that a node makes."""
        shape = self.net.shapes[name]
        shape = (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape
        return self.tensor(name, shape, scales or self.scales[name])

    def integers(self, name, values):
        return self.tensor(name, values.shape, None, tfl.TensorType.INT32, 0, values.astype(np.int32))

    def operator(self, code, inputs, output, options=None, **fields):
        codes = [c.builtinCode for c in self.file.operatorCodes]
        if code not in codes:
            entry = tfl.OperatorCodeT()
            entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), 3
            self.file.operatorCodes.append(entry)
            codes.append(code)
        operator = tfl.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = codes.index(code), inputs, [output]
        if options:
            operator.builtinOptions = getattr(tfl, f"{options}T")()
            operator.builtinOptionsType = getattr(OPTIONS, options)
            for field, value in fields.items():
                setattr(operator.builtinOptions, field, value)
        self.graph.operators.append(operator)

    def product(self, inputs, order, scale_axis):
        """Weights and bias, in the order of the format."""
        x, w, b = inputs
        weights = self.constants[f"{w}_quantized"].transpose(order)
        scales = [float(s) for s in self.constants[f"{w}_scale"].reshape(-1)]
        x_scale = self.graph.tensors[self.index[x]].quantization.scale[0]
        bias = self.constants[f"{b}_quantized"].reshape(-1)
        pair = (scales, [0] * len(scales))
        first = self.tensor(w, weights.shape, pair, axis=scale_axis, data=weights.astype(np.int8))
        pair = ([x_scale * s for s in scales], [0] * len(scales))
        return [self.index[x], first, self.tensor(b, bias.shape, pair, tfl.TensorType.INT32, 0, bias)]

    def node(self, op, inputs, name, attributes, act):
        fused = {"fusedActivationFunction": ACTIVATIONS[act]}
        if op == "Conv":
            (sh, sw), depthwise = attributes["strides"], attributes["group"] > 1
            steps = {"strideH": sh, "strideW": sw, "padding": tfl.Padding.SAME, **fused}
            if depthwise:
                given = self.product(inputs, (1, 2, 3, 0), 3)
                code, options, steps["depthMultiplier"] = BUILTIN.DEPTHWISE_CONV_2D, "DepthwiseConv2DOptions", 1
            else:
                given = self.product(inputs, (0, 2, 3, 1), 0)
                code, options = BUILTIN.CONV_2D, "Conv2DOptions"
            self.operator(code, given, self.value(name), options, dilationHFactor=1, dilationWFactor=1, **steps)
        elif op == "Gemm":
            given = self.product(inputs, (0, 1), 0)
            self.operator(BUILTIN.FULLY_CONNECTED, given, self.value(name), "FullyConnectedOptions", **fused)
        elif op in ("Add", "Mul"):
            given = [self.index[x] for x in inputs]
            self.operator(getattr(BUILTIN, op.upper()), given, self.value(name), f"{op}Options", **fused)
        elif op == "Sigmoid":
            self.operator(BUILTIN.LOGISTIC, [self.index[inputs[0]]], self.value(name, SIGMOID))
        elif op == "GlobalAveragePool":
            axes, (n, c, *_) = self.integers(f"{name}.axes", np.array([1, 2])), self.net.shapes[name]
            made = self.tensor(name, (n, c), self.scales[name])
            self.operator(BUILTIN.MEAN, [self.index[inputs[0]], axes], made, "ReducerOptions", keepDims=False)
        elif op == "Flatten":
            self.index[name] = self.index[inputs[0]]
        elif op == "MaxPool":
            (kh, kw), (sh, sw) = attributes["kernel_shape"], attributes["strides"]
            steps = {"filterHeight": kh, "filterWidth": kw, "strideH": sh, "strideW": sw}
            made = self.value(name, self.same(inputs[0]))
            self.operator(BUILTIN.MAX_POOL_2D, [self.index[inputs[0]]], made, "Pool2DOptions", padding=0, **steps)
        elif op == "Resize":
            size = self.integers(f"{name}.size", np.array(self.net.shapes[name][2:]))
            made = self.value(name, self.same(inputs[0]))
            given = [self.index[inputs[0]], size]
            self.operator(BUILTIN.RESIZE_NEAREST_NEIGHBOR, given, made, "ResizeNearestNeighborOptions")
        elif op == "Concat":
            given = [self.requantized(x, name) for x in inputs]
            self.operator(BUILTIN.CONCATENATION, given, self.value(name), "ConcatenationOptions", axis=3)
        else:
            raise ValueError(op)

    def same(self, x):
        held = self.graph.tensors[self.index[x]].quantization
        return held.scale, held.zeroPoint

    def requantized(self, x, target):
        """The format wants the parts of a concatenation in its scale."""
        if self.same(x) == self.scales[target]:
            return self.index[x]
        before, shape = self.index[x], self.graph.tensors[self.index[x]].shape
        made = self.tensor(f"{x}.{target}", shape, self.scales[target])
        self.operator(BUILTIN.QUANTIZE, [before], made, "QuantizeOptions")
        return made

    def finish(self):
        nodes = self.net.nodes
        self.graph.inputs = [self.value("x")]
        at = 0
        while at < len(nodes):
            op, inputs, name, attributes = nodes[at]
            act = None
            if at + 1 < len(nodes) and nodes[at + 1][0] in ("Relu", "Clip") and nodes[at + 1][1] == [name]:
                at += 1
                act, name = nodes[at][0], nodes[at][2]
            self.node(op, inputs, name, attributes, act)
            at += 1
        self.graph.outputs = [self.index[y] for y in self.net.outputs]
        self.file.subgraphs = [self.graph]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.file.Pack(builder), b"TFL3")
        return bytes(builder.Output())
