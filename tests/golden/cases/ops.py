"""Every op by itself and in expressions: attributes, axes, broadcasting per sample, parameter leaves and constants."""

from cases.draw import Case, Draw, problem


def node(id, op, *inputs, **attributes):
    return {"id": id, "op": op, "inputs": list(inputs), **attributes}


def summed(name, inputs, batch, nodes, parameters=None, of=None, loss=None, **extra):
    """An expression whose last node is the loss, or is contracted with given cotangents."""
    of = of or nodes[-1]["id"]
    return Case(name, problem(inputs, batch, loss or {"op": "sum", "of": of}, nodes, parameters=parameters, **extra))


def cases():
    draw = Draw("ops")
    yield from arithmetic(draw)
    yield from powers()
    yield from functions()
    yield from extrema(draw)
    yield from products(draw)
    yield from reductions()
    yield from shapes(draw)
    yield from joins(draw)
    yield from parts(draw)
    yield from activations()
    yield from broadcasting(draw)
    yield from expressions(draw)


def contracted(name, size, op, out, samples=3, positive=False, parameters=None, inputs=("x",), **attributes):
    """One op on one tensor, its output contracted with fixed cotangents."""
    draw = Draw(name)
    batch = draw.positive([samples, *size], 0.3 if positive else -1.3)  # more on one side, so that the loss does not cancel
    loss = {"op": "cotangent", "of": "y", "value": draw.positive([samples, *out])}
    return summed(name, {"x": size}, batch, [node("y", op, *inputs, **attributes)], parameters, loss=loss)


def arithmetic(draw):
    pair = {"a": [3], "b": [3]}
    batch = lambda: {"a": draw.tensor([2, 3], 2), "b": draw.positive([2, 3])}
    yield summed("add_alpha", pair, batch(), [node("s", "add", "a", "b", alpha=-2.5), node("t", "mul", "s", "s")])
    yield summed("sub_alpha", pair, batch(), [node("s", "sub", "a", "b", alpha=0.5), node("t", "mul", "s", "a")])
    yield summed(
        "mul_div_neg",
        pair,
        batch(),
        [
            node("p", "mul", "a", "b"),
            node("q", "div", "p", "b"),
            node("r", "div", "a", "b"),
            node("m", "neg", "r"),
            node("t", "mul", "q", "m"),
        ],
    )
    yield summed(
        "constants",
        {"x": [4]},
        draw.positive([3, 4]),
        [
            node("a", "add", "x", 1.5),
            node("b", "sub", 2, "a"),
            node("c", "mul", -3, "b"),
            node("d", "div", 1, "x"),
            node("e", "div", "d", 4),
            node("f", "maximum", "c", 0.25),
            node("g", "mul", "f", "e"),
        ],
    )
    yield summed(
        "same_input_twice",
        {"x": [2]},
        draw.tensor([3, 2]),
        [
            node("square", "mul", "x", "x"),
            node("double", "add", "square", "square"),
            node("nothing", "sub", "x", "x"),
            node("max", "maximum", "double", "double"),
            node("all", "add", "max", "nothing"),
        ],
    )


def powers():
    yield contracted("pow_square", [4], "pow", [4], exponent=2)
    yield contracted("pow_cube_of_negatives", [4], "pow", [4], exponent=3)
    yield contracted("pow_fraction", [4], "pow", [4], positive=True, exponent=-1.5)
    yield contracted("pow_constant_input", [4], "pow", [4], inputs=("x", 4))
    yield contracted("pow_of_constant", [4], "pow", [4], inputs=(2.5, "x"))
    yield contracted("pow_parameter", [3], "pow", [3], positive=True, parameters={"k": [0.5, -1.2, 2.0]}, inputs=("x", "k"))
    yield contracted("pow_zero_and_one", [2], "pow", [2], parameters={"k": [1.0, 0.0]}, positive=True, inputs=("x", "k"))


def functions():
    for op in ("exp", "sin", "cos", "neg", "abs", "identity"):
        yield contracted(op, [2, 3], op, [2, 3])
    for op in ("log", "sqrt"):
        yield contracted(op, [5], op, [5], positive=True)


