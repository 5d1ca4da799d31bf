"""Writes `openapi/examples/NAME.json`, requests for people to read and post, and `examples/NAME.json`, their replies by PyTorch
in f64 with the numbers that others have published. Both are checked: PyTorch against a second judge in 50-digit arithmetic, and
the published numbers against PyTorch.

    pip install torch scikit-learn mpmath
    python tests/golden/make_examples.py
"""

import json
import pathlib

import numpy as np
import torch
from sklearn.datasets import load_digits

import mpmath_judge
import torch_judge

HERE = pathlib.Path(__file__).parent
EXAMPLES = HERE.parent.parent / "openapi" / "examples"


def neuron(id, inputs, bias=None, activation=None):
    node = {"id": id, "op": "neuron", "inputs": inputs}
    if bias is not None:
        node["bias"] = bias
    if activation:
        node["activation"] = activation
    return node


def lecture():
    """z6, z7 -> z4, z5 -> z1, z2, z3 -> cross-entropy over ice cream, oranges and everything else."""
    nodes = [
        neuron("z6", {"x1": 0.5, "x2": -0.3}, 0.1, "tanh"),
        neuron("z7", {"x1": -0.4, "x2": 0.8}, -0.2, "tanh"),
        neuron("z4", {"z6": 0.7, "z7": -0.6}, 0.05, "tanh"),
        neuron("z5", {"z6": -0.9, "z7": 0.4}, 0.3, "tanh"),
        neuron("z1", {"z4": 1.1, "z5": -0.5}, 0.2),
        neuron("z2", {"z4": -0.7, "z5": 0.9}, -0.1),
        neuron("z3", {"z4": 0.3, "z5": 0.6}, 0.0),
    ]
    return {
        "network": {"inputs": ["x1", "x2"], "nodes": nodes},
        "batch": {"inputs": [[1.0, 0.5], [-0.5, 1.5], [0.25, -1.0]], "targets": [0, 1, 2]},
        "loss": {"op": "cross_entropy", "of": ["z1", "z2", "z3"], "reduction": "sum"},
    }, []


def mazur():
    nodes = [
        neuron("h1", {"i1": 0.15, "i2": 0.20}, "b1", "sigmoid"),
        neuron("h2", {"i1": 0.25, "i2": 0.30}, "b1", "sigmoid"),
        neuron("o1", {"h1": 0.40, "h2": 0.45}, "b2", "sigmoid"),
        neuron("o2", {"h1": 0.50, "h2": 0.55}, "b2", "sigmoid"),
    ]
    source = "Mazur, A Step by Step Backpropagation Example (2015)"
    published = [
        ("loss", 0.298371109, 9),
        ("trace/h1/z/0", 0.593269992, 9),
        ("trace/h2/z/0", 0.596884378, 9),
        ("trace/h1/a/0", 0.3775, 4),
        ("trace/o1/a/0", 1.105905967, 10),
        ("trace/o1/z/0", 0.75136507, 8),
        ("trace/o2/z/0", 0.772928465, 9),
        ("trace/o1/dE_dz/0", 0.74136507, 8),
        ("trace/o2/dE_dz/0", -0.217071535, 9),
        ("trace/o1/dE_da/0", 0.138498562, 9),
        ("trace/o2/dE_da/0", -0.038098237, 8),
        ("gradients/h1->o1", 0.082167041, 8),
        ("trace/h1/dE_dz/0", 0.036350306, 8),
        ("gradients/i1->h1", 0.000438568, 6),
    ]
    return {
        "network": {"inputs": ["i1", "i2"], "nodes": nodes},
        "parameters": {"b1": 0.35, "b2": 0.60},
        "batch": {"inputs": [[0.05, 0.10]], "targets": [[0.01, 0.99]]},
        "loss": {"op": "squared_error", "of": ["o1", "o2"], "factor": 0.5},
    }, [(*row, source) for row in published]


def cs231n_circuit():
    source = "CS231n, Backpropagation, Intuitions"
    published = [
        ("loss", -12, 2),
        ("input_gradients/x/0", -4, 1),
        ("input_gradients/y/0", -4, 1),
        ("input_gradients/z/0", 3, 1),
        ("trace/q/dE_dz/0", -4, 1),
        ("trace/q/z/0", 3, 1),
    ]
    return {
        "network": {
            "inputs": ["x", "y", "z"],
            "nodes": [
                {"id": "q", "op": "add", "inputs": ["x", "y"]},
                {"id": "f", "op": "mul", "inputs": ["q", "z"]},
            ],
        },
        "batch": {"inputs": [[-2, 5, -4]]},
        "loss": {"op": "sum", "of": "f"},
        "options": {"wrt": "inputs"},
    }, [(*row, source) for row in published]


