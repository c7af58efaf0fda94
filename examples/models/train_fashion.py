"""Train a small CNN on Fashion-MNIST and export it as a float ONNX model.

Reads the four `*-ubyte.gz` files of Fashion-MNIST (on Debian, the package
`dataset-fashion-mnist`) and writes, into the folder given as --out:

    fashion.onnx        the network, opset 13, input `pixels` [1, 1, 28, 28] in 0..1
    fashion_test.npz    the first 1000 test images (u8, NHWC) and their labels
    fashion_calib.npz   200 training images, 20 a class, to calibrate a quantizer
    fashion_labels.txt  the ten class names, in label order

The network is written once, in `network`, over a backend: `Shapes` makes the
parameters and counts the work, `Train` and `Infer` compute in JAX, and `Onnx`
records graph nodes. So what is exported is what was trained; the script still
runs both and asserts that they agree.

Nothing is folded or fused on export: each BatchNormalization, Relu and Softmax
is a node of its own, as most training frameworks leave them.

Needs, on Python 3.11 (see requirements.txt):

    pip install jax==0.10.2 optax==0.2.8 numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
"""

import argparse
import gzip
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import optax
from jax import lax
from onnx import TensorProto, helper, numpy_helper

LABELS = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
]
BN_EPSILON = 1e-3
BN_MOMENTUM = 0.95
BATCH = 128


# The network.


def network(b, x):
    """Build the classifier with backend `b` on input `x`; returns probabilities."""
    x = conv_bn_relu(b, "stem", x, 16)
    x = b.max_pool("stem/pool", x)
    x = separable(b, "block1", x, 24)
    x = residual(b, "block2", x)
    x = separable(b, "block3", x, 64, stride=2)
    x = separable(b, "block4", x, 128)
    x = b.flatten("head/flatten", b.global_average_pool("head/pool", x))
    return b.softmax("head/softmax", b.dense("head/fc", x, len(LABELS)))


def conv_bn_relu(b, name, x, channels, **how):
    """A convolution, its batch normalization and a ReLU."""
    x = b.conv(f"{name}/conv", x, channels, **how)
    return b.relu(f"{name}/relu", b.batch_norm(f"{name}/bn", x))


def separable(b, name, x, channels, stride=1):
    """A 3x3 depthwise convolution, then a 1x1 convolution across channels."""
    x = b.depthwise(f"{name}/dw/conv", x, stride)
    x = b.relu(f"{name}/dw/relu", b.batch_norm(f"{name}/dw/bn", x))
    return conv_bn_relu(b, f"{name}/pw", x, channels, kernel=1)


def residual(b, name, x):
    """Two 3x3 convolutions, around which `x` is added back."""
    channels = b.channels(x)
    y = conv_bn_relu(b, f"{name}/a", x, channels)
    y = b.batch_norm(f"{name}/b/bn", b.conv(f"{name}/b/conv", y, channels))
    return b.relu(f"{name}/relu", b.add(f"{name}/add", x, y))


# Its backends.


