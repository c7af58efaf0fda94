"""An engine that Python reaches, as `cargo xtask peers` times it: python runner.py ENGINE MODEL

One network is held ready, on one thread; the protocol is that of the crate in this folder. Calls go to the innermost
function of each binding with nothing to convert, so that little of the time is Python's (below a microsecond). `versions`
instead of an engine prints what is installed, one a line. Needs the packages of requirements-peers.txt.
"""

import sys
import time

import numpy as np


def litert(path):
    from ai_edge_litert.interpreter import Interpreter

    lite = Interpreter(path, num_threads=1)
    lite.allocate_tensors()
    for given in lite.get_input_details():
        lite.set_tensor(given["index"], np.zeros(given["shape"], given["dtype"]))
    invoke = lite._interpreter.Invoke
    return invoke, lite


def onnxruntime(path):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for given in session.get_inputs():
        binding.bind_cpu_input(given.name, np.zeros(given.shape, np.float32))
    for made in session.get_outputs():
        binding.bind_output(made.name)
    run, bound = session._sess.run_with_iobinding, binding._iobinding
    return lambda: run(bound, None), (session, binding)


def openvino(path):
    import openvino as ov

    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    model = ov.Core().compile_model(path, "CPU", settings)
    request = model.create_infer_request()
    for given in model.inputs:
        request.get_tensor(given).data[...] = 0
    infer = ov._pyopenvino.InferRequest.infer
    return lambda: infer(request, {}, True, False), (model, request)


def versions():
    from importlib.metadata import version

    for package in ["ai-edge-litert", "onnxruntime", "openvino"]:
        print(version(package))


def serve(run):
    clock = time.perf_counter_ns
    run()
    print("ready", flush=True)
    for line in sys.stdin:
        end, best = clock() + int(line) * 1_000_000, None
        while best is None or clock() < end:
            start = clock()
            run()
            took = clock() - start
            best = took if best is None else min(best, took)
        print(best, flush=True)


if sys.argv[1] == "versions":
    versions()
else:
    run, kept = {f.__name__: f for f in (litert, onnxruntime, openvino)}[sys.argv[1]](sys.argv[2])
    serve(run)