def cs231n_neuron():
    source = "CS231n, Backpropagation, Intuitions"
    published = [
        ("loss", 0.73, 2),
        ("trace/f/a/0", 1.0, 1),
        ("trace/f/dE_da/0", 0.20, 2),
        ("gradients/x0->f", -0.20, 2),
        ("gradients/x1->f", -0.39, 2),
        ("gradients/f.bias", 0.20, 2),
        ("input_gradients/x0/0", 0.39, 2),
        ("input_gradients/x1/0", -0.59, 2),
    ]
    return {
        "network": {"inputs": ["x0", "x1"], "nodes": [neuron("f", {"x0": 2.0, "x1": -3.0}, -3.0, "sigmoid")]},
        "batch": {"inputs": [[-1.0, -2.0]]},
        "loss": {"op": "sum", "of": "f"},
        "options": {"wrt": "inputs"},
    }, [(*row, source) for row in published]


def cs231n_two_layer():
    """A ReLU unit that is dead for this sample: its weights get no gradient."""
    source = "g-eoj/cs231n, two-layer net"
    published = [
        ("loss", 1.0513754685043635, 15),
        ("trace/scores/z/0/0", 0.4332, 4),
        ("trace/scores/z/0/1", -0.228, 3),
        ("trace/scores/z/0/2", 0.228, 3),
        ("trace/hidden/z/0/0", 2.28, 3),
        ("trace/hidden/z/0/1", 0, 1),
        ("trace/scores/dE_dz/0/0", 0.429052723714429, 14),
        ("trace/scores/dE_dz/0/1", 0.221490524652532, 14),
        ("trace/scores/dE_dz/0/2", -0.65054324836696, 13),
        ("gradients/scores.bias/0", 0.429052723714429, 14),
        ("gradients/scores.weight/1/0", 0.504998396207772, 14),
        ("gradients/scores.weight/0/1", 0, 1),
        ("gradients/scores.weight/0/0", 0.978240210068897, 14),
        ("gradients/scores.weight/2/0", -1.483238606276669, 15),
        ("gradients/hidden.weight/0/0", -0.090933756739324, 13),
        ("gradients/hidden.weight/0/1", 0.034100158777246, 13),
        ("gradients/hidden.bias/0", -0.005683359796208, 12),
        ("gradients/hidden.weight/1/0", 0, 1),
        ("gradients/hidden.bias/1", 0, 1),
    ]
    return {
        "network": {
            "inputs": {"x": [2]},
            "layers": [
                {"id": "hidden", "op": "linear", "weight": [[0.18, 0.1], [0.04, 0.22]], "bias": [0, 0], "activation": "relu"},
                {"id": "scores", "op": "linear", "weight": [[0.19, -0.02], [-0.1, -0.01], [0.1, 0.04]], "bias": [0, 0, 0]},
            ],
        },
        "batch": {"inputs": [[16, -6]], "targets": [2]},
        "loss": {"op": "cross_entropy", "of": "scores"},
    }, [(*row, source) for row in published]


