"""What int8 costs: mote beside ONNX Runtime's static quantization, on the same calibration data.

Use: python accuracy.py MOTE SHARED ONNX [NAME...]

MOTE is the converter's binary, SHARED the folder of trained models and data, ONNX a folder with the TFLite networks as ONNX.
Prints a table in Markdown; ends with an error when mote is below ONNX Runtime, or more than 0.3 points below the float
network, beyond chance. SQNR is that of the first output, in dB, against the float network in ONNX Runtime. Needs numpy, onnx,
onnxruntime and pillow.
"""

import gzip
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnx.version_converter
import onnxruntime
from PIL import Image
from static_quantization import quantize

onnxruntime.set_default_logger_severity(3)
logging.disable(logging.WARNING)
MOTE, SHARED, ONNX = map(Path, sys.argv[1:4])


def cifar(name, count):
    records = np.fromfile(SHARED / "data" / name, np.uint8).reshape(-1, 3073)[:count]
    return records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32), records[:, 0].astype(int)


def resnet8():
    calib, _ = cifar("cifar10_jpeg/train_10000.bin", 200)
    lossless, jpeg = cifar("cifar10_lossless/test_300.bin", 300), cifar("cifar10_jpeg/test_2000.bin", 2000)
    images, labels = (np.concatenate(pair) for pair in zip(lossless, jpeg))
    return "mlperf_tiny_onnx/ic_resnet8_float.onnx", calib, images, top1(labels)


def kws():
    clips = np.fromfile(SHARED / "data/kws01/features_int8_49x10.bin", np.int8).reshape(-1, 49, 10, 1)
    clips = (clips.astype(np.float32) - 83) * 0.5847029
    lines = (SHARED / "data/kws01/labels.csv").read_text().split()
    labels = np.array([int(line.rsplit(",", 1)[1]) for line in lines])
    calib = np.arange(len(clips)) % 6 == 0
    return "mlperf_tiny/kws_ref_model_float32.tflite", clips[calib], clips[~calib], top1(labels[~calib])


def vww():
    images = np.fromfile(SHARED / "data/vww_mini/images_u8_96x96x3.bin", np.uint8).reshape(-1, 96, 96, 3)
    lines = (SHARED / "data/vww_mini/labels.csv").read_text().split()
    labels = np.array([int(line.rsplit(",", 1)[1]) for line in lines])
    images = images.transpose(0, 3, 1, 2).astype(np.float32) / 255
    return "mlperf_tiny_onnx/vww_96_float.onnx", crops(SCENES, (96, 96)) / 255, images, top1(labels)


def mnist():
    folder = SHARED / "data/mnist"
    digits = gzip.decompress((folder / "mlxtend5k-images-idx3-ubyte.gz").read_bytes())[16:]
    digits = np.frombuffer(digits, np.uint8).reshape(-1, 1, 28, 28).astype(np.float32)
    labels = np.fromfile(folder / "mlxtend5k-labels-idx1-ubyte", np.uint8)[8:].astype(int)
    # The file is sorted by class.
    calib = np.arange(len(labels)) % 25 == 1
    return "mnist/mnist_cntk.onnx", digits[calib], digits[~calib], top1(labels[~calib])


SCENES = ["faces/2.jpg", "faces/21.jpg", "skimage/coffee.png", "skimage/chelsea.png"]


def picture(name, size, box=None):
    image = Image.open(SHARED / "data" / name).convert("RGB").resize(size, box=box)
    return np.asarray(image, np.float32).transpose(2, 0, 1)


def crops(names, size):
    """Whole pictures and a part from each corner and the middle, also mirrored."""
    found = []
    for name in names:
        width, height = Image.open(SHARED / "data" / name).size
        places = [(0, 0, 1), (0, 0, 0.6), (0.4, 0, 0.6), (0, 0.4, 0.6), (0.4, 0.4, 0.6), (0.2, 0.2, 0.6)]
        for x, y, part in places:
            box = (x * width, y * height, (x + part) * width, (y + part) * height)
            found.append(picture(name, size, box))
    found = np.stack(found)
    return np.concatenate([found, found[..., ::-1]])


