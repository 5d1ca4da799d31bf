"""Goldens of the linear maps: `jvp`, `vjp`, `jacobian`, `hvp`, `hessian` and per-sample gradients, by `torch.func` in f64.

The forward pass is `torch_judge`'s, made a pure function of parameters and inputs; every derivative is `torch.func`'s.

    python tests/golden/make_maps.py
"""

import json
import pathlib
import random

import torch
from torch.func import grad, jacrev, jvp, vjp, vmap

import problem
import torch_judge

HERE = pathlib.Path(__file__).parent
EXAMPLES = HERE.parent.parent / "openapi" / "examples"

torch_judge.keep = lambda result, sources: result  # no gradient is retained inside a transform


class Pure(torch_judge.Run):
    """The forward pass as a function of its leaves."""

    def __init__(self, p, parameters, inputs):
        self.problem, self.dtype = p, torch.float64
        self.leaves = parameters
        self.buffers = {name: torch.tensor(value) for name, value in p.buffers.items()}
        self.values, self.before = {}, {}
        for name, value in p.inputs.items():
            self.values[name] = torch_judge.Value(inputs.get(name, torch.tensor(value)), True)
        for node in p.nodes:
            self.evaluate(node)

    def leaf(self, value):
        return torch.tensor(value, dtype=self.dtype)


