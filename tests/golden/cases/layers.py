"""Layers in sequence and as graphs: linear, dense, norms, embedding, dropout, in every spelling of their tensors."""

import base64
import struct

from cases.draw import Case, Draw, problem

LABELLED = {"op": "cross_entropy", "reduction": "mean"}


def cases():
    yield from one_mlp_thrice()
    for k, activation in enumerate(["relu", "tanh", "sigmoid", {"op": "leaky_relu", "negative_slope": 0.1}, "gelu", "silu"]):
        yield mlp(k, activation)
    yield tensor_spellings()
    yield shared_weight()
    yield dense()
    yield residual()
    yield two_heads()
    yield sequence_of_ops()
    yield linear_over_time()
    yield deep()
    yield autoencoder()
    yield from batch_norms()
    yield from layer_norms()
    yield from embeddings()
    yield from dropouts()


def one_mlp_thrice():
    """3-4-2, the same numbers in `layers`, in `nodes`, and neuron by neuron: three spellings of one answer."""
    draw = Draw("thrice")
    w1, b1, w2, b2 = draw.glorot([4, 3]), draw.tensor([4], 0.3), draw.glorot([2, 4]), draw.tensor([2], 0.3)
    batch, labels = draw.tensor([5, 3], 1.5), draw.labels([5], 2)
    parameters = {"fc1.weight": w1, "fc1.bias": b1, "fc2.weight": w2, "fc2.bias": b2}
    layers = [
        {"id": "fc1", "op": "linear", "in_features": 3, "out_features": 4, "activation": "tanh"},
        {"id": "fc2", "op": "linear", "in_features": 4, "out_features": 2},
    ]
    loss = {**LABELLED, "of": "fc2"}
    yield Case("mlp_as_layers", problem({"x": [3]}, batch, loss, layers=layers, parameters=parameters, targets=labels))
    nodes = [
        {"id": "fc2", "op": "linear", "inputs": ["h"]},
        {"id": "h", "op": "tanh", "inputs": ["fc1"]},
        {"id": "fc1", "op": "linear", "inputs": ["x"]},
    ]
    yield Case("mlp_as_nodes", problem({"x": [3]}, {"x": batch}, loss, nodes, parameters=parameters, targets=labels))
    units = [
        {"id": f"h{i}", "op": "neuron", "inputs": {f"x{j}": w1[i][j] for j in range(3)}, "bias": b1[i], "activation": "tanh"}
        for i in range(4)
    ]
    units += [{"id": f"o{i}", "op": "neuron", "inputs": {f"h{j}": w2[i][j] for j in range(4)}, "bias": b2[i]} for i in range(2)]
    yield Case("mlp_as_neurons", problem(["x0", "x1", "x2"], batch, {**LABELLED, "of": ["o0", "o1"]}, units, targets=labels))


def mlp(k, activation):
    """Sequential networks with inline tensors, in `parameters`, or half and half; ids written or generated."""
    draw = Draw(f"mlp {k}")
    sizes, samples = [draw.integer(3, 9)] + [draw.integer(4, 10) for _ in range(draw.integer(1, 3))] + [3], draw.integer(2, 8)
    layers, parameters = [], {}
    for i, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:])):
        named = k % 2 == 0
        layer = {"id": f"fc{i + 1}"} if named else {}
        layer |= {"op": "linear", "out_features": fan_out}
        weight, bias = draw.glorot([fan_out, fan_in]), draw.tensor([fan_out], 0.2)
        prefix = layer.get("id", str(i))
        if k % 3 == 0:
            parameters |= {f"{prefix}.weight": weight, f"{prefix}.bias": bias}
        elif k % 3 == 1:
            layer |= {"weight": weight, "bias": bias}
        else:
            layer["weight"] = weight
            if i % 2:
                layer["bias"] = False
            else:
                parameters[f"{prefix}.bias"] = bias
        if i < len(sizes) - 2:
            layer["activation"] = activation
        layers.append(layer)
    last = layers[-1].get("id", str(len(layers) - 1))
    loss, targets = [
        ({**LABELLED, "of": last}, draw.labels([samples], 3)),
        ({"op": "mse", "of": last, "reduction": "mean"}, draw.tensor([samples, 3])),
        ({"op": "cross_entropy", "of": last}, draw.probabilities([samples, 3])),
    ][k % 3]
    return Case(
        "mlp_" + "_".join(map(str, sizes)),
        problem(
            {"x": [sizes[0]]}, draw.tensor([samples, sizes[0]], 2), loss, layers=layers, parameters=parameters, targets=targets
        ),
    )