class Shapes:
    """Tensors are shapes (h, w, c). Draws initial weights; counts MACs.

    `params` are trained by gradient, `stats` hold the BN running mean and variance.
    """

    def __init__(self, rng):
        self.rng, self.params, self.stats, self.macs = rng, {}, {}, 0

    def channels(self, x):
        return x[-1]

    def weights(self, name, shape, fan_in):
        self.params[name] = self.rng.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)

    def conv(self, name, x, channels, kernel=3):
        h, w, c = x
        self.weights(f"{name}/weight", (kernel, kernel, c, channels), kernel * kernel * c)
        self.macs += h * w * kernel * kernel * c * channels
        return h, w, channels

    def depthwise(self, name, x, stride):
        h, w, c = -(-x[0] // stride), -(-x[1] // stride), x[2]
        self.weights(f"{name}/weight", (3, 3, c), 9)
        self.macs += h * w * 9 * c
        return h, w, c

    def batch_norm(self, name, x):
        one, zero = np.ones(x[-1], np.float32), np.zeros(x[-1], np.float32)
        self.params |= {f"{name}/scale": one, f"{name}/bias": zero}
        self.stats |= {f"{name}/mean": zero, f"{name}/var": one}
        return x

    def relu(self, _name, x):
        return x

    def add(self, _name, x, _y):
        return x

    def max_pool(self, _name, x):
        return x[0] // 2, x[1] // 2, x[2]

    def global_average_pool(self, _name, x):
        return 1, 1, x[2]

    def flatten(self, _name, x):
        return (x[-1],)

    def dense(self, name, x, outputs):
        self.weights(f"{name}/weight", (x[0], outputs), x[0])
        self.params[f"{name}/bias"] = np.zeros(outputs, np.float32)
        self.macs += x[0] * outputs
        return (outputs,)

    def softmax(self, _name, x):
        return x


class Infer:
    """Tensors are NHWC batches; BN uses the running statistics. Keeps `logits`."""

    def __init__(self, params, stats):
        self.p, self.stats, self.logits = params, stats, None

    def channels(self, x):
        return x.shape[-1]

    def conv(self, name, x, _channels, kernel=3):
        layout = ("NHWC", "HWIO", "NHWC")
        pad = [(kernel // 2, kernel // 2)] * 2
        return lax.conv_general_dilated(
            x, self.p[f"{name}/weight"], (1, 1), pad, dimension_numbers=layout
        )

    def depthwise(self, name, x, stride):
        weight = self.p[f"{name}/weight"].reshape(9, -1)
        return sum(tap * w for tap, w in zip(taps(x, 3, stride), weight))

    def moments(self, name, _x):
        return self.stats[f"{name}/mean"], self.stats[f"{name}/var"]

    def batch_norm(self, name, x):
        mean, var = self.moments(name, x)
        gain = self.p[f"{name}/scale"] / jnp.sqrt(var + BN_EPSILON)
        return (x - mean) * gain + self.p[f"{name}/bias"]

    def relu(self, _name, x):
        return jnp.maximum(x, 0)

    def add(self, _name, x, y):
        return x + y

    def max_pool(self, _name, x):
        n, h, w, c = x.shape
        return x.reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))

    def global_average_pool(self, _name, x):
        return x.mean((1, 2))

    def flatten(self, _name, x):
        return x.reshape(len(x), -1)

    def dense(self, name, x, _outputs):
        return x @ self.p[f"{name}/weight"] + self.p[f"{name}/bias"]

    def softmax(self, _name, x):
        self.logits = x
        return jax.nn.softmax(x)


class Train(Infer):
    """As `Infer`, but BN uses the batch's statistics and moves the running ones."""

    def __init__(self, params, stats):
        super().__init__(params, dict(stats))

    def moments(self, name, x):
        new = {f"{name}/mean": x.mean((0, 1, 2)), f"{name}/var": x.var((0, 1, 2))}
        for key, value in new.items():
            self.stats[key] = BN_MOMENTUM * self.stats[key] + (1 - BN_MOMENTUM) * value
        return new.values()


def taps(x, kernel, stride=1):
    """The views of zero-padded `x` that meet each kernel position, row by row.

    A depthwise convolution summed over these trains about twice as fast on CPUs as
    XLA's grouped one.
    """
    _, h, w, _ = x.shape
    pad = kernel // 2
    x = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    for dy in range(kernel):
        for dx in range(kernel):
            yield x[:, dy : dy + h : stride, dx : dx + w : stride]


class Onnx:
    """Tensors are ONNX value names, NCHW. Records nodes and initializers."""

    def __init__(self, params, stats):
        self.p, self.nodes, self.initializers = params | stats, [], []

    def channels(self, x):
        """Not tracked: `conv` reads its size from the weights."""

    def constant(self, name, value):
        array = np.ascontiguousarray(value, np.float32)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op, name, inputs, output=None, **attributes):
        output = output or f"{name}/out"
        self.nodes.append(helper.make_node(op, inputs, [output], name, **attributes))
        return output

    def conv(self, name, x, _channels, kernel=3):
        weight = np.transpose(self.p[f"{name}/weight"], (3, 2, 0, 1))
        return self.convolve(name, x, weight)

    def depthwise(self, name, x, stride):
        weight = np.transpose(self.p[f"{name}/weight"], (2, 0, 1))[:, None]
        return self.convolve(name, x, weight, stride, group=len(weight))

    def convolve(self, name, x, weight, stride=1, group=1):
        kernel = weight.shape[-1]
        return self.node(
            "Conv", name, [x, self.constant(f"{name}/weight", weight)],
            kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4, strides=[stride] * 2, group=group,
        )

    def batch_norm(self, name, x):
        keys = [f"{name}/{part}" for part in ("scale", "bias", "mean", "var")]
        inputs = [x] + [self.constant(key, self.p[key]) for key in keys]
        return self.node("BatchNormalization", name, inputs, epsilon=BN_EPSILON)

    def relu(self, name, x):
        return self.node("Relu", name, [x])

    def add(self, name, x, y):
        return self.node("Add", name, [x, y])

    def max_pool(self, name, x):
        return self.node("MaxPool", name, [x], kernel_shape=[2, 2], strides=[2, 2])

    def global_average_pool(self, name, x):
        return self.node("GlobalAveragePool", name, [x])

    def flatten(self, name, x):
        return self.node("Flatten", name, [x], axis=1)

    def dense(self, name, x, _outputs):
        weight = self.constant(f"{name}/weight", self.p[f"{name}/weight"].T)
        bias = self.constant(f"{name}/bias", self.p[f"{name}/bias"])
        return self.node("Gemm", name, [x, weight, bias], output="logits", transB=1)

    def softmax(self, name, x):
        return self.node("Softmax", name, [x], output="probabilities", axis=1)


# Data.


