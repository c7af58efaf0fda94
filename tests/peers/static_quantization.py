"""ONNX Runtime's static quantization as every comparison here has it: weights int8 per channel, activations uint8, min-max
ranges, quantize and dequantize nodes. What is quantized, and with which samples, is said where it is called.
"""

from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static


class Samples(CalibrationDataReader):
    """Inputs by name, one after the other."""

    def __init__(self, samples):
        self.left = iter(samples)

    def get_next(self):
        return next(self.left, None)


def quantize(source, target, samples, **more):
    """Writes the network of one file, quantized, to another; `more` goes to ONNX Runtime."""
    quantize_static(
        source,
        target,
        Samples(samples),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        **more,
    )