def micrograd():
    """The expression of micrograd's README, operation by operation."""
    nodes = []

    def op(id, name, *inputs, **attributes):
        nodes.append({"id": id, "op": name, "inputs": list(inputs), **attributes})
        return id

    # c = a + b;  d = a * b + b**3;  c += c + 1;  c += 1 + c + (-a);  d += d * 2 + (b + a).relu();  d += 3 * d + (b - a).relu()
    # e = c - d;  f = e**2;  g = f / 2.0;  g += 10.0 / f
    op("c0", "add", "a", "b")
    op("ab", "mul", "a", "b")
    op("b3", "pow", "b", exponent=3)
    op("d0", "add", "ab", "b3")
    op("c0_1", "add", "c0", 1)
    op("c1", "add", "c0", "c0_1")
    op("c1_1", "add", 1, "c1")
    op("c1_a", "sub", "c1_1", "a")
    op("c2", "add", "c1", "c1_a")
    op("d0_2", "mul", "d0", 2)
    op("b_plus_a", "add", "b", "a")
    op("r1", "relu", "b_plus_a")
    op("d0_r", "add", "d0_2", "r1")
    op("d1", "add", "d0", "d0_r")
    op("d1_3", "mul", 3, "d1")
    op("b_minus_a", "sub", "b", "a")
    op("r2", "relu", "b_minus_a")
    op("d1_r", "add", "d1_3", "r2")
    op("d2", "add", "d1", "d1_r")
    op("e", "sub", "c2", "d2")
    op("f", "pow", "e", exponent=2)
    op("f_half", "div", "f", 2)
    op("ten_f", "div", 10, "f")
    op("g", "add", "f_half", "ten_f")
    source = "karpathy/micrograd README"
    published = [("loss", 24.7041, 6), ("input_gradients/a/0", 138.8338, 7), ("input_gradients/b/0", 645.5773, 7)]
    return {
        "network": {"inputs": ["a", "b"], "nodes": nodes},
        "batch": {"inputs": [[-4.0, 2.0]]},
        "loss": {"op": "sum", "of": "g"},
        "options": {"wrt": "inputs"},
    }, [(*row, source) for row in published]


def rounded(tensor, places=4):
    return [rounded(row, places) for row in tensor] if tensor.dim() else round(float(tensor), places) + 0.0


def digits(count):
    """Real handwritten digits (UCI, in scikit-learn), their grey levels from 0 to 1."""
    data = load_digits()
    images = torch.tensor(data.images[:count] / 16.0)
    return images, [int(label) for label in data.target[:count]]