def lines(name):
    """Lines of a page at 192 x 48, upright and turned over."""
    page = Image.open(SHARED / "data" / name).convert("RGB")
    width, height = page.size
    tall = height // 8
    boxes = [(x, y, x + 4 * tall, y + tall) for y in range(0, height - tall, tall // 2) for x in range(0, width - 4 * tall, tall)]
    upright = np.stack([np.asarray(page.resize((192, 48), box=box), np.float32).transpose(2, 0, 1) for box in boxes])
    return np.concatenate([upright, upright[..., ::-1, ::-1]]) / 127.5 - 1


def direction():
    both = np.concatenate([lines("skimage/page.png"), lines("skimage/text.png")])
    calib = np.arange(len(both)) % 5 == 0
    return "ocr/ch_ppocr_mobile_v2.0_cls_infer.onnx", both[calib], both[~calib], agreement


NETWORKS = {
    "ResNet-8": resnet8,
    "keyword spotting": kws,
    "visual wake words (MobileNet v1)": vww,
    "MNIST CNN": mnist,
    "text direction (MobileNet v3)": direction,
}


def agreement(float_, int8):
    """Share of samples with the float network's class, in percent."""
    return "as float %", 100.0, 100 * np.mean(classes(float_) == classes(int8))


def top1(labels):
    """Share of right classes in percent, the float network's and the other's."""

    def metric(float_, int8):
        return "top-1 %", *(100 * np.mean(classes(ys) == labels) for ys in (float_, int8))

    metric.labels = labels
    return metric


def in_onnx_runtime(path, images):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options)
    name = session.get_inputs()[0].name
    return [session.run(None, {name: x[None]}) for x in images]


def quantized_by_onnx_runtime(network, calib, folder):
    name = onnxruntime.InferenceSession(network).get_inputs()[0].name
    plain, ready, target = folder / "plain.onnx", folder / "ready.onnx", folder / "ort.onnx"
    model = onnx.load(network)
    if model.opset_import[0].version < 13:
        # Scales per channel are not in older ones.
        model = onnx.version_converter.convert_version(model, 13)
    # What is listed as an input too is no constant, and nothing is folded into it.
    constants = {c.name for c in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    onnx.save(model, plain)
    # Folds batch norms, as its quantizer recommends.
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(ready)
    onnxruntime.InferenceSession(plain, options, providers=["CPUExecutionProvider"])
    # Its adjustment fails on biases that are not vectors.
    more = {"QDQDisableWeightAdjustForInt32Bias": True}
    quantize(ready, target, ({name: x[None]} for x in calib), extra_options=more)
    return target


def in_mote(network, calib, images, folder, method):
    samples, target = folder / "calib.npy", folder / "net.mote"
    np.save(samples, calib)
    convert = [MOTE, "convert", network, "-o", target, "--calib", samples, "--calibration", method, "--json"]
    if network.suffix == ".onnx":
        convert += ["--input-shape", ",".join(map(str, (1, *calib.shape[1:])))]
    subprocess.run(convert, check=True, stdout=subprocess.DEVNULL)
    np.save(folder / "x.npy", images)
    run = [MOTE, "run", target, "--input", folder / "x.npy", "--output", folder / "y.npy", "--json"]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    return [[y[None]] for y in np.load(folder / "y.npy").reshape(len(images), -1)]


def sqnr(float_, int8):
    signal = sum(float((f[0].astype(np.float64) ** 2).sum()) for f in float_)
    noise = sum(float(((f[0].ravel() - i[0].ravel()).astype(np.float64) ** 2).sum()) for f, i in zip(float_, int8))
    return 10 * np.log10(signal / max(noise, 1e-30))


def classes(answers):
    return np.array([np.argmax(y[0]) for y in answers])


def behind(metric, float_, peer, ours):
    """Whether mote is more than 0.3 points below float, or below the peer, by more than chance: two standard deviations of the
    samples that only one of both has right."""
    _, reference, value = metric(float_, ours)
    others = metric(float_, peer)[2]
    labels = getattr(metric, "labels", classes(float_))
    right = [classes(a) == labels for a in (float_, peer, ours)]

    def certainly(other):
        return (other & ~right[2]).sum() - (right[2] & ~other).sum() > 2 * np.sqrt((other != right[2]).sum())

    # Without labels there is no right or wrong that float could be better at.
    below = hasattr(metric, "labels") and value < reference - 0.3 and certainly(right[0])
    return below or (value < others and certainly(right[1]))


def main(*chosen):
    print("| network | samples | metric | float | ONNX Runtime | mote, min-max | mote | SQNR, the same three |")
    print("|---|--:|---|--:|--:|--:|--:|--:|")
    lost = []
    for name in chosen or NETWORKS:
        network, calib, images, metric = NETWORKS[name]()
        file = SHARED / "models" / network
        network = ONNX / f"{file.stem}.onnx" if file.suffix == ".tflite" else file
        calib = np.ascontiguousarray(calib, np.float32)
        images = np.ascontiguousarray(images, np.float32)
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            float_ = in_onnx_runtime(network, images)
            peers = [in_onnx_runtime(quantized_by_onnx_runtime(network, calib, folder), images)]
            peers += [in_mote(file, calib, images, folder, m) for m in ("minmax", "auto")]
        what, reference, _ = metric(float_, peers[0])
        cells = " | ".join(f"{metric(float_, p)[2]:.2f}" for p in peers)
        noise = " / ".join(f"{sqnr(float_, p):.1f}" for p in peers)
        print(f"| {name} | {len(images)} | {what} | {reference:.2f} | {cells} | {noise} |", flush=True)
        if behind(metric, float_, peers[0], peers[-1]):
            lost.append(name)
    if lost:
        sys.exit(f"behind: {', '.join(lost)}")


if __name__ == "__main__":
    main(*sys.argv[4:])