def tensor_spellings():
    """Every way to write a tensor: nested, flat with a shape, base64 of f64 and of f32, and big ones in few digits."""
    draw = Draw("spellings")
    pack = lambda kind, values: base64.b64encode(struct.pack(f"<{len(values)}{kind}", *values)).decode()
    layers = [
        {
            "id": "a",
            "op": "linear",
            "weight": {"shape": [4, 3], "data": draw.tensor([12])},
            "bias": draw.tensor([4]),
            "activation": "tanh",
        },
        {
            "id": "b",
            "op": "linear",
            "activation": "softplus",
            "weight": {"shape": [2, 4], "dtype": "f64", "base64": pack("d", draw.tensor([8], 1, 17))},
        },
        {"id": "c", "op": "linear", "weight": [[1e0, -2.5e-1]], "bias": [5]},
    ]
    parameters = {"b.bias": {"shape": [2], "dtype": "f32", "base64": pack("f", draw.tensor([2]))}}
    batch = {"shape": [4, 3], "dtype": "f64", "base64": pack("d", draw.tensor([12], 1, 17))}
    return Case(
        "tensor_spellings",
        problem(
            {"x": [3]},
            {"x": batch},
            {"op": "mse", "of": "c"},
            layers=layers,
            parameters=parameters,
            targets={"shape": [4, 1], "data": draw.tensor([4])},
        ),
    )


def shared_weight():
    """One matrix in three layers: its gradient is the sum over its uses."""
    draw = Draw("tied")
    nodes = [
        {"id": "first", "op": "linear", "inputs": ["x"], "weight": "W", "bias": "b", "activation": "tanh"},
        {"id": "second", "op": "linear", "inputs": ["first"], "weight": "W", "bias": "b", "activation": "tanh"},
        {"id": "third", "op": "linear", "inputs": ["second"], "weight": "W", "bias": False},
    ]
    return Case(
        "shared_matrix",
        problem(
            {"x": [4]},
            draw.tensor([3, 4]),
            {"op": "squared_error", "of": "third"},
            nodes,
            parameters={"W": draw.glorot([4, 4]), "b": draw.tensor([4], 0.3)},
            targets=draw.tensor([3, 4]),
        ),
    )


def dense():
    draw = Draw("dense")
    layers = [
        {"id": "hidden", "op": "dense", "units": 6, "activation": "relu"},
        {"id": "out", "op": "dense", "units": 4, "activation": "softmax"},
    ]
    parameters = {
        "hidden.weight": draw.glorot([6, 5]),
        "hidden.bias": draw.tensor([6], 0.2),
        "out.weight": draw.glorot([4, 6]),
        "out.bias": draw.tensor([4], 0.2),
    }
    loss = {"op": "cross_entropy", "of": "out", "from": "probabilities", "reduction": "mean"}
    return Case(
        "dense_softmax",
        problem({"x": [5]}, draw.tensor([6, 5]), loss, layers=layers, parameters=parameters, targets=draw.labels([6], 4)),
    )


def residual():
    """x + f(x), twice, with a norm before each branch: a transformer's wiring without its attention."""
    draw, nodes, parameters, stream = Draw("residual"), [], {}, "x"
    for k in (1, 2):
        nodes += [
            {"id": f"norm{k}", "op": "layer_norm", "inputs": [stream], "normalized_shape": [6]},
            {"id": f"up{k}", "op": "linear", "inputs": [f"norm{k}"], "activation": "gelu"},
            {"id": f"down{k}", "op": "linear", "inputs": [f"up{k}"]},
            {"id": f"res{k}", "op": "add", "inputs": [stream, f"down{k}"]},
        ]
        parameters |= {
            f"norm{k}.weight": draw.positive([6]),
            f"norm{k}.bias": draw.tensor([6], 0.2),
            f"up{k}.weight": draw.glorot([8, 6]),
            f"up{k}.bias": draw.tensor([8], 0.2),
            f"down{k}.weight": draw.glorot([6, 8]),
            f"down{k}.bias": draw.tensor([6], 0.2),
        }
        stream = f"res{k}"
    return Case(
        "residual",
        problem(
            {"x": [6]},
            draw.tensor([4, 6]),
            {"op": "cross_entropy", "of": "res2"},
            nodes,
            parameters=parameters,
            targets=draw.labels([4], 6),
        ),
    )