class Map:
    """A problem as a function, and the answers of torch.func about it."""

    def __init__(self, request):
        self.p = problem.Problem(request)
        self.parameters = {name: torch.tensor(value) for name, value in self.p.parameters.items()}
        self.inputs = {n: torch.tensor(v) for n, v in self.p.inputs.items() if v.dtype != "int64"}

    def outputs(self, parameters, inputs):
        run = Pure(self.p, parameters, inputs)
        return {id: run.values[id].tensor for id in self.p.outputs}

    def node(self, id):
        return lambda parameters, inputs: Pure(self.p, parameters, inputs).values[id].tensor

    def losses(self, parameters, inputs):
        p, run = self.p, Pure(self.p, parameters, inputs)
        parts = [run.values[id].tensor for id in p.of]
        o = torch.stack(parts, dim=1) if isinstance(p.loss["of"], list) else parts[0]
        own = torch_judge.PER_SAMPLE.get(p.loss["op"], torch_judge.elementwise_loss)
        losses, divisors, _ = own(p, o, p.loss.get("reduction", "sum"))
        return losses, divisors

    def loss(self, parameters, inputs):
        losses, divisors = self.losses(parameters, inputs)
        weights = torch.ones(self.p.samples) if self.p.weights is None else torch.tensor(self.p.weights)
        total = (weights * losses).sum()
        if self.p.loss.get("reduction", "sum") == "mean":
            total = total / (weights * divisors).sum()
        return total + torch_judge.penalty(self.p, parameters)

    # ---- the answers

    def jvp(self, tangents):
        moving = self.tangents(tangents)
        outputs, output_tangents = jvp(self.outputs, (self.parameters, self.inputs), moving)
        reply = {"outputs": outputs, "output_tangents": output_tangents}
        if self.p.loss is not None:
            reply["loss"], reply["loss_tangent"] = jvp(self.loss, (self.parameters, self.inputs), moving)
        return reply

    def tangents(self, tangents):
        return tuple(
            {name: torch.tensor(tangents[name]) if name in tangents else torch.zeros_like(x) for name, x in group.items()}
            for group in (self.parameters, self.inputs)
        )

    def vjp(self, cotangents):
        def nodes(parameters, inputs):
            run = Pure(self.p, parameters, inputs)
            return {id: run.values[id].tensor for id in cotangents}

        _, pull = vjp(nodes, self.parameters, self.inputs)
        gradients, inputs = pull({id: torch.tensor(value) for id, value in cotangents.items()})
        reply = {"outputs": self.outputs(self.parameters, self.inputs), "gradients": gradients}
        return {**reply, "input_gradients": inputs} if inputs else reply

    def jacobian(self, of, wrt):
        by_parameters, by_inputs = jacrev(self.node(of), argnums=(0, 1))(self.parameters, self.inputs)
        found = {name: by_parameters[name] for name in self.parameters if name in wrt}
        for name in self.inputs:
            if name in wrt:
                whole = by_inputs[name]  # [N, ...of, N, ...wrt]
                axis = self.node(of)(self.parameters, self.inputs).dim()
                found[name] = torch.stack([whole[n].select(axis - 1, n) for n in range(self.p.samples)])
        return {"jacobian": found}

    def hvp(self, tangents):
        both = grad(self.loss, argnums=(0, 1))
        (gradients, _), (moved, moved_inputs) = jvp(both, (self.parameters, self.inputs), self.tangents(tangents))
        hvp = {**moved, **moved_inputs} if self.p.wanted_inputs() else moved
        return {"loss": self.loss(self.parameters, self.inputs), "gradients": gradients, "hvp": hvp}

    def hessian(self, wrt):
        names = [name for name in [*self.parameters, *self.inputs] if name in wrt]
        values = {**self.parameters, **self.inputs}
        sizes = [values[name].numel() for name in names]

        def flat(x):
            parts = dict(zip(names, torch.split(x, sizes)))
            moved = {name: part.reshape(values[name].shape) for name, part in parts.items()}
            return self.loss({**self.parameters, **{n: v for n, v in moved.items() if n in self.parameters}},
                             {**self.inputs, **{n: v for n, v in moved.items() if n in self.inputs}})

        at = torch.cat([values[name].reshape(-1) for name in names])
        # torch.func's is asymmetric where layer_norm or batch_norm stand on the way (by 0.1 and by 1.9 in 2.15): its batched rule for
        # their second derivative is wrong, while differentiating backward twice is right. Elsewhere the two are the same.
        hessian = torch.autograd.functional.hessian(flat, at)
        torch.testing.assert_close(hessian, hessian.T, rtol=1e-13, atol=1e-14)
        if not any("norm" in node.op for node in self.p.nodes):
            torch.testing.assert_close(hessian, torch.func.hessian(flat)(at), rtol=1e-13, atol=1e-14)
        return {"parameters": [[n, s] for n, s in zip(names, sizes)], "hessian": hessian}

    def per_sample(self):
        """The gradient of each sample's own loss, and what `stats` says of them."""
        _, pull = vjp(lambda parameters: self.losses(parameters, self.inputs)[0], self.parameters)
        (gradients,) = vmap(pull)(torch.eye(self.p.samples))
        stats = {}
        for name, g in gradients.items():
            rows = g.reshape(self.p.samples, -1)
            mean, norms = rows.mean(0), rows.norm(dim=1)
            cosine = [float(r @ mean / (n * mean.norm())) if n * mean.norm() > 0 else None for r, n in zip(rows, norms)]
            variance = ((rows - mean) ** 2).sum(1).mean()
            stats[name] = {"norms": norms, "mean_norm": mean.norm(), "variance": variance, "cosine": cosine}
        return {"gradients": gradients, "stats": stats}


def as_json(value):
    """Tensors as lists, and what is no tensor as it is."""
    if isinstance(value, dict):
        return {name: as_json(member) for name, member in value.items()}
    if isinstance(value, list):
        return [as_json(member) for member in value]
    return torch_judge.as_json(value) if isinstance(value, torch.Tensor) else value


def draw(rng, *shape):
    if not shape:
        return round(rng.uniform(-1, 1), 3)
    return [draw(rng, *shape[1:]) for _ in range(shape[0])]


