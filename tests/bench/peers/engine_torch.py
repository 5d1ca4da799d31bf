"""PyTorch's side of tests/bench/engine.rs: eager, forward and backward, one thread.

Reads lines `CASE DTYPE COUNT`, answers `PARAMETERS SECONDS SECONDS ...`.
"""

import random
import sys
import time

import torch
from torch import nn

torch.set_num_threads(1)


def classifier(model, shape, classes):
    x = torch.rand(shape) - 0.5
    target = torch.arange(shape[0]) % classes
    loss = nn.CrossEntropyLoss(reduction="sum")
    model = model.to(x.dtype)
    return list(model.parameters()), lambda: loss(model(x), target)


def mlp(sizes, activation, batch):
    layers = []
    for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
        layers += [nn.Linear(a, b)] + ([activation()] if i < len(sizes) - 2 else [])
    return classifier(nn.Sequential(*layers), (batch, sizes[0]), sizes[-1])


def neurons(edges, inputs, outputs, loss, activation=torch.tanh):
    """A network neuron by neuron: {target: {source: weight}}, as a student writes it with scalar tensors."""
    weights = {k: {j: torch.tensor(w, requires_grad=True) for j, w in ins.items()} for k, (ins, _, _) in edges.items()}
    biases = {k: torch.tensor(b, requires_grad=True) for k, (_, b, _) in edges.items() if b is not None}

    def run():
        z = dict(inputs)
        for k, (ins, _, active) in edges.items():
            a = sum(w * z[j] for j, w in weights[k].items())
            if k in biases:
                a = a + biases[k]
            z[k] = activation(a) if active else a
        return loss([z[k] for k in outputs])

    return [w for ins in weights.values() for w in ins.values()] + list(biases.values()), run


def lecture_b4():
    edges = {
        "z6": ({"x1": 0.5, "x2": -0.3}, 0.1, True),
        "z7": ({"x1": -0.4, "x2": 0.8}, -0.2, True),
        "z4": ({"z6": 0.7, "z7": -0.6}, 0.05, True),
        "z5": ({"z6": -0.9, "z7": 0.4}, 0.3, True),
        "z1": ({"z4": 1.1, "z5": -0.5}, 0.2, False),
        "z2": ({"z4": -0.7, "z5": 0.9}, -0.1, False),
        "z3": ({"z4": 0.3, "z5": 0.6}, 0.0, False),
    }
    inputs = {"x1": torch.tensor([1.0, -0.5, 0.25, 0.75]), "x2": torch.tensor([0.5, 1.5, -1.0, 0.5])}
    target = torch.tensor([0, 1, 2, 0])
    cross_entropy = nn.CrossEntropyLoss(reduction="sum")
    return neurons(edges, inputs, ["z1", "z2", "z3"], lambda z: cross_entropy(torch.stack(z, 1), target))


def graph_2k_100k_b32():
    """2,000 of the 100,000 edges: 40 neurons of 50 inputs each."""
    draw, fan_in = random.Random(9), 50
    names = [f"x{i}" for i in range(fan_in)]
    inputs = {name: torch.rand(32) - 0.5 for name in names}
    edges = {}
    for k in range(40):
        edges[f"z{k}"] = ({j: draw.uniform(-0.1, 0.1) for j in draw.sample(names, fan_in)}, None, True)
        names.append(f"z{k}")
    return neurons(edges, inputs, list(edges), lambda z: sum(z).sum())


def lenet5_b64():
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip
    return classifier(model, (64, 1, 28, 28), 10)


class Pooled(nn.Module):
    """The mean over time of what a layer over sequences makes of its input."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        y = self.layer(x)
        return (y[0] if isinstance(y, tuple) else y).mean(1)


def transformer(feed_forward):
    layer = nn.TransformerEncoderLayer(128, 4, feed_forward, dropout=0.0, batch_first=True)
    return classifier(Pooled(layer), (16, 32, 128), 128)


def lstm_32_64_t50_b32():
    return classifier(Pooled(nn.LSTM(32, 64, batch_first=True)), (32, 50, 32), 64)


CASES = {
    "transformer_l32_b16_ff2048": lambda: transformer(2048),
    "transformer_l32_b16_ff512": lambda: transformer(512),
    "lstm_32_64_t50_b32": lstm_32_64_t50_b32,
    "lecture_b4": lecture_b4,
    "mlp_4_16_3_b32": lambda: mlp([4, 16, 3], nn.Tanh, 32),
    "mlp_784_256_128_10_b32": lambda: mlp([784, 256, 128, 10], nn.ReLU, 32),
    "mlp_784_512_512_10_b256": lambda: mlp([784, 512, 512, 10], nn.ReLU, 256),
    "lenet5_b64": lenet5_b64,
    "graph_2k_100k_b32": graph_2k_100k_b32,
}

made = {}
for line in sys.stdin:
    case, dtype, count = line.split()
    if (case, dtype) not in made:
        torch.set_default_dtype({"f64": torch.float64, "f32": torch.float32}[dtype])
        made[case, dtype] = CASES[case]()
    parameters, run = made[case, dtype]
    times = []
    for _ in range(int(count)):
        for parameter in parameters:
            parameter.grad = None
        started = time.perf_counter()
        run().backward()
        times.append(time.perf_counter() - started)
    print(sum(p.numel() for p in parameters), *times, flush=True)