def two_heads():
    """One trunk, two heads, of which the loss reads one: the other's gradients are zeros, not absent."""
    draw = Draw("heads")
    nodes = [
        {
            "id": "trunk",
            "op": "linear",
            "inputs": ["x"],
            "weight": draw.glorot([5, 3]),
            "bias": draw.tensor([5]),
            "activation": "silu",
        },
        {"id": "used", "op": "linear", "inputs": ["trunk"], "weight": draw.glorot([2, 5]), "bias": False},
        {"id": "idle", "op": "linear", "inputs": ["trunk"], "weight": draw.glorot([3, 5]), "bias": draw.tensor([3])},
    ]
    return Case(
        "idle_head",
        problem(
            {"x": [3]}, draw.tensor([3, 3]), {"op": "l1", "of": "used", "reduction": "mean"}, nodes, targets=draw.tensor([3, 2])
        ),
    )


def sequence_of_ops():
    """`layers` mixes layers and plain ops; generated ids are positions."""
    draw = Draw("sequence")
    layers = [
        {"op": "linear", "out_features": 6},
        {"op": "elu", "alpha": 1.3},
        {"op": "linear", "bias": False, "out_features": 6},
        {"op": "softplus", "beta": 2.0},
        {"id": "skip", "op": "add", "inputs": ["1", "3"]},
        {"op": "log_softmax"},
    ]
    parameters = {"0.weight": draw.glorot([6, 4]), "0.bias": draw.tensor([6], 0.1), "2.weight": draw.glorot([6, 6])}
    return Case(
        "sequence",
        problem(
            {"features": [4]},
            draw.tensor([5, 4]),
            {"op": "nll", "of": "5"},
            layers=layers,
            parameters=parameters,
            targets=draw.labels([5], 6),
        ),
    )


def linear_over_time():
    """`linear` on [N, T, F] acts on the last axis; and the other axes are summed in its weight's gradient."""
    draw = Draw("time")
    layers = [
        {"id": "in", "op": "linear", "out_features": 4, "activation": "tanh"},
        {"id": "out", "op": "linear", "out_features": 2},
    ]
    parameters = {
        "in.weight": draw.glorot([4, 3]),
        "in.bias": draw.tensor([4], 0.2),
        "out.weight": draw.glorot([2, 4]),
        "out.bias": draw.tensor([2]),
    }
    return Case(
        "linear_over_time",
        problem(
            {"x": [5, 3]},
            draw.tensor([2, 5, 3]),
            {"op": "mse", "of": "out", "reduction": "mean"},
            layers=layers,
            parameters=parameters,
            targets=draw.tensor([2, 5, 2]),
        ),
    )


def deep():
    """Twenty-five layers, every fifth a skip: long products, short cuts."""
    draw, nodes, stream = Draw("deep"), [], "x"
    for k in range(25):
        node = {
            "id": f"l{k}",
            "op": "linear",
            "inputs": [stream],
            "weight": draw.glorot([3, 3]),
            "bias": draw.tensor([3], 0.1),
            "activation": "tanh",
        }
        nodes.append(node)
        stream = f"l{k}"
        if k % 5 == 4:
            nodes.append({"id": f"skip{k}", "op": "add", "inputs": [stream, f"skip{k - 5}" if k > 5 else "x"]})
            stream = f"skip{k}"
    return Case(
        "deep_skips",
        problem(
            {"x": [3]},
            draw.tensor([2, 3]),
            {"op": "squared_error", "of": stream, "factor": 0.5},
            nodes,
            targets=draw.tensor([2, 3]),
        ),
    )


def autoencoder():
    """Tied transposes: the decoder multiplies by the encoder's matrix itself, through `permute` and `matmul`."""
    draw = Draw("autoencoder")
    nodes = [
        {"id": "code", "op": "linear", "inputs": ["x"], "weight": "W", "bias": "c", "activation": "sigmoid"},
        {"id": "image", "op": "matmul", "inputs": ["code", "W"]},
        {"id": "shifted", "op": "add", "inputs": ["image", "d"]},
    ]
    parameters = {"W": draw.glorot([3, 6]), "c": draw.tensor([3]), "d": draw.tensor([6])}
    batch = draw.tensor([4, 6])
    return Case(
        "tied_autoencoder",
        problem(
            {"x": [6]},
            batch,
            {"op": "mse", "of": "shifted", "reduction": "mean"},
            nodes,
            parameters=parameters,
            targets=batch,
            regularization=[{"l2": 0.1, "parameters": ["W"]}],
        ),
    )


