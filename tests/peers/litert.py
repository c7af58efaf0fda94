"""What LiteRT's kernels compute.

Use: python litert.py KERNELS MODEL.tflite INPUTS OUTPUTS [TENSOR]...

KERNELS is a name of OpResolverType: BUILTIN_REF for the reference kernels.

INPUTS holds the bytes of the model's inputs, one inference after the other; OUTPUTS receives the bytes of its outputs, or
of the named tensors, in the same order. Named tensors of uint8 are written as int8, 128 lower, and int64 is always written
as int32: that is how mote holds them. Needs the packages of requirements.txt.
"""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def load(kernels, model, every):
    lite = Interpreter(
        model,
        experimental_op_resolver_type=OpResolverType[kernels],
        experimental_preserve_all_tensors=every,
        num_threads=1,
    )
    lite.allocate_tensors()
    return lite


def main(kernels, model, source, target, *names):
    lite = load(kernels, model, bool(names))
    wanted = [d["index"] for d in lite.get_output_details()]
    if names:
        index = {d["name"]: d["index"] for d in lite.get_tensor_details()}
        wanted = [index[name] for name in names]
    given, at = open(source, "rb").read(), 0
    with open(target, "wb") as out:
        while at < len(given):
            for d in lite.get_input_details():
                count = int(np.prod(d["shape"]))
                values = np.frombuffer(given, d["dtype"], count, at)
                lite.set_tensor(d["index"], values.reshape(d["shape"]))
                at += values.nbytes
            lite.invoke()
            for tensor in wanted:
                values = lite.get_tensor(tensor)
                if values.dtype == np.int64:
                    values = values.astype(np.int32)
                elif names and values.dtype == np.uint8:
                    values = values ^ 0x80
                out.write(values.tobytes())


main(*sys.argv[1:])
