"""What ONNX Runtime computes.

Use: python onnx_runtime.py MODEL.onnx INPUTS OUTPUTS

INPUTS holds the float32 values of the model's input, one inference after the other; OUTPUTS receives those of its first
output in the same order. Needs numpy and onnxruntime.
"""

import sys

import numpy as np
import onnxruntime


def main(model, source, target):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options)
    given = session.get_inputs()[0]
    values = np.fromfile(source, np.float32).reshape(-1, *given.shape)
    with open(target, "wb") as out:
        for x in values:
            out.write(session.run(None, {given.name: x})[0].astype(np.float32).tobytes())


main(*sys.argv[1:])
