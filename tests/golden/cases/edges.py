"""The places where implementations differ: kinks hit exactly, ties, extreme values, mixtures of neurons and layers, infinities."""

from cases.draw import Case, Draw, problem
from cases.ops import node


def cases():
    yield from kinks()
    yield from ties()
    yield from extremes()
    yield from mixtures()
    yield from infinities()


def kinked(name, values, nodes, parameters=None):
    """Samples at and around a kink, each with a cotangent of its own."""
    last = nodes[-1]["id"]
    cotangents = [round(1 + 0.25 * k, 2) for k in range(len(values))]
    return Case(
        name,
        problem(["x"], values, {"op": "cotangent", "of": last, "value": cotangents}, nodes, parameters=parameters),
        kinks=True,
    )


def kinks():
    for op in ("relu", "abs", "leaky_relu", "elu", "selu"):
        yield kinked(f"kink_{op}", [-1, 0, 1], [node("y", op, "x")])
    yield kinked("kink_hardtanh", [-2, -1, -0.5, 1, 1.5], [node("y", "hardtanh", "x")])
    yield kinked("kink_hardtanh_window", [-0.5, 0, 0.25, 2, 3], [node("y", "hardtanh", "x", min_val=0, max_val=2)])
    yield kinked("kink_softplus_threshold", [9.5, 10, 10.5], [node("y", "softplus", "x", beta=2, threshold=20)])
    yield kinked(
        "kink_neuron",
        [-1, 0, 1],
        [
            {"id": "h", "op": "neuron", "inputs": {"x": 0.5}, "activation": "relu"},
            {"id": "g", "op": "neuron", "inputs": {"h": 1.5, "x": -2}, "bias": 0, "activation": "abs"},
            {"id": "y", "op": "neuron", "inputs": {"g": "w", "h": "w"}},
        ],
        {"w": 0.75},
    )
    yield kinked(
        "pow_of_zero",
        [0, 1, -2],
        [
            node("square", "pow", "x", exponent=2),
            node("one", "pow", "x", exponent=1),
            node("unit", "pow", "x", exponent=0),
            node("s", "add", "square", "one"),
            node("y", "add", "s", "unit"),
        ],
    )
    losses = {
        "l1": ({}, [0.5, 0, 1]),
        "smooth_l1": ({"beta": 0.5}, [0.5, 0, 1]),
        "huber": ({"delta": 0.5}, [0.5, 0, 1]),
        "mse": ({}, [0.5, 0, 1]),
    }
    for op, (arguments, targets) in losses.items():  # differences of 0, and of exactly beta or delta
        nodes = [node("y", "mul", "x", 0.5)]
        yield Case(
            f"kink_loss_{op}", problem(["x"], [1, 1, 1], {"op": op, "of": "y", **arguments}, nodes, targets=targets), kinks=True
        )
    # PyTorch's binary cross-entropy holds its logarithms above -100 and divides by at least 1e-12 (rounded to f32, so that its
    # slope of 1.000000004e12 at an exactly wrong probability is not asked here); at an exactly right one the slope is 0, and
    # truly 1, hence no second judge.
    for name, targets, options in [("wrong", [1, 0, 1], {"trace": False, "wrt": ["*"]}), ("right", [0, 1, 1], None)]:
        request = problem(
            ["x"], [0, 1, 0.5], {"op": "bce", "of": "y"}, [node("y", "identity", "x")], targets=targets, options=options
        )
        yield Case(f"bce_exactly_{name}", request, kinks=True, convention=True)
    yield Case(
        "l1_penalty_at_zero",
        problem(
            ["x"],
            [1, 2],
            {"op": "sum", "of": "y"},
            [{"id": "y", "op": "neuron", "inputs": {"x": 0.0}, "bias": -0.5}],
            regularization=[{"l1": 0.1}],
        ),
        kinks=True,
    )


