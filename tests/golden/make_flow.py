"""Makes flow/*.json: gradient flow of deep networks, measured by PyTorch.

The weights are those of the service's own initialisers, drawn by `random_streams.py`; values and derivatives are PyTorch's, and the
measures are taken from their definitions in the OpenAPI document.

    python tests/golden/make_flow.py
"""

import json
import math
import pathlib
import random

import torch

import random_streams

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
WIDTH, DEPTH, SAMPLES, LR = 32, 30, 16, 0.001
SLOPES = {"tanh": 1.0, "sigmoid": 0.25}
ACTIVATIONS = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu}


def network(activation, weight, bias, residual):
    nodes, before = [], "x"
    for i in range(1, DEPTH + 1):
        fc = {"id": f"fc{i}", "op": "linear", "inputs": [before], "out_features": WIDTH, "activation": activation}
        fc |= {"weight": {**weight, "seed": i}, "bias": {"init": "constant", "val": bias}}
        nodes.append(fc)
        before = fc["id"]
        if residual and i > 1:
            source = nodes[-1]["inputs"][0]
            nodes.append({"id": f"sum{i}", "op": "add", "inputs": [source, before]})
            before = f"sum{i}"
    out = {"id": "out", "op": "linear", "inputs": [before], "out_features": 4}
    nodes.append(out | {"weight": {"init": "xavier_uniform", "seed": 99}, "bias": {"init": "constant", "val": 0.0}})
    return nodes


def drawn(spec, name, shape):
    case = {k: v for k, v in spec.items() if k != "seed"}
    values = random_streams.values({**case, "seed": str(spec.get("seed", 0)), "stream": name, "shape": shape})
    return torch.tensor(values).reshape(shape).requires_grad_()


def rms(tensors):
    numbers = torch.cat([t.reshape(-1) for t in tensors])
    scale = numbers.abs().max()
    return float(scale * ((numbers / scale) ** 2).mean().sqrt()) if scale > 0 else 0.0


def norm(t):
    return rms([t]) * math.sqrt(t.numel())


def applied(node, sources, weights):
    if node["op"] == "add":
        return sources[0] + sources[1]
    a = torch.nn.functional.linear(sources[0], *weights[node["id"]])
    return ACTIVATIONS.get(node.get("activation"), lambda a: a)(a)


def measured(nodes, rows, targets):
    x = torch.tensor(rows).requires_grad_()
    z, weights, depth = {"x": x}, {}, {"x": 0}
    for node in nodes:
        sources = [z[name] for name in node["inputs"]]
        depth[node["id"]] = 1 + max(depth[name] for name in node["inputs"])
        if node["op"] == "linear":
            w = drawn(node["weight"], node["id"] + ".weight", [node["out_features"], sources[0].shape[1]])
            weights[node["id"]] = w, drawn(node["bias"], node["id"] + ".bias", [node["out_features"]])
        value = applied(node, sources, weights)
        value.retain_grad()
        z[node["id"]] = value
    torch.nn.functional.cross_entropy(z["out"], torch.tensor(targets)).backward()
    bars = {name: value.grad.clone() for name, value in z.items()}
    layers = []
    for node in sorted(nodes, key=lambda node: -depth[node["id"]]):
        value, sources = z[node["id"]], [z[name] for name in node["inputs"]]
        layer = {"id": node["id"], "depth": depth[node["id"]], "gradient_rms": rms([bars[node["id"]]])}
        if layer["gradient_rms"] > 0:
            # Each source for itself, since one may depend on another.
            sources = [source.detach().requires_grad_() for source in sources]
            below = torch.autograd.grad(applied(node, sources, weights), sources, grad_outputs=bars[node["id"]])
            layer["local_gain"] = rms(below) / layer["gradient_rms"]
        data = value.detach()
        if node.get("activation") in SLOPES:
            slope = 1 - data**2 if node["activation"] == "tanh" else data * (1 - data)
            layer["saturated_fraction"] = float((slope <= 0.05 * SLOPES[node["activation"]]).double().mean())
        if node.get("activation") == "relu":
            layer["dead_fraction"] = float((data == 0).all(dim=0).double().mean())
        if node["id"] in weights:
            w, _ = weights[node["id"]]
            layer["weight_gradient_rms"] = rms([w.grad])
            layer["update_to_weight_ratio"] = LR * norm(w.grad) / norm(w.detach())
        layers.append(layer)
    return layers


xavier_like = lambda std: {"init": "normal", "std": std}
# Name: activation, weights, bias, the verdicts that are right for the plain net, and with residual edges. Residual branches of He's size add up
# to a gradient that grows with every sum (Zhang et al. 2019, "Fixup initialization").
LOUD = ["exploding", "saturated"]
CASES = {
    "tanh_small": ("tanh", xavier_like(0.05), 0.0, ["vanishing"], ["healthy"]),
    "tanh_large": ("tanh", xavier_like(1.0), 0.0, LOUD, LOUD),
    "tanh_xavier": ("tanh", {"init": "xavier_normal"}, 0.0, ["healthy"], ["healthy"]),
    "sigmoid_small": ("sigmoid", xavier_like(0.05), 0.0, ["vanishing"], ["healthy"]),
    "sigmoid_large": ("sigmoid", xavier_like(5.0), 0.0, LOUD, LOUD),
    "relu_he": ("relu", {"init": "kaiming_normal", "nonlinearity": "relu"}, 0.0, ["healthy"], ["exploding"]),
    "relu_dead": ("relu", {"init": "kaiming_normal", "nonlinearity": "relu"}, -10.0, ["dead"], ["dead"]),
}

if __name__ == "__main__":
    folder = pathlib.Path(__file__).with_name("flow")
    folder.mkdir(exist_ok=True)
    generator = random.Random(4)
    rows = [[round(generator.gauss(0, 1), 3) for _ in range(WIDTH)] for _ in range(SAMPLES)]
    targets = [generator.randrange(4) for _ in range(SAMPLES)]
    for name, (activation, weight, bias, plain, with_residual) in CASES.items():
        for residual in (False, True):
            nodes = network(activation, weight, bias, residual)
            request = {
                "network": {"inputs": {"x": [WIDTH]}, "nodes": nodes},
                "batch": {"inputs": rows, "targets": targets},
                "loss": {"op": "cross_entropy", "of": "out", "reduction": "mean"},
            }
            layers = measured(nodes, rows, targets)
            sizes = [layer["gradient_rms"] for layer in layers]
            summary = {"first": sizes[0], "last": sizes[-1], "most": max(sizes), "least": min(sizes)}
            reply = {"layers": layers, "verdicts": with_residual if residual else plain}
            full = name + ("_residual" if residual else "")
            print(full, {k: f"{v:.3g}" for k, v in summary.items()}, [round(l.get("saturated_fraction", l.get("dead_fraction", -1)), 2) for l in layers[::8]])
            (folder / f"{full}.json").write_text(json.dumps({"request": request, "reply": reply}) + "\n")
