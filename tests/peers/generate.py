"""Networks for `cargo xtask peers`: python generate.py FOLDER NAME...

Each is written with random weights from a fixed seed, in its published shape, as NAME.float.onnx, as NAME.onnx with
quantize and dequantize nodes (weights int8 per channel, activations uint8; ONNX Runtime's static quantization), and as
NAME.tflite, the same integers in int8; NAME.macs holds the number of products. Weights don't change how long an engine
takes. Networks end where their products do. Needs the packages of requirements-peers.txt.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from static_quantization import quantize
from write_tflite import Writer


class Net:
    """A network under construction: nodes of NCHW tensors, each with its shape."""

    def __init__(self, *shape):
        self.random = np.random.default_rng(1)
        self.shapes, self.nodes, self.weights, self.outputs = {"x": shape}, [], {}, []

    def add(self, op, inputs, shape, **attributes):
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append((op, inputs, name, attributes))
        self.shapes[name] = tuple(shape)
        return name

    def weight(self, shape, fan):
        """He's initialization; biases are small."""
        name = f"w{len(self.weights)}"
        self.weights[name] = (self.random.standard_normal(shape) * (2 / fan) ** 0.5).astype(np.float32)
        return name

    def conv(self, x, channels, kernel=3, stride=1, act="Relu", depthwise=False):
        """Padded as TensorFlow's SAME, which all formats can say."""
        _, c, *image = self.shapes[x]
        kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        groups = c if depthwise else 1
        size = [-(-n // stride) for n in image]
        pads = [max((o - 1) * stride + k - n, 0) for o, k, n in zip(size, kernel, image)]
        pads = [p // 2 for p in pads] + [p - p // 2 for p in pads]
        fan = c // groups * kernel[0] * kernel[1]
        inputs = [x, self.weight((channels, c // groups, *kernel), fan), self.weight((channels,), 200)]
        y = self.add(
            "Conv", inputs, (1, channels, *size), kernel_shape=kernel, strides=[stride] * 2, pads=pads, group=groups
        )
        return self.act(y, act)

    def act(self, x, kind):
        shape = self.shapes[x]
        if kind == "Silu":
            return self.add("Mul", [x, self.add("Sigmoid", [x], shape)], shape)
        return self.add(kind, [x], shape) if kind else x

    def depthwise(self, x, kernel=3, stride=1, act="Relu"):
        return self.conv(x, self.shapes[x][1], kernel, stride, act, depthwise=True)

    def plus(self, a, b, act=None):
        return self.act(self.add("Add", [a, b], self.shapes[a]), act)

    def dense(self, x, units, act=None):
        fan = self.shapes[x][1]
        inputs = [x, self.weight((units, fan), fan), self.weight((units,), 200)]
        return self.act(self.add("Gemm", inputs, (1, units), transB=1), act)

    def mean(self, x):
        pooled = self.add("GlobalAveragePool", [x], (1, self.shapes[x][1], 1, 1))
        return self.add("Flatten", [pooled], (1, self.shapes[x][1]))

    def pool(self, x, kernel, stride):
        _, c, *image = self.shapes[x]
        size = [-(-n // stride) for n in image]
        pads = [max((o - 1) * stride + kernel - n, 0) for o, n in zip(size, image)]
        pads = [p // 2 for p in pads] + [p - p // 2 for p in pads]
        return self.add(
            "MaxPool", [x], (1, c, *size), kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads
        )

    def concat(self, *xs):
        _, _, h, w = self.shapes[xs[0]]
        return self.add("Concat", list(xs), (1, sum(self.shapes[x][1] for x in xs), h, w), axis=1)


def kws():
    net = Net(1, 1, 49, 10)
    x = net.conv("x", 64, (10, 4), 2)
    for _ in range(4):
        x = net.conv(net.depthwise(x), 64, 1)
    net.outputs = [net.dense(net.mean(x), 12)]
    return net


def vww():
    net = Net(1, 3, 96, 96)
    x = net.conv("x", 8, 3, 2)
    for channels, stride in zip([16, 32, 32, 64, 64] + [128] * 6 + [256] * 2, [1, 2, 1, 2, 1, 2] + [1] * 5 + [2, 1]):
        x = net.conv(net.depthwise(x, 3, stride), channels, 1)
    net.outputs = [net.dense(net.mean(x), 2)]
    return net


def ic():
    net = Net(1, 3, 32, 32)
    x = net.conv("x", 16)
    for channels, stride in [(16, 1), (32, 2), (64, 2)]:
        y = net.conv(net.conv(x, channels, 3, stride), channels, act=None)
        x = net.plus(x if stride == 1 else net.conv(x, channels, 1, stride, None), y, "Relu")
    net.outputs = [net.dense(net.mean(x), 10)]
    return net


def ad():
    net, x = Net(1, 640), "x"
    for units in [128] * 4 + [8] + [128] * 4:
        x = net.dense(x, units, "Relu")
    net.outputs = [net.dense(x, 640)]
    return net


def mobilenet_v2():
    net = Net(1, 3, 224, 224)
    x = net.conv("x", 32, 3, 2, "Clip")
    for expand, channels, count, stride in [
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ]:  # fmt: skip
        for i in range(count):
            inner = net.conv(x, net.shapes[x][1] * expand, 1, 1, "Clip") if expand > 1 else x
            y = net.conv(net.depthwise(inner, 3, stride if i == 0 else 1, "Clip"), channels, 1, 1, None)
            x = net.plus(x, y) if i > 0 else y
    net.outputs = [net.dense(net.mean(net.conv(x, 1280, 1, 1, "Clip")), 1000)]
    return net


def resnet(blocks, bottleneck):
    net = Net(1, 3, 224, 224)
    x = net.pool(net.conv("x", 64, 7, 2), 3, 2)
    for stage, count in enumerate(blocks):
        channels = 64 << stage
        outputs = channels * (4 if bottleneck else 1)
        for i in range(count):
            stride = 2 if stage > 0 and i == 0 else 1
            if bottleneck:
                y = net.conv(net.conv(net.conv(x, channels, 1), channels, 3, stride), outputs, 1, 1, None)
            else:
                y = net.conv(net.conv(x, channels, 3, stride), outputs, act=None)
            same = net.shapes[x] == net.shapes[y]
            x = net.plus(x if same else net.conv(x, outputs, 1, stride, None), y, "Relu")
    net.outputs = [net.dense(net.mean(x), 1000)]
    return net


def yolov8n():
    """At 320 pixels, with 80 classes; the outputs are the six last convolutions."""
    net = Net(1, 3, 320, 320)

    def conv(x, channels, kernel=3, stride=1):
        return net.conv(x, channels, kernel, stride, "Silu")

    def c2f(x, channels, count, shortcut):
        half = channels // 2
        # The two halves of the first convolution as one each: no engine has to split.
        parts = [conv(x, half, 1), conv(x, half, 1)]
        for _ in range(count):
            y = conv(conv(parts[-1], half), half)
            parts.append(net.plus(parts[-1], y) if shortcut else y)
        return conv(net.concat(*parts), channels, 1)

    def up(x):
        _, c, h, w = net.shapes[x]
        return net.add("Resize", [x], (1, c, 2 * h, 2 * w))

    x = c2f(conv(conv("x", 16, 3, 2), 32, 3, 2), 32, 1, True)
    third = c2f(conv(x, 64, 3, 2), 64, 2, True)
    fourth = c2f(conv(third, 128, 3, 2), 128, 2, True)
    x = conv(c2f(conv(fourth, 256, 3, 2), 256, 1, True), 128, 1)
    parts = [x]
    for _ in range(3):
        parts.append(net.pool(parts[-1], 5, 1))
    fifth = conv(net.concat(*parts), 256, 1)
    fourth = c2f(net.concat(up(fifth), fourth), 128, 1, False)
    third = c2f(net.concat(up(fourth), third), 64, 1, False)
    fourth = c2f(net.concat(conv(third, 64, 3, 2), fourth), 128, 1, False)
    fifth = c2f(net.concat(conv(fourth, 128, 3, 2), fifth), 256, 1, False)
    for x in [third, fourth, fifth]:
        for inner, outputs in [(64, 64), (80, 80)]:
            net.outputs.append(net.conv(conv(conv(x, inner), inner), outputs, 1, 1, None))
    return net


def macs(net):
    """Products: outputs times the weights of each."""
    made = [(net.shapes[name], inputs[1]) for op, inputs, name, _ in net.nodes if op in ("Conv", "Gemm")]
    return sum(int(np.prod(shape)) * int(np.prod(net.weights[w].shape[1:])) for shape, w in made)


NETWORKS = {
    "kws": kws,
    "vww": vww,
    "ic": ic,
    "ad": ad,
    "mobilenet_v2": mobilenet_v2,
    "resnet18": lambda: resnet([2, 2, 2, 2], False),
    "resnet50": lambda: resnet([3, 4, 6, 3], True),
    "yolov8n": yolov8n,
}


def float_onnx(net):
    constants = [numpy_helper.from_array(w, name) for name, w in net.weights.items()]
    bounds = {"low": np.float32(0), "high": np.float32(6), "twice": np.array([1, 1, 2, 2], np.float32)}
    used, nodes = set(), []
    for op, inputs, name, attributes in net.nodes:
        more = {"Clip": ["low", "high"], "Resize": ["", "twice"]}.get(op, [])
        used.update(more)
        if op == "Resize":
            attributes = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        nodes.append(helper.make_node(op, inputs + more, [name], name, **attributes))
    constants += [numpy_helper.from_array(np.asarray(v), n) for n, v in bounds.items() if n in used]

    def info(name):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, net.shapes[name])

    graph = helper.make_graph(nodes, "net", [info("x")], [info(y) for y in net.outputs], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def quantized_onnx(net, source, target):
    random = np.random.default_rng(2)
    quantize(source, target, ({"x": random.random(net.shapes["x"], np.float32) * 2 - 1} for _ in range(4)))


def main(folder, *names):
    import logging

    logging.disable(logging.WARNING)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        net = NETWORKS[name]()
        model = float_onnx(net)
        onnx.checker.check_model(model)
        plain, target = folder / f"{name}.float.onnx", folder / f"{name}.onnx"
        onnx.save(model, plain)
        quantized_onnx(net, plain, target)
        (folder / f"{name}.tflite").write_bytes(Writer(net, target).finish())
        (folder / f"{name}.macs").write_text(f"{macs(net)}\n")


main(*sys.argv[1:])