def extrema(draw):
    batch = {"a": draw.tensor([3, 4]), "b": draw.tensor([3, 4])}
    yield summed(
        "maximum_minimum",
        {"a": [4], "b": [4]},
        batch,
        [
            node("hi", "maximum", "a", "b"),
            node("lo", "minimum", "a", "b"),
            node("clip", "minimum", "hi", "cap"),
            node("y", "mul", "clip", "lo"),
        ],
        {"cap": 0.4},
    )


def products(draw):
    def one(name, inputs, parameters, first, second, out, samples=2):
        draw = Draw(name)
        batch = {key: draw.tensor([samples, *shape]) for key, shape in inputs.items()}
        loss = {"op": "cotangent", "of": "y", "value": draw.tensor([samples, *out])}
        return summed(name, inputs, batch, [node("y", "matmul", first, second)], parameters, loss=loss)

    yield one("matmul_by_parameter", {"x": [3]}, {"W": draw.tensor([3, 4])}, "x", "W", [4])
    yield one("matmul_batched", {"a": [2, 3], "b": [3, 4]}, None, "a", "b", [2, 4])
    yield one("matmul_dot", {"a": [3], "b": [3]}, None, "a", "b", [])
    yield one("matmul_vector", {"A": [4, 3], "x": [3]}, None, "A", "x", [4])
    yield one("matmul_parameter_first", {"X": [3, 2]}, {"W": draw.tensor([4, 3])}, "W", "X", [4, 2])
    yield one("matmul_row_by_matrix", {"x": [3], "B": [3, 2]}, None, "x", "B", [2])
    yield one("matmul_stacks", {"q": [2, 3, 2], "k": [2, 2, 3]}, None, "q", "k", [2, 3, 3])
    yield one("matmul_matrix_by_parameter", {"X": [2, 3]}, {"w": draw.tensor([3])}, "X", "w", [2])


def reductions():
    yield contracted("sum_all", [2, 3], "sum", [])
    yield contracted("sum_dim", [2, 3], "sum", [3], dim=1)
    yield contracted("sum_dims_kept", [2, 3, 2], "sum", [1, 3, 1], dim=[1, -1], keepdim=True)
    yield contracted("mean_all", [3, 2], "mean", [])
    yield contracted("mean_last_kept", [3, 2], "mean", [3, 1], dim=-1, keepdim=True)
    yield contracted("mean_dims", [2, 3, 2], "mean", [2], dim=[2, 3])
    yield contracted("sum_scalar", [], "sum", [])


def shapes(draw):
    yield contracted("reshape", [2, 6], "reshape", [3, 4], shape=[-1, 3, 4])
    yield contracted("reshape_with_samples", [2, 3], "reshape", [6], samples=4, shape=[4, 6])
    yield contracted("flatten", [2, 3, 2], "flatten", [12])
    yield contracted("flatten_some", [2, 3, 2], "flatten", [2, 6], start_dim=2)
    yield contracted("flatten_front", [2, 3, 2], "flatten", [6, 2], start_dim=1, end_dim=-2)
    yield contracted("permute", [2, 3, 4], "permute", [4, 2, 3], samples=2, dims=[0, 3, 1, 2])
    yield contracted("permute_negative", [2, 3], "permute", [3, 2], dims=[0, -1, 1])
    yield summed(
        "parameter_shapes",
        {"x": [3]},
        draw.tensor([2, 3]),
        [  # a value without sample axis counts all its axes
            node("t", "permute", "W", dims=[1, 0]),
            node("flat", "reshape", "t", shape=[6]),
            node("rows", "reshape", "flat", shape=[2, 3]),
            node("row", "select", "rows", dim=0, index=1),
            node("norm", "softmax", "row", dim=0),
            node("total", "sum", "norm", dim=0),
            node("xw", "mul", "x", "row"),
            node("y", "mul", "xw", "norm"),
            node("z", "mul", "y", "total"),
        ],
        {"W": draw.tensor([3, 2])},
    )