def trained(network, images, labels, steps):
    """A few steps of descent, so that the classifier is neither random nor perfect."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.2)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), torch.tensor(labels)).backward()
        optimizer.step()
    return {name: rounded(value.detach()) for name, value in network.named_parameters()}


def digits_mlp():
    torch.manual_seed(1)
    images, labels = digits(32)
    pixels = images.reshape(32, 64)
    model = torch.nn.Sequential()
    model.add_module("fc1", torch.nn.Linear(64, 32))
    model.add_module("relu", torch.nn.ReLU())
    model.add_module("fc2", torch.nn.Linear(32, 10))
    parameters = trained(model.double(), pixels, labels, 40)
    return {
        "network": {
            "inputs": {"image": [64]},
            "layers": [
                {"id": "fc1", "op": "linear", "in_features": 64, "out_features": 32, "activation": "relu"},
                {"id": "fc2", "op": "linear", "in_features": 32, "out_features": 10},
            ],
        },
        "parameters": parameters,
        "batch": {"inputs": rounded(pixels), "targets": labels},
        "loss": {"op": "cross_entropy", "of": "fc2", "reduction": "mean"},
    }, []


def lenet():
    torch.manual_seed(2)
    images, labels = digits(16)
    model = torch.nn.Sequential()
    model.add_module("conv1", torch.nn.Conv2d(1, 4, 3, padding=1))
    model.add_module("tanh1", torch.nn.Tanh())
    model.add_module("pool1", torch.nn.AvgPool2d(2))
    model.add_module("conv2", torch.nn.Conv2d(4, 8, 3))
    model.add_module("tanh2", torch.nn.Tanh())
    model.add_module("pool2", torch.nn.MaxPool2d(2))
    model.add_module("flat", torch.nn.Flatten())
    model.add_module("fc1", torch.nn.Linear(8, 16))
    model.add_module("tanh3", torch.nn.Tanh())
    model.add_module("fc2", torch.nn.Linear(16, 10))
    images = images.reshape(16, 1, 8, 8)
    parameters = trained(model.double(), images, labels, 300)
    return {
        "network": {
            "inputs": {"image": [1, 8, 8]},
            "layers": [
                {
                    "id": "conv1",
                    "op": "conv2d",
                    "in_channels": 1,
                    "out_channels": 4,
                    "kernel_size": 3,
                    "padding": 1,
                    "activation": "tanh",
                },
                {"id": "pool1", "op": "avg_pool2d", "kernel_size": 2},
                {"id": "conv2", "op": "conv2d", "in_channels": 4, "out_channels": 8, "kernel_size": 3, "activation": "tanh"},
                {"id": "pool2", "op": "max_pool2d", "kernel_size": 2},
                {"id": "flat", "op": "flatten"},
                {"id": "fc1", "op": "linear", "in_features": 8, "out_features": 16, "activation": "tanh"},
                {"id": "fc2", "op": "linear", "in_features": 16, "out_features": 10},
            ],
        },
        "parameters": parameters,
        "batch": {"inputs": rounded(images), "targets": labels},
        "loss": {"op": "cross_entropy", "of": "fc2", "reduction": "mean"},
    }, []


def text_classifier():
    """Is it about ice cream or about oranges? A bag of embedded words, their mean, and a linear classifier."""
    words = ["<pad>", "i", "like", "cold", "sweet", "sour", "ice", "cream", "orange", "juice", "fresh", "peel"]
    sentences = [("i like cold ice cream", 0), ("sour orange juice", 1), ("fresh orange peel", 1), ("sweet cold cream", 0)]
    tokens = [[words.index(word) for word in text.split()] for text, _ in sentences]
    tokens = [row + [0] * (5 - len(row)) for row in tokens]
    torch.manual_seed(3)
    return {
        "network": {
            "inputs": {"tokens": {"shape": [5], "dtype": "i64"}},
            "layers": [
                {"id": "words", "op": "embedding", "num_embeddings": len(words), "embedding_dim": 3, "padding_idx": 0},
                {"id": "bag", "op": "mean", "dim": 1},
                {"id": "topic", "op": "linear", "in_features": 3, "out_features": 2},
            ],
        },
        "parameters": {
            "words.weight": [[0.0] * 3] + rounded(torch.randn(len(words) - 1, 3), 2),
            "topic.weight": rounded(torch.randn(2, 3), 2),
            "topic.bias": [0.1, -0.1],
        },
        "batch": {"inputs": tokens, "targets": [label for _, label in sentences]},
        "loss": {"op": "cross_entropy", "of": "topic", "reduction": "mean"},
    }, []


def sequence_classifier():
    """The same question by what stands where: words look at each other but not at padding, then are read in order by an LSTM."""
    words = ["<pad>", "i", "like", "cold", "sweet", "sour", "ice", "cream", "orange", "juice", "fresh", "peel"]
    sentences = [("i like cold ice cream", 0), ("sour orange juice", 1), ("fresh orange peel", 1), ("sweet cold cream", 0)]
    tokens = [[words.index(word) for word in text.split()] for text, _ in sentences]
    padding = [[0] * len(row) + [1] * (5 - len(row)) for row in tokens]
    torch.manual_seed(4)
    layer, rnn = torch.nn.TransformerEncoderLayer(4, 2, 6), torch.nn.LSTM(4, 3)
    parameters = {f"context.{name}": value for name, value in layer.named_parameters()}
    parameters |= {f"reader.{name}": value for name, value in rnn.named_parameters()}
    nodes = [
        {"id": "words", "op": "embedding", "inputs": ["tokens"], "num_embeddings": len(words), "embedding_dim": 4, "padding_idx": 0},
        {
            "id": "context",
            "op": "transformer_encoder_layer",
            "inputs": ["words"],
            "nhead": 2,
            "dim_feedforward": 6,
            "activation": "gelu",
            "dropout": 0,
            "src_key_padding_mask": "padding",
        },
        {"id": "reader", "op": "lstm", "inputs": ["context"], "hidden_size": 3},
        {"id": "end", "op": "flatten", "inputs": ["reader.h_n"]},
        {"id": "topic", "op": "linear", "inputs": ["end"], "out_features": 2},
    ]
    return {
        "network": {
            "inputs": {"tokens": {"shape": [5], "dtype": "i64"}, "padding": {"shape": [5], "dtype": "i64"}},
            "nodes": nodes,
        },
        "parameters": {
            "words.weight": [[0.0] * 4] + rounded(torch.randn(len(words) - 1, 4), 2),
            **{name: rounded(value.detach(), 2) for name, value in parameters.items()},
            "topic.weight": rounded(torch.randn(2, 3), 2),
            "topic.bias": [0.1, -0.1],
        },
        "batch": {
            "inputs": {"tokens": [row + [0] * (5 - len(row)) for row in tokens], "padding": padding},
            "targets": [label for _, label in sentences],
        },
        "loss": {"op": "cross_entropy", "of": "topic", "reduction": "mean"},
    }, []


def mixed():
    """Layers and the lecture's neurons in one network, with a skip edge from x to the last neuron."""
    return {
        "network": {
            "inputs": {"x": [3]},
            "nodes": [
                {
                    "id": "features",
                    "op": "linear",
                    "inputs": ["x"],
                    "in_features": 3,
                    "out_features": 2,
                    "activation": "tanh",
                    "weight": [[0.5, -0.2, 0.1], [0.3, 0.8, -0.6]],
                    "bias": [0.1, -0.1],
                },
                {"id": "f0", "op": "select", "inputs": ["features"], "dim": 1, "index": 0},
                {"id": "f1", "op": "select", "inputs": ["features"], "dim": 1, "index": 1},
                {"id": "x2", "op": "select", "inputs": ["x"], "dim": 1, "index": 2},
                neuron("z2", {"f0": 0.9, "f1": -0.4}, 0.2, "sigmoid"),
                neuron("z1", {"z2": 1.5, "x2": -0.7}, 0.0),
            ],
        },
        "batch": {"inputs": [[1.0, 0.5, -0.5], [-1.0, 2.0, 0.25]], "targets": [0.8, -0.2]},
        "loss": {"op": "mse", "of": "z1", "reduction": "mean"},
    }, []


