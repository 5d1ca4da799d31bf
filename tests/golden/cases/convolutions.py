"""Convolutions and pooling: stride, padding, dilation, groups, and every rounding of an output's size."""

from cases.draw import Case, Draw, problem


def cases():
    yield from convolutions()
    yield from max_pools()
    yield from average_pools()
    yield lenet()
    yield residual_block()
    yield depthwise()


def judged(name, layers, image, samples, draw, parameters=None, out=None):
    """A network of images whose last layer is contracted with fixed cotangents: every element of the output counts."""
    loss = {"op": "cotangent", "of": layers[-1]["id"], "value": draw.tensor([samples, *out], 1, 2)}
    return Case(name, problem({"img": image}, draw.tensor([samples, *image], 1.5, 2), loss, layers=layers, parameters=parameters))


def convolutions():
    draw = Draw("conv")

    def one(name, attributes, weight, image, out, bias=True, samples=2):
        layer = {"id": "conv", "op": "conv2d", "out_channels": weight[0], **attributes}
        parameters = {"conv.weight": draw.glorot(weight, 2)}
        if bias:
            parameters["conv.bias"] = draw.tensor([weight[0]], 0.5)
        else:
            layer["bias"] = False
        return judged(name, [layer], image, samples, draw, parameters, out)

    yield one("conv2d", {"in_channels": 2, "kernel_size": 3}, [3, 2, 3, 3], [2, 5, 6], [3, 3, 4])
    yield one("conv2d_stride", {"kernel_size": [2, 3], "stride": [2, 1], "padding": 1}, [2, 1, 2, 3], [1, 5, 4], [2, 3, 4])
    yield one("conv2d_same", {"kernel_size": 3, "padding": "same"}, [2, 2, 3, 3], [2, 4, 3], [2, 4, 3])
    yield one("conv2d_same_even", {"kernel_size": [4, 2], "padding": "same"}, [2, 1, 4, 2], [1, 5, 4], [2, 5, 4], False)
    yield one(
        "conv2d_same_dilated", {"kernel_size": [2, 3], "padding": "same", "dilation": [3, 2]}, [1, 1, 2, 3], [1, 5, 6], [1, 5, 6]
    )
    yield one("conv2d_valid", {"kernel_size": 2, "padding": "valid", "stride": 2}, [2, 3, 2, 2], [3, 5, 4], [2, 2, 2])
    yield one(
        "conv2d_dilated", {"kernel_size": 2, "dilation": [2, 3], "padding": [1, 2]}, [2, 1, 2, 2], [1, 5, 5], [2, 5, 6], False
    )
    yield one("conv2d_groups", {"kernel_size": 2, "groups": 2}, [4, 2, 2, 2], [4, 3, 4], [4, 2, 3])
    yield one(
        "conv2d_all_at_once",
        {"kernel_size": [3, 2], "stride": [2, 3], "padding": [2, 1], "dilation": [1, 2], "groups": 3},
        [6, 1, 3, 2],
        [3, 6, 7],
        [6, 4, 3],
        samples=1,
    )
    yield one("conv2d_pointwise", {"kernel_size": 1, "activation": "silu"}, [3, 4, 1, 1], [4, 2, 3], [3, 2, 3], samples=4)
    yield one("conv2d_whole_image", {"kernel_size": [3, 4]}, [5, 1, 3, 4], [1, 3, 4], [5, 1, 1], samples=3)
    yield one("conv2d_rows_unused", {"kernel_size": 2, "stride": 3}, [1, 1, 2, 2], [1, 6, 7], [1, 2, 2])


def max_pools():
    draw = Draw("max pool")
    one = lambda name, attributes, image, out: judged(
        name, [{"id": "pool", "op": "max_pool2d", **attributes}], image, 2, draw, out=out
    )
    yield one("max_pool2d", {"kernel_size": 2}, [2, 4, 6], [2, 2, 3])
    yield one("max_pool2d_overlapping", {"kernel_size": 3, "stride": 1}, [1, 5, 5], [1, 3, 3])
    yield one("max_pool2d_padded", {"kernel_size": [3, 2], "stride": 2, "padding": [1, 0]}, [2, 5, 4], [2, 3, 2])
    yield one("max_pool2d_dilated", {"kernel_size": 2, "stride": 1, "dilation": [2, 3]}, [1, 5, 6], [1, 3, 3])
    yield one("max_pool2d_ceil", {"kernel_size": 2, "stride": 2, "ceil_mode": True}, [1, 5, 7], [1, 3, 4])
    yield one(
        "max_pool2d_ceil_padded", {"kernel_size": 3, "stride": [2, 3], "padding": 1, "ceil_mode": True}, [1, 6, 6], [1, 4, 3]
    )
    # The last window would begin in the padding behind: it is dropped.
    yield one("max_pool2d_ceil_dropped", {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True}, [1, 5, 4], [1, 2, 2])


