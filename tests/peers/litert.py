"""What LiteRT's reference kernels compute.

Use: python litert.py MODEL.tflite INPUTS OUTPUTS

INPUTS holds the bytes of the model's inputs, one inference after the other; OUTPUTS receives the bytes of its outputs in
the same order. Needs the packages of requirements.txt.
"""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def main(model, source, target):
    lite = Interpreter(model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1)
    lite.allocate_tensors()
    inputs, outputs = lite.get_input_details(), lite.get_output_details()
    given = open(source, "rb").read()
    with open(target, "wb") as out:
        at = 0
        while at < len(given):
            for d in inputs:
                size = int(np.prod(d["shape"])) * np.dtype(d["dtype"]).itemsize
                lite.set_tensor(d["index"], np.frombuffer(given, d["dtype"], size // np.dtype(d["dtype"]).itemsize, at).reshape(d["shape"]))
                at += size
            lite.invoke()
            for d in outputs:
                out.write(lite.get_tensor(d["index"]).tobytes())


main(*sys.argv[1:])