def joins(draw):
    inputs = {"a": [2, 3], "b": [1, 3], "c": [2, 2]}
    batch = lambda: {name: draw.tensor([2, *shape]) for name, shape in inputs.items()}
    yield summed(
        "concat",
        inputs,
        batch(),
        [
            node("ab", "concat", "a", "b"),
            node("ac", "concat", "a", "c", "a", dim=-1),
            node("s", "sin", "ab"),
            node("t", "exp", "ac"),
            node("st", "sum", "s"),
            node("tt", "sum", "t"),
            node("y", "mul", "st", "tt"),
        ],
    )
    yield summed(
        "concat_parameter",
        {"x": [2]},
        draw.tensor([3, 2]),
        [node("all", "concat", "start", "x", "x"), node("y", "sin", "all")],
        {"start": [0.3, -0.4]},
        loss={"op": "cotangent", "of": "y", "value": draw.tensor([3, 6])},
    )
    yield summed(
        "stack_scalars",
        ["p", "q"],
        draw.tensor([3, 2]),
        [node("s", "stack", "p", "q", "p"), node("y", "softmax", "s")],
        loss={"op": "cotangent", "of": "y", "value": draw.tensor([3, 3])},
    )
    yield summed(
        "stack_rows",
        {"a": [3], "b": [3]},
        {"a": draw.tensor([2, 3]), "b": draw.tensor([2, 3])},
        [
            node("rows", "stack", "a", "b"),
            node("columns", "stack", "a", "b", dim=-1),
            node("y", "matmul", "rows", "columns"),
            node("z", "tanh", "y"),
        ],
    )


def parts(draw):
    yield contracted("slice", [5], "slice", [3], start=1, end=4)
    yield contracted("slice_step", [2, 6], "slice", [2, 3], dim=2, start=1, step=2)
    yield contracted("slice_negative", [5], "slice", [3], start=-4, end=-1)
    yield contracted("select_channel", [2, 3], "select", [3], dim=1, index=1)
    yield contracted("select_last", [2, 3], "select", [2], dim=-1, index=-1)
    yield summed(
        "slices_overlap",
        {"x": [5]},
        draw.tensor([2, 5]),
        [
            node("head", "slice", "x", end=4),
            node("tail", "slice", "x", start=1),
            node("p", "mul", "head", "tail"),
            node("first", "select", "p", dim=1, index=0),
            node("y", "mul", "first", "first"),
        ],
    )


def activations():
    plain = ["relu", "selu", "sigmoid", "tanh", "silu", "elu", "leaky_relu", "gelu", "softplus", "hardtanh"]
    for op in plain:
        yield contracted(op, [2, 4], op, [2, 4])
    yield contracted("leaky_relu_steep", [4], "leaky_relu", [4], negative_slope=1.5)
    yield contracted("leaky_relu_negative", [4], "leaky_relu", [4], negative_slope=-0.3)
    yield contracted("elu_alpha", [4], "elu", [4], alpha=0.3)
    yield contracted("gelu_none", [4], "gelu", [4], approximate="none")
    yield contracted("gelu_tanh", [4], "gelu", [4], approximate="tanh")
    yield contracted("softplus_sharp", [4], "softplus", [4], beta=6.5, threshold=9)
    yield contracted("softplus_flat", [4], "softplus", [4], beta=0.2, threshold=0.1)
    yield contracted("hardtanh_window", [6], "hardtanh", [6], min_val=-0.3, max_val=1.1)
    yield contracted("softmax_last", [2, 3], "softmax", [2, 3])
    yield contracted("softmax_first", [4, 2], "softmax", [4, 2], dim=1)
    yield contracted("log_softmax_last", [4], "log_softmax", [4])
    yield contracted("log_softmax_middle", [2, 3, 2], "log_softmax", [2, 3, 2], dim=2)


def broadcasting(draw):
    yield summed(
        "scalar_by_row",
        {"s": [], "x": [3]},
        {"s": draw.tensor([3]), "x": draw.tensor([3, 3])},
        [  # N = C: not a matrix product
            node("y", "mul", "s", "x"),
            node("z", "add", "x", "s"),
            node("w", "mul", "y", "z"),
        ],
    )
    yield summed(
        "row_by_matrix",
        {"r": [3], "m": [2, 3]},
        {"r": draw.tensor([2, 3]), "m": draw.tensor([2, 2, 3])},
        [node("y", "sub", "m", "r"), node("w", "mul", "y", "m")],
    )
    yield summed(
        "parameters_broadcast",
        {"x": [2, 3]},
        draw.tensor([4, 2, 3]),
        [
            node("a", "mul", "x", "row"),
            node("b", "add", "a", "column"),
            node("c", "div", "b", "scale"),
            node("d", "tanh", "c"),
            node("e", "maximum", "d", "floor"),
        ],
        {"row": draw.tensor([3]), "column": draw.tensor([2, 1]), "scale": 1.7, "floor": draw.tensor([2, 3], 0.5)},
    )
    yield summed(
        "size_one_axes",
        {"a": [1, 3], "b": [2, 1]},
        {"a": draw.tensor([3, 1, 3]), "b": draw.positive([3, 2, 1])},
        [node("y", "pow", "b", "a"), node("w", "minimum", "y", "a")],
    )
    yield summed(
        "wider_parameter",
        {"x": [3]},
        draw.tensor([2, 3]),
        [node("y", "mul", "x", "W"), node("z", "sin", "y")],
        {"W": draw.tensor([2, 3])},
    )