def problems(rng):
    """Name, problem, a hidden node for the Jacobian and whether samples are coupled."""
    load = lambda name: json.loads((EXAMPLES / f"{name}.json").read_text())
    yield "lecture", load("lecture"), "z5"
    yield "mazur", load("mazur"), "o1"
    yield "mixed", load("mixed"), "features"
    yield "layers", {
        "network": {"inputs": {"x": [4]}, "layers": [
            {"id": "fc1", "op": "linear", "out_features": 5, "activation": "tanh"},
            {"id": "norm", "op": "layer_norm", "normalized_shape": [5]},
            {"id": "fc2", "op": "linear", "out_features": 3, "activation": "gelu"},
            {"id": "fc3", "op": "linear", "out_features": 3, "bias": False}]},
        "parameters": {"fc1.weight": draw(rng, 5, 4), "fc1.bias": draw(rng, 5), "norm.weight": draw(rng, 5), "norm.bias": draw(rng, 5),
                       "fc2.weight": draw(rng, 3, 5), "fc2.bias": draw(rng, 3), "fc3.weight": draw(rng, 3, 3)},
        "batch": {"inputs": draw(rng, 4, 4), "targets": [0, 2, 1, 2], "weights": [1, 0.5, 2, 1]},
        "loss": {"op": "cross_entropy", "of": "fc3", "reduction": "mean", "label_smoothing": 0.1},
        "regularization": [{"l2": 0.05, "factor": 0.5, "parameters": ["*.weight"]}]}, "fc2"
    yield "convolution", {
        "network": {"inputs": {"image": [1, 4, 4]}, "layers": [
            {"id": "conv", "op": "conv2d", "out_channels": 2, "kernel_size": 3, "padding": 1, "activation": "silu"},
            {"id": "pool", "op": "avg_pool2d", "kernel_size": 2},
            {"id": "flat", "op": "flatten"},
            {"id": "fc", "op": "linear", "out_features": 2, "activation": "sigmoid"}]},
        "parameters": {"conv.weight": draw(rng, 2, 1, 3, 3), "conv.bias": draw(rng, 2), "fc.weight": draw(rng, 2, 8), "fc.bias": draw(rng, 2)},
        "batch": {"inputs": draw(rng, 3, 1, 4, 4), "targets": draw(rng, 3, 2)},
        "loss": {"op": "squared_error", "of": "fc", "factor": 0.5}}, "conv"
    yield "words", {
        "network": {"inputs": {"tokens": {"shape": [3], "dtype": "i64"}}, "layers": [
            {"id": "words", "op": "embedding", "num_embeddings": 5, "embedding_dim": 2},
            {"id": "bag", "op": "mean", "dim": 1},
            {"id": "topic", "op": "linear", "out_features": 2}]},
        "parameters": {"words.weight": draw(rng, 5, 2), "topic.weight": draw(rng, 2, 2), "topic.bias": draw(rng, 2)},
        "batch": {"inputs": [[0, 1, 1], [4, 2, 0]], "targets": [0, 1]},
        "loss": {"op": "cross_entropy", "of": "topic"}}, "bag"
    yield "batch_norm", {
        "network": {"inputs": {"x": [3]}, "layers": [
            {"id": "fc1", "op": "linear", "out_features": 3, "bias": False},
            {"id": "norm", "op": "batch_norm1d", "num_features": 3, "activation": "softplus"},
            {"id": "fc2", "op": "linear", "out_features": 1}]},
        "parameters": {"fc1.weight": draw(rng, 3, 3), "norm.weight": draw(rng, 3), "norm.bias": draw(rng, 3),
                       "fc2.weight": draw(rng, 1, 3), "fc2.bias": draw(rng, 1)},
        "batch": {"inputs": draw(rng, 5, 3), "targets": draw(rng, 5, 1)},
        "loss": {"op": "mse", "of": "fc2", "reduction": "mean"}}, "norm"
    yield "expression", {
        "network": {"inputs": {"x": [3], "y": []}, "nodes": [
            {"id": "e", "op": "exp", "inputs": ["x"]}, {"id": "p", "op": "softmax", "inputs": ["e"]},
            {"id": "s", "op": "sin", "inputs": ["y"]}, {"id": "m", "op": "mul", "inputs": ["p", "s"]},
            {"id": "d", "op": "div", "inputs": ["m", "scale"]}, {"id": "t", "op": "sum", "inputs": ["d"]},
            {"id": "q", "op": "pow", "inputs": ["y"], "exponent": 3}, {"id": "f", "op": "add", "inputs": ["t", "q"]}]},
        "parameters": {"scale": [1.5, 2.0, 0.7]},
        "batch": {"inputs": {"x": draw(rng, 3, 3), "y": draw(rng, 3)}},
        "loss": {"op": "sum", "of": "f"}, "options": {"wrt": ["*", "inputs"]}}, "d"
    yield "shared", {
        "network": {"inputs": {"x": [3, 2]}, "nodes": [
            {"id": "a", "op": "linear", "inputs": ["x"], "weight": "w", "bias": "b", "activation": "tanh"},
            {"id": "c", "op": "linear", "inputs": ["a"], "weight": "w", "bias": "b", "activation": "elu"},
            {"id": "s", "op": "mean", "inputs": ["c"], "dim": 1},
            {"id": "o", "op": "linear", "inputs": ["s"], "out_features": 2}]},
        "parameters": {"w": draw(rng, 2, 2), "b": draw(rng, 2), "o.weight": draw(rng, 2, 2), "o.bias": draw(rng, 2)},
        "batch": {"inputs": draw(rng, 4, 3, 2), "targets": draw(rng, 4, 2)},
        "loss": {"op": "bce_with_logits", "of": "o", "reduction": "mean"}}, "c"