def readable(value, depth=0):
    """JSON with one line for every row of numbers and every node."""
    flat = json.dumps(value, allow_nan=False)
    if not isinstance(value, (dict, list)) or not value:
        return flat
    plain = not any(isinstance(v, (dict, list)) for v in (value.values() if isinstance(value, dict) else value))
    numbers = isinstance(value, list) and plain
    if (
        numbers
        or (depth > 0 and len(flat) <= 100)
        or (depth > 1 and isinstance(value, dict) and "op" in value and len(flat) <= 170)
    ):
        return flat
    pad = "  " * (depth + 1)
    if isinstance(value, dict):
        inside = [f"{json.dumps(key)}: {readable(v, depth + 1)}" for key, v in value.items()]
    else:
        inside = [readable(v, depth + 1) for v in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return opening + "\n" + ",\n".join(pad + line for line in inside) + "\n" + "  " * depth + closing


def at(reply, path):
    for step in path.split("/"):
        reply = reply[int(step)] if isinstance(reply, list) else reply[step]
    return reply


def agrees(value, published, digits):
    """To half a unit of the last published digit; a unit, where the author cut instead of rounding."""
    if published == 0:
        return value == 0
    unit = 10.0 ** (np.floor(np.log10(abs(published))) - digits + 1)
    return abs(value - published) <= unit


def main():
    EXAMPLES.mkdir(parents=True, exist_ok=True)
    (HERE / "examples").mkdir(exist_ok=True)
    for make in [
        lecture,
        mazur,
        cs231n_circuit,
        cs231n_neuron,
        cs231n_two_layer,
        micrograd,
        digits_mlp,
        lenet,
        text_classifier,
        sequence_classifier,
        mixed,
    ]:
        request, published = make()
        request = json.loads(json.dumps(request))
        (EXAMPLES / f"{make.__name__}.json").write_text(readable(request) + "\n")
        judged = {**request, "options": {"trace": True, "wrt": ["*", "inputs"], **request.get("options", {})}}
        reply = torch_judge.as_json(torch_judge.judge(judged))
        check = mpmath_judge.disagreement(judged, reply, 2)
        assert check["worst"] < 1e-13, f"{make.__name__}: {check}"
        if "inputs" not in json.dumps(request.get("options", {})):
            reply.pop("input_gradients", None)
        for path, value, digits_, source in published:
            assert agrees(at(reply, path), value, digits_), f"{make.__name__} {path}: {at(reply, path)} is not {value}"
        rows = [{"path": path, "value": value, "digits": digits_, "source": source} for path, value, digits_, source in published]
        golden = {"published": rows, "reply": reply}
        (HERE / "examples" / f"{make.__name__}.json").write_text(
            json.dumps(golden, separators=(",", ":"), allow_nan=False) + "\n"
        )
        print(
            f"{make.__name__:18} loss {reply['loss']:.6f}, {len(rows)} published numbers, off the truth by {check['worst']:.1e}"
        )


if __name__ == "__main__":
    main()