def expressions(draw):
    yield summed(
        "micrograd_sanity",
        ["x"],
        [-4.0],
        [
            node("two_x", "mul", 2, "x"),
            node("z2", "add", "two_x", 2),
            node("z", "add", "z2", "x"),
            node("relu_z", "relu", "z"),
            node("zx", "mul", "z", "x"),
            node("q", "add", "relu_z", "zx"),
            node("zz", "mul", "z", "z"),
            node("h", "relu", "zz"),
            node("hq", "add", "h", "q"),
            node("qx", "mul", "q", "x"),
            node("y", "add", "hq", "qx"),
        ],
    )
    yield summed(
        "staged",
        ["x", "y"],
        [[3, -4]],
        [  # (x + σ(y)) / (σ(x) + (x + y)²), of CS231n
            node("sy", "sigmoid", "y"),
            node("num", "add", "x", "sy"),
            node("sx", "sigmoid", "x"),
            node("xpy", "add", "x", "y"),
            node("square", "pow", "xpy", exponent=2),
            node("den", "add", "sx", "square"),
            node("f", "div", "num", "den"),
        ],
    )
    yield summed(
        "gauss",
        {"x": [3]},
        draw.tensor([4, 3]),
        [  # a Gaussian's negative log-likelihood, its mean and log-scale parameters
            node("centred", "sub", "x", "mu"),
            node("scale", "exp", "log_scale"),
            node("ratio", "div", "centred", "scale"),
            node("square", "pow", "ratio", exponent=2),
            node("half", "mul", "square", 0.5),
            node("each", "add", "half", "log_scale"),
            node("nll", "sum", "each"),
        ],
        {"mu": draw.tensor([3]), "log_scale": draw.tensor([3], 0.5)},
        loss={"op": "sum", "of": "nll", "reduction": "mean"},
    )
    yield summed(
        "attention",
        {"q": [2, 3], "k": [4, 3], "v": [4, 2]},
        {name: draw.tensor([2, *shape]) for name, shape in [("q", [2, 3]), ("k", [4, 3]), ("v", [4, 2])]},
        [
            node("kt", "permute", "k", dims=[0, 2, 1]),
            node("scores", "matmul", "q", "kt"),
            node("scaled", "div", "scores", 1.7320508075688772),
            node("p", "softmax", "scaled"),
            node("out", "matmul", "p", "v"),
            node("flat", "flatten", "out"),
        ],
        loss={"op": "mse", "of": "flat"},
        targets=draw.tensor([2, 4]),
    )
    yield summed(
        "rms_norm",
        {"x": [4]},
        draw.tensor([3, 4], 2),
        [  # no layer of that name needed
            node("square", "mul", "x", "x"),
            node("mean", "mean", "square", dim=-1, keepdim=True),
            node("eps", "add", "mean", 1e-6),
            node("root", "sqrt", "eps"),
            node("unit", "div", "x", "root"),
            node("y", "mul", "unit", "gain"),
        ],
        {"gain": draw.positive([4])},
        loss={"op": "squared_error", "of": "y"},
        targets=draw.tensor([3, 4]),
    )
    yield summed(
        "gate",
        {"x": [3]},
        draw.tensor([4, 3]),
        [
            node("g", "matmul", "x", "Wg"),
            node("gate", "sigmoid", "g"),
            node("u", "matmul", "x", "Wu"),
            node("cand", "tanh", "u"),
            node("keep", "mul", "gate", "x"),
            node("rest", "sub", 1, "gate"),
            node("new", "mul", "rest", "cand"),
            node("h", "add", "keep", "new"),
        ],
        {"Wg": draw.tensor([3, 3]), "Wu": draw.tensor([3, 3])},
        loss={"op": "cross_entropy", "of": "h", "reduction": "mean"},
        targets=[0, 2, 1, 1],
    )