def ties():
    for op in ("maximum", "minimum"):  # the gradient is shared equally
        nodes = [node("m", op, "a", "b"), node("n", op, "m", 2), node("y", "mul", "n", "n")]
        yield Case(
            f"tie_{op}",
            problem(["a", "b"], [[1, 1], [1, 3], [2, 2], [3, -1], [2, 1]], {"op": "sum", "of": "y"}, nodes),
            kinks=True,
        )
    image = [[[[1, 2, 2, 0], [2, 1, 0, 0], [3, 3, -1, -1], [3, 3, -1, -1]]]]
    for name, attributes, size in [
        ("", {"kernel_size": 2}, [1, 2, 2]),
        ("_overlapping", {"kernel_size": 3, "stride": 1}, [1, 2, 2]),
        ("_padded", {"kernel_size": 3, "stride": 2, "padding": 1}, [1, 2, 2]),
    ]:  # the first of a window wins
        draw = Draw(f"tie{name}")
        loss = {"op": "cotangent", "of": "y", "value": draw.tensor([1, *size])}
        yield Case(
            f"tie_max_pool2d{name}",
            problem({"img": [1, 4, 4]}, image, loss, [node("y", "max_pool2d", "img", **attributes)]),
            kinks=True,
        )
    nodes = [node("r", "relu", "img"), node("y", "max_pool2d", "r", kernel_size=2)]
    loss = {"op": "cotangent", "of": "y", "value": [[[[1, 2], [3, 4]]]]}
    yield Case(
        "tie_max_pool2d_of_relu",
        problem({"img": [1, 4, 4]}, [[[[-1, -2, 0, 0], [-1, 0, 0, 0], [0, 1, -1, 1], [1, 0, 1, -1]]]], loss, nodes),
        kinks=True,
    )


def extremes():
    """Values where a formula written carelessly overflows, each tensor also holding ordinary ones."""
    logits = [[1000, -1000, 0], [500.25, 500, 499.5], [-800, -800.5, -799], [0.1, 0.2, 0.3], [30, -30, 0]]
    one = lambda name, loss, nodes, targets, batch=logits: Case(
        name, problem({"x": [len(batch[0])]}, batch, {"of": nodes[-1]["id"], **loss}, nodes, targets=targets)
    )
    through = [{"id": "y", "op": "mul", "inputs": ["x", 1]}]
    yield one("large_logits", {"op": "cross_entropy"}, through, [1, 0, 2, 1, 0])
    yield one(
        "large_logits_soft", {"op": "cross_entropy", "reduction": "mean", "label_smoothing": 0.1}, through, [[0.2, 0.3, 0.5]] * 5
    )
    yield one(
        "large_logits_binary", {"op": "bce_with_logits"}, through, [[0, 1, 1], [1, 0, 1], [1, 0, 0.5], [0, 1, 1], [1, 0, 0]]
    )
    yield one("large_logits_softmax", {"op": "squared_error"}, [node("y", "softmax", "x")], [[0.2, 0.3, 0.5]] * 5)
    wide = [[-750, -40, -3, 0.5], [3, 15, 35, 750], [-20, -0.01, 1e-3, 5]]
    for op in ("sigmoid", "tanh", "silu", "softplus", "elu", "selu"):
        yield one(
            f"saturated_{op}",
            {"op": "cotangent", "value": [[1, -2, 0.5, 3], [-1.5, 2, -1, 0.25], [0.75, 1, -1, 2]]},
            [node("y", op, "x")],
            None,
            wide,
        )
    narrow = [[-40, -1.5, -0.3, 0.5], [3, 15, 35, 1], [-0.75, -0.01, 1e-3, 5]]
    for approximate in ("none", "tanh"):
        yield one(
            f"saturated_gelu_{approximate}",
            {"op": "squared_error"},
            [node("y", "gelu", "x", approximate=approximate)],
            [[0.5, 1, -1, 2]] * 3,
            narrow,
        )
    small = [[1e-300, 1e-160, 1e-8], [1e150, 3e-200, 1]]
    nodes = [node("l", "log", "x"), node("r", "sqrt", "x"), node("q", "mul", "l", 0.01), node("y", "mul", "q", "r")]
    yield Case(
        "tiny_and_huge", problem({"x": [3]}, small, {"op": "sum", "of": "l"}, nodes), convention=True
    )  # a difference quotient's step leaps over 1e-300
    yield Case(
        "subnormal",
        problem(
            ["x"],
            [1.5, -2.25],
            {"op": "sum", "of": "y"},
            [node("t", "mul", "x", 1e-200), node("u", "mul", "t", 1e-110), node("y", "mul", "u", 1e150)],
        ),
    )
    layers = [{"id": "ln", "op": "layer_norm", "normalized_shape": [4], "elementwise_affine": False}]
    shifted = [[1000.5, 1001, 999.25, 1000], [1e-4, -2e-4, 3e-4, 0], [5, -3, 2, 8]]
    yield Case(
        "layer_norm_shifted",
        problem({"x": [4]}, shifted, {"op": "cotangent", "of": "ln", "value": [[1, 2, -1, 0.5]] * 3}, layers=layers),
    )