def read_idx(path):
    """The array in a gzipped IDX file of bytes: 4-byte magic, big-endian sizes, data."""
    data = gzip.decompress(path.read_bytes())
    rank = data[3]
    shape = np.frombuffer(data, ">u4", rank, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def load(folder, split):
    """Images, u8 [n, 28, 28, 1], and labels, int64 [n], of "train" or "t10k"."""
    images = read_idx(folder / f"{split}-images-idx3-ubyte.gz")[..., None]
    return images, read_idx(folder / f"{split}-labels-idx1-ubyte.gz").astype(np.int64)


def augment(rng, images, reach=1):
    """Flip half of `images` left to right and shift each by up to `reach` pixels each way."""
    n, h, w, _ = images.shape
    dy, dx = rng.integers(0, 2 * reach + 1, (2, n, 1))
    columns = np.where(rng.random((n, 1)) < 0.5, np.arange(w), np.arange(w)[::-1]) + dx
    rows = np.arange(h) + dy
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    return padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]


def calibration(rng, images, labels, per_class=20):
    """Indices of `per_class` images of each class, in class order."""
    classes = range(len(LABELS))
    return np.concatenate(
        [rng.choice(np.flatnonzero(labels == c), per_class, replace=False) for c in classes]
    )


def unit(images):
    """The network's input preparation: u8 pixels to floats in 0..1."""
    return images.astype(np.float32) / 255


# Training.


def train(rng, images, labels, epochs, learning_rate=5e-3, weight_decay=1e-2):
    """Fit the network with AdamW, a short warm-up and a cosine decay; (params, stats)."""
    shapes = Shapes(rng)
    network(shapes, images.shape[1:])
    params, stats = shapes.params, shapes.stats
    print(f"{sum(p.size for p in params.values())} parameters, {shapes.macs} MACs")

    steps = len(images) // BATCH
    total = epochs * steps
    rate = optax.warmup_cosine_decay_schedule(0, learning_rate, total // 10, total)
    decayed = {name: name.endswith("/weight") for name in params}
    optimizer = optax.adamw(rate, weight_decay=weight_decay, mask=decayed)
    state = optimizer.init(params)

    @jax.jit
    def step(params, stats, state, x, y):
        def loss(params):
            b = Train(params, stats)
            network(b, x)
            losses = optax.softmax_cross_entropy_with_integer_labels(b.logits, y)
            return losses.mean(), b.stats

        (value, stats), grads = jax.value_and_grad(loss, has_aux=True)(params)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), stats, state, value

    for epoch in range(epochs):
        start, losses = time.monotonic(), []
        for batch in rng.permutation(len(images))[: steps * BATCH].reshape(steps, BATCH):
            x = unit(augment(rng, images[batch]))
            params, stats, state, value = step(params, stats, state, x, labels[batch])
            losses.append(value)
        seconds = time.monotonic() - start
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, {seconds:.0f} s", flush=True)
    return jax.device_get((params, stats))


# Export and check.


def export(params, stats):
    """The trained network as a checked ONNX model for one image."""
    b = Onnx(params, stats)
    output = network(b, "pixels")
    graph = helper.make_graph(
        b.nodes, "fashion",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 1, 28, 28])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, len(LABELS)])],
        b.initializers,
    )
    opset = [helper.make_opsetid("", 13)]
    model = helper.make_model(
        graph, opset_imports=opset, ir_version=7, producer_name="train_fashion.py"
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def run_onnx(path, images):
    """Probabilities by onnxruntime, image by image."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    pixels = unit(images).transpose(0, 3, 1, 2)
    return np.concatenate([session.run(None, {"pixels": x[None]})[0] for x in pixels])


def run_jax(params, stats, images, batch=500):
    """Probabilities by the network as trained."""
    infer = jax.jit(lambda x: network(Infer(params, stats), x))
    return np.concatenate([infer(unit(x)) for x in np.split(images, len(images) // batch)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    images, labels = load(args.data, "train")
    test_images, test_labels = load(args.data, "t10k")
    params, stats = train(np.random.default_rng(args.seed), images, labels, args.epochs)

    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "fashion.onnx"
    onnx.save(export(params, stats), path)

    got = run_onnx(path, test_images)
    difference = np.abs(got - run_jax(params, stats, test_images)).max()
    print(f"largest difference between JAX and onnxruntime: {difference:.1e}")
    assert difference < 1e-4
    right = got.argmax(1) == test_labels
    for n in (1000, len(right)):
        print(f"accuracy on the first {n} test images: {right[:n].mean():.2%}")

    first = slice(1000)
    picked = calibration(np.random.default_rng(args.seed), images, labels)
    for name, x, y in (
        ("test", test_images[first], test_labels[first]),
        ("calib", images[picked], labels[picked]),
    ):
        np.savez_compressed(args.out / f"fashion_{name}.npz", images=x, labels=y)
    (args.out / "fashion_labels.txt").write_text("".join(f"{label}\n" for label in LABELS))


if __name__ == "__main__":
    main()
