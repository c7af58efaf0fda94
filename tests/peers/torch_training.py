"""How fast PyTorch trains the example network, in images a second.

Use: python torch_training.py NET.onnx SAMPLES.npz THREADS

One epoch with AdamW over batches of 64, from fresh weights, after one batch that does not count; what `mote train --fresh`
does, and like it without reading and judging. Knows the operators of the example network. Needs torch, onnx and numpy.
"""

import sys
import time

import numpy as np
import onnx
import torch
from torch import nn

BATCH = 64


class Network(nn.Module):
    """The nodes of an ONNX file, with fresh weights."""

    def __init__(self, graph):
        super().__init__()
        shapes = {w.name: list(w.dims) for w in graph.initializer}
        self.nodes = [n for n in graph.node if n.op_type != "Softmax"]
        self.source = graph.input[0].name
        self.layers = nn.ModuleList(layer(n, shapes) for n in self.nodes)

    def forward(self, x):
        values = {self.source: x}
        for node, layer in zip(self.nodes, self.layers):
            inputs = [values[i] for i in node.input if i in values]
            x = inputs[0] + inputs[1] if node.op_type == "Add" else layer(inputs[0])
            values[node.output[0]] = x
        return x


def layer(node, shapes):
    """The module of a node."""
    given = {a.name: list(a.ints) or a.i for a in node.attribute}
    match node.op_type:
        case "Conv":
            out, _, *kernel = shapes[node.input[1]]
            groups = given.get("group", 1)
            channels = shapes[node.input[1]][1] * groups
            padding = given["pads"][:2]
            return nn.Conv2d(channels, out, kernel, given["strides"], padding, groups=groups, bias=False)
        case "BatchNormalization":
            return nn.BatchNorm2d(shapes[node.input[1]][0], 1e-3)
        case "Relu":
            return nn.ReLU()
        case "MaxPool":
            return nn.MaxPool2d(given["kernel_shape"], given["strides"])
        case "GlobalAveragePool":
            return nn.AdaptiveAvgPool2d(1)
        case "Flatten":
            return nn.Flatten()
        case "Gemm":
            return nn.Linear(*reversed(shapes[node.input[1]]))
        case "Add":
            return nn.Identity()
        case other:
            raise SystemExit(f"{other} is not known here")


def main(path, samples, threads):
    torch.set_num_threads(int(threads))
    torch.manual_seed(0)
    net = Network(onnx.load(path).graph)
    data = np.load(samples)
    x = torch.from_numpy(data["images"].transpose(0, 3, 1, 2).astype(np.float32) / 255)
    y = torch.from_numpy(data["labels"])
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3)
    begun, seen = None, 0
    for start in range(0, len(x) - BATCH + 1, BATCH):
        batch = slice(start, start + BATCH)
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        seen += BATCH if begun else 0
        begun = begun or time.perf_counter()
    print(f"torch {torch.__version__}, {threads} threads: {seen / (time.perf_counter() - begun):.0f} images a second")


main(*sys.argv[1:])