def batch_norms():
    draw = Draw("batch norm")
    around = lambda norm: [
        {"id": "fc", "op": "linear", "bias": False, "weight": draw.glorot([4, 3])},
        {"id": "bn", **norm},
        {"id": "act", "op": "relu"},
        {"id": "out", "op": "linear", "weight": draw.glorot([2, 4]), "bias": [0.1, -0.2]},
    ]
    affine = lambda count: {"bn.weight": draw.positive([count]), "bn.bias": draw.tensor([count])}
    running = lambda count: {"bn.running_mean": draw.tensor([count], 0.5), "bn.running_var": draw.positive([count])}
    loss = {**LABELLED, "of": "out"}

    def flat(name, norm, parameters, samples=6):
        return Case(
            name,
            problem(
                {"x": [3]},
                draw.tensor([samples, 3], 2),
                loss,
                layers=around(norm),
                parameters=parameters,
                targets=draw.labels([samples], 2),
            ),
        )

    yield flat("batch_norm1d", {"op": "batch_norm1d", "num_features": 4}, affine(4))
    yield flat("batch_norm1d_eval", {"op": "batch_norm1d", "training": False}, affine(4) | running(4))
    yield flat("batch_norm1d_bare", {"op": "batch_norm1d", "affine": False, "eps": 1e-3}, {})
    yield flat("batch_norm1d_eval_bare", {"op": "batch_norm1d", "affine": False, "training": False, "eps": 0.01}, running(4), 1)
    cotangent = {"op": "cotangent", "of": "bn", "value": draw.tensor([3, 4, 5])}
    yield Case(
        "batch_norm1d_over_time",
        problem(
            {"x": [4, 5]}, draw.tensor([3, 4, 5], 2), cotangent, layers=[{"id": "bn", "op": "batch_norm1d"}], parameters=affine(4)
        ),
    )
    for training in (True, False):
        layers = [{"id": "bn", "op": "batch_norm2d", "training": training, "momentum": 0.2, "activation": "tanh"}]
        shape = [3, 2, 3, 4]
        yield Case(
            "batch_norm2d" + ("" if training else "_eval"),
            problem(
                {"img": shape[1:]},
                draw.tensor(shape, 2),
                {"op": "mse", "of": "bn", "reduction": "mean"},
                layers=layers,
                parameters=affine(2) | ({} if training else running(2)),
                targets=draw.tensor(shape),
            ),
        )


def layer_norms():
    draw = Draw("layer norm")

    def one(name, shape, attributes, parameters, samples=3):
        loss = {"op": "cotangent", "of": "ln", "value": draw.tensor([samples, *shape])}
        return Case(
            name,
            problem(
                {"x": shape},
                draw.tensor([samples, *shape], 2),
                loss,
                layers=[{"id": "ln", "op": "layer_norm", **attributes}],
                parameters=parameters,
            ),
        )

    yield one("layer_norm", [6], {"normalized_shape": 6}, {"ln.weight": draw.positive([6]), "ln.bias": draw.tensor([6])})
    yield one(
        "layer_norm_over_time",
        [4, 3],
        {"normalized_shape": [3], "eps": 1e-3},
        {"ln.weight": draw.positive([3]), "ln.bias": draw.tensor([3])},
    )
    yield one(
        "layer_norm_two_axes",
        [2, 3, 4],
        {"normalized_shape": [3, 4]},
        {"ln.weight": draw.positive([3, 4]), "ln.bias": draw.tensor([3, 4])},
        2,
    )
    yield one("layer_norm_bare", [2, 5], {"normalized_shape": [2, 5], "elementwise_affine": False}, {})
    yield one(
        "layer_norm_no_bias",
        [5],
        {"normalized_shape": [5], "bias": False, "activation": "gelu"},
        {"ln.weight": draw.positive([5])},
        1,
    )