def main():
    rng = random.Random(20261125)
    out = HERE / "maps"
    out.mkdir(exist_ok=True)
    for name, request, hidden in problems(rng):
        if request["loss"]["op"] == "bce_with_logits":
            request["batch"]["targets"] = [[abs(x) for x in row] for row in request["batch"]["targets"]]
        f = Map(request)
        coupled = any(node.op.startswith("batch_norm") for node in f.p.nodes)
        everything = {**f.parameters, **f.inputs}
        tangents = {n: draw(rng, *x.shape) for n, x in everything.items()}
        some = dict(list(tangents.items())[:2])
        nodes = {**f.outputs(f.parameters, f.inputs), hidden: f.node(hidden)(f.parameters, f.inputs)}
        cotangents = {id: draw(rng, *z.shape) for id, z in nodes.items()}
        wrt = list(f.parameters) if coupled else list(everything)
        asked = [
            ("jvp", {"tangents": tangents}, f.jvp(tangents)),
            ("jvp", {"tangents": some}, f.jvp(some)),
            ("vjp", {"cotangents": cotangents}, f.vjp(cotangents)),
            ("jacobian", {"of": hidden, "wrt": wrt, "mode": "forward"}, f.jacobian(hidden, wrt)),
            ("jacobian", {"of": hidden, "wrt": wrt, "mode": "reverse"}, f.jacobian(hidden, wrt)),
            ("jacobian", {"of": f.p.outputs[0], "wrt": wrt}, f.jacobian(f.p.outputs[0], wrt)),
            ("hvp", {"tangents": tangents}, f.hvp(tangents)),
            ("hvp", {"tangents": some}, f.hvp(some)),
            ("hessian", {"wrt": list(everything)}, f.hessian(list(everything))),
        ]
        asked = [{"analysis": a, "arguments": arguments, "reply": as_json(reply)} for a, arguments, reply in asked]
        golden = {"judge": f"torch.func {torch.__version__}", "request": request, "asked": asked, "per_sample": as_json(f.per_sample())}
        (out / f"{name}.json").write_text(json.dumps(golden, separators=(",", ":"), allow_nan=False) + "\n")
        print(f"{name:12} {len(asked)} answers, {(out / f'{name}.json').stat().st_size} bytes")


if __name__ == "__main__":
    main()