def average_pools():
    draw = Draw("average pool")
    one = lambda name, attributes, image, out: judged(
        name, [{"id": "pool", "op": "avg_pool2d", **attributes}], image, 2, draw, out=out
    )
    yield one("avg_pool2d", {"kernel_size": [2, 3]}, [2, 4, 6], [2, 2, 2])
    yield one("avg_pool2d_padded", {"kernel_size": 3, "stride": 2, "padding": 1}, [1, 5, 4], [1, 3, 2])
    yield one(
        "avg_pool2d_without_pad", {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}, [1, 5, 4], [1, 3, 2]
    )
    yield one("avg_pool2d_ceil", {"kernel_size": 2, "stride": 2, "ceil_mode": True}, [1, 5, 7], [1, 3, 4])
    yield one(
        "avg_pool2d_ceil_padded", {"kernel_size": [3, 4], "stride": 2, "padding": [1, 2], "ceil_mode": True}, [1, 6, 5], [1, 4, 4]
    )
    yield one(
        "avg_pool2d_ceil_without_pad",
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False},
        [1, 6, 6],
        [1, 4, 4],
    )
    yield one("avg_pool2d_divisor", {"kernel_size": 2, "stride": 1, "padding": 1, "divisor_override": 3}, [1, 3, 4], [1, 4, 5])


def lenet():
    """Convolution, pooling, convolution, pooling, two dense layers, on 8x8 images."""
    draw = Draw("lenet")
    layers = [
        {"id": "conv1", "op": "conv2d", "out_channels": 3, "kernel_size": 3, "padding": 1, "activation": "relu"},
        {"id": "pool1", "op": "max_pool2d", "kernel_size": 2},
        {"id": "conv2", "op": "conv2d", "out_channels": 4, "kernel_size": 3, "bias": False, "activation": "tanh"},
        {"id": "pool2", "op": "avg_pool2d", "kernel_size": 2},
        {"id": "flat", "op": "flatten"},
        {"id": "fc1", "op": "linear", "out_features": 6, "activation": "sigmoid"},
        {"id": "fc2", "op": "linear", "out_features": 5},
    ]
    parameters = {
        "conv1.weight": draw.glorot([3, 1, 3, 3]),
        "conv1.bias": draw.tensor([3], 0.2),
        "conv2.weight": draw.glorot([4, 3, 3, 3]),
        "fc1.weight": draw.glorot([6, 4]),
        "fc1.bias": draw.tensor([6], 0.2),
        "fc2.weight": draw.glorot([5, 6]),
        "fc2.bias": draw.tensor([5], 0.2),
    }
    return Case(
        "lenet",
        problem(
            {"img": [1, 8, 8]},
            draw.tensor([2, 1, 8, 8], 2, 2),
            {"op": "cross_entropy", "of": "fc2", "label_smoothing": 0.1},
            layers=layers,
            parameters=parameters,
            targets=[4, 1],
        ),
        kinks=True,
    )  # windows of dead relus tie at 0


def residual_block():
    """Two normalised convolutions beside an identity edge, then the mean over the image."""
    draw = Draw("block")
    nodes = [
        {"id": "c1", "op": "conv2d", "inputs": ["img"], "padding": 1, "bias": False},
        {"id": "n1", "op": "batch_norm2d", "inputs": ["c1"], "activation": "relu"},
        {"id": "c2", "op": "conv2d", "inputs": ["n1"], "padding": 1, "bias": False},
        {"id": "n2", "op": "batch_norm2d", "inputs": ["c2"]},
        {"id": "sum", "op": "add", "inputs": ["n2", "img"]},
        {"id": "act", "op": "relu", "inputs": ["sum"]},
        {"id": "pooled", "op": "mean", "inputs": ["act"], "dim": [2, 3]},
    ]
    for node in nodes[:3:2]:
        node["kernel_size"], node["out_channels"] = 3, 2
    parameters = {
        "c1.weight": draw.glorot([2, 2, 3, 3]),
        "n1.weight": draw.positive([2]),
        "n1.bias": draw.tensor([2]),
        "c2.weight": draw.glorot([2, 2, 3, 3]),
        "n2.weight": draw.positive([2]),
        "n2.bias": draw.tensor([2]),
    }
    return Case(
        "residual_block",
        problem(
            {"img": [2, 4, 4]},
            draw.tensor([3, 2, 4, 4], 1.5, 2),
            {"op": "cross_entropy", "of": "pooled", "reduction": "mean"},
            nodes,
            parameters=parameters,
            targets=[0, 1, 1],
        ),
    )


def depthwise():
    """Depthwise then pointwise, the mobile networks' pair."""
    draw = Draw("depthwise")
    layers = [
        {
            "id": "deep",
            "op": "conv2d",
            "out_channels": 3,
            "groups": 3,
            "kernel_size": 3,
            "padding": "same",
            "activation": {"op": "hardtanh", "min_val": -0.9, "max_val": 1.2},
        },
        {"id": "point", "op": "conv2d", "out_channels": 2, "kernel_size": 1, "activation": "gelu"},
    ]
    parameters = {
        "deep.weight": draw.glorot([3, 1, 3, 3]),
        "deep.bias": draw.tensor([3], 0.2),
        "point.weight": draw.glorot([2, 3, 1, 1]),
        "point.bias": draw.tensor([2], 0.2),
    }
    return judged("depthwise", layers, [3, 4, 3], 2, draw, parameters, [2, 4, 3])