def embeddings():
    draw = Draw("embedding")
    tokens = lambda *shape: {"tokens": {"shape": list(shape), "dtype": "i64"}}
    bag = [
        {"id": "emb", "op": "embedding", "num_embeddings": 7, "embedding_dim": 4},
        {"id": "bag", "op": "mean", "dim": 1},
        {"id": "out", "op": "linear", "out_features": 3},
    ]
    parameters = lambda: {"emb.weight": draw.tensor([7, 4]), "out.weight": draw.glorot([3, 4]), "out.bias": draw.tensor([3])}
    batch = [[1, 1, 4, 0, 6], [2, 5, 2, 2, 1], [3, 3, 3, 3, 3]]
    loss = {**LABELLED, "of": "out"}
    yield Case("embedding_bag", problem(tokens(5), batch, loss, layers=bag, parameters=parameters(), targets=[0, 2, 1]))
    padded = [{**bag[0], "padding_idx": 0}, *bag[1:]]
    yield Case(
        "embedding_padded",
        problem(
            tokens(5),
            {"tokens": [[1, 2, 0, 0, 0], [6, 0, 0, 0, 0], [4, 5, 6, 4, 0]]},
            loss,
            layers=padded,
            parameters=parameters(),
            targets=[0, 2, 1],
        ),
    )
    negative = [
        {"id": "emb", "op": "embedding", "padding_idx": -1, "weight": draw.tensor([4, 3])},
        {"id": "flat", "op": "flatten"},
    ]
    yield Case(
        "embedding_padded_last",
        problem(tokens(3), [[3, 0, 2], [1, 3, 3]], {"op": "mse", "of": "flat"}, layers=negative, targets=draw.tensor([2, 9])),
    )
    nodes = [
        {"id": "user", "op": "embedding", "inputs": ["u"], "weight": "table"},
        {"id": "item", "op": "embedding", "inputs": ["i"], "weight": "table"},
        {"id": "product", "op": "mul", "inputs": ["user", "item"]},
        {"id": "scaled", "op": "mul", "inputs": ["product", "s"]},
        {"id": "score", "op": "sum", "inputs": ["scaled"], "dim": 1},
    ]
    inputs = {"u": {"shape": [], "dtype": "i64"}, "i": {"shape": [], "dtype": "i64"}, "s": [3]}
    yield Case(
        "embedding_factors",
        problem(
            inputs,
            {"u": [0, 1, 4, 1], "i": [2, 3, 4, 1], "s": draw.tensor([4, 3])},
            {"op": "bce_with_logits", "of": "score", "reduction": "mean"},
            nodes,
            parameters={"table": draw.tensor([5, 3])},
            targets=[1, 0, 0, 1],
        ),
    )
    text = [
        {"id": "emb", "op": "embedding", "weight": draw.tensor([5, 3])},
        {"id": "ln", "op": "layer_norm", "elementwise_affine": False, "normalized_shape": 3},
        {"id": "max", "op": "linear", "weight": draw.glorot([2, 3]), "activation": "tanh"},
        {"id": "flat", "op": "reshape", "shape": [-1, 8]},
    ]
    yield Case(
        "embedding_normed",
        problem(
            tokens(2, 2),
            [[[0, 1], [2, 2]], [[4, 4], [0, 3]]],
            {"op": "squared_error", "of": "flat"},
            layers=text,
            parameters={"max.bias": [0.1, 0.2]},
            targets=draw.tensor([2, 8]),
        ),
    )


def dropouts():
    draw = Draw("dropout")
    net = lambda drop: [
        {"id": "fc", "op": "linear", "weight": draw.glorot([5, 3]), "bias": draw.tensor([5]), "activation": "tanh"},
        {"id": "drop", "op": "dropout", **drop},
        {"id": "out", "op": "linear", "weight": draw.glorot([2, 5]), "bias": False},
    ]
    case = lambda name, drop: Case(
        name,
        problem(
            {"x": [3]}, draw.tensor([4, 3]), {"op": "cross_entropy", "of": "out"}, layers=net(drop), targets=draw.labels([4], 2)
        ),
    )
    yield case("dropout_mask", {"p": 0.4, "mask": draw.integers([4, 5], 0, 1)})
    yield case("dropout_one_mask_for_all", {"p": 0.5, "mask": [1, 0, 0, 1, 1]})
    yield case("dropout_eval", {"p": 0.9, "training": False})
    yield case("dropout_nothing", {"p": 0})