def mixtures():
    draw = Draw("mixtures")
    # A layer's outputs taken apart into scalars, neurons on them, stacked again into a layer.
    nodes = [
        node("fc", "linear", "x", out_features=3, activation="tanh"),
        *(node(f"s{i}", "select", "fc", dim=1, index=i) for i in range(3)),
        {"id": "n1", "op": "neuron", "inputs": {"s0": 0.5, "s2": -1.25, "bonus": 0.3}, "bias": 0.1, "activation": "sigmoid"},
        {"id": "n2", "op": "neuron", "inputs": {"s1": 0.75, "n1": "w"}, "bias": None, "activation": "tanh"},
        node("joined", "stack", "n1", "n2", "s0"),
        node("out", "linear", "joined", out_features=4),
    ]
    parameters = {
        "fc.weight": draw.glorot([3, 5]),
        "fc.bias": draw.tensor([3], 0.2),
        "w": -0.6,
        "n2.bias": 0.05,
        "out.weight": draw.glorot([4, 3]),
        "out.bias": draw.tensor([4], 0.2),
    }
    batch = {"x": draw.tensor([4, 5]), "bonus": draw.tensor([4])}
    yield Case(
        "layers_and_neurons",
        problem(
            {"x": [5], "bonus": []},
            batch,
            {"op": "cross_entropy", "of": "out", "reduction": "mean"},
            nodes,
            parameters=parameters,
            targets=[3, 0, 1, 1],
        ),
    )
    # Neurons first: stacked into a layer whose last outputs are neurons again.
    nodes = [
        {"id": "a", "op": "neuron", "inputs": {"p": 1.1, "q": -0.4}, "bias": 0.2, "activation": "tanh"},
        {"id": "b", "op": "neuron", "inputs": {"p": -0.7, "a": 0.9}, "activation": "silu"},
        node("ab", "stack", "a", "b", "q"),
        node("norm", "layer_norm", "ab", normalized_shape=[3], weight=[1.0, 0.8, 1.2], bias=[0.1, 0, -0.1]),
        node("h", "linear", "norm", weight=draw.glorot([2, 3]), bias=False, activation="relu"),
        node("h0", "select", "h", dim=1, index=0),
        node("h1", "select", "h", dim=-1, index=1),
        {"id": "y1", "op": "neuron", "inputs": {"h0": 0.8, "h1": -0.3, "p": 0.2}},
        {"id": "y2", "op": "neuron", "inputs": {"h1": 1.4, "b": 0.5}, "bias": -0.1},
    ]
    yield Case(
        "neurons_into_layers",
        problem(
            ["p", "q"], draw.tensor([5, 2], 1.5), {"op": "cross_entropy", "of": ["y1", "y2"]}, nodes, targets=[0, 1, 1, 0, 0]
        ),
    )
    # Arithmetic between neurons, and neurons on the results of ops.
    nodes = [
        {"id": "u", "op": "neuron", "inputs": {"x": 0.9}, "bias": -0.1},
        {"id": "v", "op": "neuron", "inputs": {"x": -0.5}, "bias": 0.6, "activation": "exp"},
        node("uv", "mul", "u", "v"),
        node("g", "sigmoid", "uv"),
        node("mix", "sub", "g", "u"),
        {"id": "out", "op": "neuron", "inputs": {"mix": "k", "g": "k", "v": 0.2}, "bias": "k"},
    ]
    yield Case(
        "neurons_and_ops",
        problem(
            ["x"],
            draw.tensor([3]),
            {"op": "mse", "of": "out", "reduction": "mean"},
            nodes,
            parameters={"k": 0.7},
            targets=[0.1, 0.5, -1],
        ),
    )
    # One vector of parameters read by an op directly and by a layer as its bias.
    nodes = [
        node("lin", "linear", "x", weight="M", bias="b"),
        node("scaled", "mul", "lin", "b"),
        node("proj", "matmul", "scaled", "M"),
        node("y", "sum", "proj"),
    ]
    yield Case(
        "parameter_shared_by_op_and_layer",
        problem(
            {"x": [3]},
            draw.tensor([4, 3]),
            {"op": "sum", "of": "y", "reduction": "mean"},
            nodes,
            parameters={"M": draw.tensor([3, 3]), "b": draw.tensor([3])},
        ),
    )
    # An image and its statistics: convolution, a hand-made global pool, a scalar feature beside it.
    nodes = [
        node(
            "conv",
            "conv2d",
            "img",
            out_channels=2,
            kernel_size=2,
            weight=draw.glorot([2, 1, 2, 2]),
            bias=[0.1, -0.1],
            activation="tanh",
        ),
        node("gap", "mean", "conv", dim=[2, 3]),
        node("side", "mul", "gap", "age"),
        node("all", "concat", "gap", "side"),
        node("z", "linear", "all", weight=draw.glorot([1, 4]), bias=[0.2]),
        node("p", "sigmoid", "z"),
    ]
    yield Case(
        "image_and_scalar",
        problem(
            {"img": [1, 4, 3], "age": []},
            {"img": draw.tensor([3, 1, 4, 3], 1.5, 2), "age": [0.4, 1.5, 0.9]},
            {"op": "bce", "of": "p"},
            nodes,
            targets=[[1], [0], [1]],
        ),
    )
    # Input read by nobody but an op whose result the loss does not read: a gradient of zeros.
    nodes = [node("seen", "tanh", "x"), node("unseen", "mul", "y", "w")]
    yield Case(
        "no_path_to_loss",
        problem(
            {"x": [2], "y": [2]},
            {"x": draw.tensor([2, 2]), "y": draw.tensor([2, 2])},
            {"op": "squared_error", "of": "seen"},
            nodes,
            parameters={"w": [1.5, -0.5]},
            targets=[[0, 1], [1, 0]],
        ),
    )
    # A weight without inputs behind it: values without a sample axis in the trace, and each sample adds its cotangent.
    nodes = [
        node("soft", "softmax", "theta", dim=0),
        node("logs", "log", "soft"),
        node("cost", "mul", "soft", "logs"),
        node("entropy", "sum", "cost", dim=0),
        node("prior", "mul", "soft", 2.5),
        node("fit", "mul", "x", "prior"),
        node("total", "sum", "fit"),
        node("y", "add", "total", "entropy"),
    ]
    yield Case(
        "values_without_samples",
        problem({"x": [3]}, draw.tensor([4, 3]), {"op": "sum", "of": "y"}, nodes, parameters={"theta": draw.tensor([3])}),
    )


def infinities():
    """Results that JSON has no numbers for: the strings of the contract, as PyTorch's floats say."""
    yield Case("infinite_slope", problem(["x"], [4, 0], {"op": "sum", "of": "y"}, [node("y", "sqrt", "x")]))
    yield Case("infinite_loss", problem(["x"], [1, 0], {"op": "sum", "of": "y"}, [node("y", "log", "x")]))
    yield Case(
        "overflow",
        problem(
            ["x"], [1, 800], {"op": "sum", "of": "y"}, [{"id": "y", "op": "neuron", "inputs": {"x": 1.5}, "activation": "exp"}]
        ),
    )
    yield Case(
        "not_a_number",
        problem(["x"], [1, 2], {"op": "sum", "of": "y"}, [node("shifted", "sub", "x", 1.5), node("y", "log", "shifted")]),
    )
