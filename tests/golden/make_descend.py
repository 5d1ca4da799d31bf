"""Writes `descend/NNN_name.json`: training by PyTorch in f64, with `torch.optim` and `DataLoader` themselves.

A golden is `{"name", "judge", "base", "patch", "reply"}`: its request is the file `base` (its member `request`, if it has one)
with the members of `patch` set. The network is evaluated by `torch_judge`, from the request's JSON alone; gradients are
autograd's; orders of samples and masks come from `random_streams`, the plain-Python generator.

    pip install torch
    python tests/golden/make_descend.py
"""

import copy
import json
import pathlib

import torch
from torch.utils.data import DataLoader

import problem
import random_streams
import torch_judge

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
}
LECTURE, MAZUR, DIGITS = (f"openapi/examples/{name}.json" for name in ("lecture", "mazur", "digits_mlp"))


def network(name):
    [path] = HERE.glob(f"networks/[0-9][0-9][0-9]_{name}.json")
    return str(path.relative_to(ROOT))


def descend(op, steps=50, batch_size=None, shuffle_seed=None, report_every=1, **arguments):
    training = {"steps": steps, "optimizer": {"op": op, **arguments}}
    if batch_size is not None:
        training |= {"batch_size": batch_size, "shuffle_seed": shuffle_seed}
    if report_every != 1:
        training["report_every"] = report_every
    return training


REGULARIZED = [{"l2": 0.01, "factor": 0.5, "parameters": ["*.weight"]}, {"l1": 0.001}]
MEAN = {"op": "cross_entropy", "of": ["z1", "z2", "z3"], "reduction": "mean"}

CASES = [  # name, base, what is trained, other members, descend
    ("sgd", LECTURE, None, {}, descend("sgd", lr=0.1)),
    ("sgd_defaults", LECTURE, None, {}, descend("sgd")),
    ("sgd_momentum", LECTURE, None, {"loss": MEAN}, descend("sgd", lr=0.2, momentum=0.9)),
    ("sgd_dampening", LECTURE, None, {}, descend("sgd", lr=0.1, momentum=0.8, dampening=0.3, weight_decay=0.01)),
    ("sgd_nesterov", MAZUR, None, {}, descend("sgd", lr=0.5, momentum=0.9, nesterov=True)),
    ("sgd_frozen_biases", MAZUR, ["*->*"], {}, descend("sgd", lr=0.5)),
    ("sgd_maximize", MAZUR, None, {}, descend("sgd", lr=0.05, maximize=True, weight_decay=0.1)),
    ("sgd_one_edge", LECTURE, ["z7->z5", "z5.bias"], {}, descend("sgd", lr=0.3, momentum=0.5)),
    ("sgd_digits_minibatches", DIGITS, None, {}, descend("sgd", lr=0.1, momentum=0.9, batch_size=10)),
    ("sgd_digits_shuffled", DIGITS, ["fc2.*"], {}, descend("sgd", lr=0.1, batch_size=7, shuffle_seed=0, report_every=5)),
    ("sgd_batch_norm", network("batch_norm1d"), None, {}, descend("sgd", lr=0.05, batch_size=3)),
    ("sgd_convolution", "openapi/examples/lenet.json", None, {}, descend("sgd", steps=20, lr=0.01, momentum=0.9)),
    ("adam", LECTURE, None, {}, descend("adam", lr=0.05)),
    ("adam_defaults", MAZUR, None, {}, descend("adam")),
    ("adam_amsgrad", LECTURE, None, {}, descend("adam", lr=0.1, amsgrad=True, betas=[0.8, 0.9], eps=1e-6)),
    ("adam_decay", DIGITS, None, {"regularization": REGULARIZED}, descend("adam", lr=0.01, weight_decay=0.05, batch_size=8)),
    ("adam_idle_head", network("idle_head"), None, {}, descend("adam", lr=0.02, weight_decay=0.1)),
    ("adam_weighted_samples", network("sample_weights"), None, {}, descend("adam", lr=0.01, batch_size=2, shuffle_seed="text")),
    ("adam_embedding", network("embedding_bag"), None, {}, descend("adam", lr=0.02)),
    ("adam_maximize", MAZUR, None, {}, descend("adam", lr=0.01, maximize=True)),
    ("adamw", LECTURE, None, {}, descend("adamw", lr=0.05)),
    ("adamw_decay", DIGITS, ["*.weight"], {}, descend("adamw", lr=0.005, weight_decay=0.2, batch_size=32, shuffle_seed=3, report_every=10)),
    ("adamw_amsgrad", LECTURE, None, {}, descend("adamw", lr=0.05, weight_decay=0.1, amsgrad=True, betas=[0.5, 0.6])),
    ("rmsprop", LECTURE, None, {}, descend("rmsprop", lr=0.01)),
    ("rmsprop_defaults", MAZUR, None, {}, descend("rmsprop")),
    ("rmsprop_momentum", LECTURE, None, {}, descend("rmsprop", lr=0.005, alpha=0.9, momentum=0.8, weight_decay=0.02)),
    ("rmsprop_centered", LECTURE, None, {}, descend("rmsprop", lr=0.005, centered=True, eps=1e-4)),
    ("rmsprop_all", DIGITS, None, {}, descend("rmsprop", lr=0.002, centered=True, momentum=0.5, alpha=0.4, eps=1e-3, batch_size=11, shuffle_seed=1)),
    ("adagrad", LECTURE, None, {}, descend("adagrad", lr=0.1)),
    ("adagrad_defaults", MAZUR, None, {}, descend("adagrad")),
    ("adagrad_decay", LECTURE, None, {}, descend("adagrad", lr=0.2, lr_decay=0.1, weight_decay=0.01, initial_accumulator_value=0.3, eps=1e-6)),
    ("adagrad_regularized", DIGITS, None, {"regularization": REGULARIZED}, descend("adagrad", lr=0.05, batch_size=16)),
    ("dropout_by_steps", DIGITS, None, {"network": "dropout"}, descend("adam", lr=0.01, batch_size=12, shuffle_seed=5)),
    ("f32", LECTURE, None, {"dtype": "f32"}, descend("adam", lr=0.05)),
]


def made(base, wrt, others, training):
    request = json.loads((ROOT / base).read_text())
    request = request.get("request", request)
    patch = {"descend": training, **{name: value for name, value in others.items() if name in ("loss", "regularization")}}
    options = {**request.get("options", {}), **({"wrt": wrt} if wrt else {})}
    options.pop("per_sample", None)
    if not wrt:
        options.pop("wrt", None)
    if others.get("dtype"):
        options["dtype"] = others["dtype"]
    if options != request.get("options", {}):
        patch["options"] = options
    if others.get("network") == "dropout":
        layers = copy.deepcopy(request["network"]["layers"])
        layers.insert(1, {"id": "drop", "op": "dropout", "p": 0.3, "seed": 11})
        patch["network"] = {**request["network"], "layers": layers}
    request |= patch
    return patch, train(request)


def train(request):
    training, everything = request["descend"], problem.Problem(at_step(request, 0, None))
    parameters = {name: torch.nn.Parameter(torch.tensor(value)) for name, value in everything.parameters.items()}
    patterns = request.get("options", {}).get("wrt")
    trained = [name for name in parameters if patterns is None or problem.matches({"parameters": patterns}, name)]
    arguments = dict(training["optimizer"])
    optimizer = OPTIMIZERS[arguments.pop("op")]([parameters[name] for name in trained], **arguments)
    reply = {"losses": [], "gradient_norms": [], "steps": []}
    for step, rows in enumerate(minibatches(training, everything.samples)):
        optimizer.zero_grad()
        loss, leaves = evaluate(at_step(request, step, rows), parameters)
        loss.backward()
        for name in trained:
            parameters[name].grad = leaves[name].grad
        norms = [parameters[name].grad.norm() for name in trained if parameters[name].grad is not None]
        if step % training.get("report_every", 1) == 0:
            reply["losses"].append(loss.item())
            reply["gradient_norms"].append(torch.stack(norms).norm().item())
            reply["steps"].append(step)
        optimizer.step()
    reply["loss"] = evaluate(at_step(request, training["steps"], None), parameters)[0].item()
    reply["parameters"] = {name: torch_judge.as_json(value.detach()) for name, value in parameters.items()}
    return reply


def minibatches(training, samples):
    """The rows of each step's minibatch: None for all."""
    size, steps = training.get("batch_size"), training["steps"]
    if size is None:
        yield from [None] * steps
        return
    epoch = 0
    while steps > 0:
        seed = training["shuffle_seed"]
        order = range(samples) if seed is None else random_streams.permutation(samples, str(seed), epoch)
        for rows in list(DataLoader(order, batch_size=size))[:steps]:
            yield rows.tolist()
            steps -= 1
        epoch += 1


def at_step(request, step, rows):
    """The problem of one step: these rows of the batch, and seeded masks drawn."""
    request = copy.deepcopy({name: value for name, value in request.items() if name != "descend"})
    batch = request["batch"]
    if rows is not None:
        pick = lambda value: [value[row] for row in rows]
        inputs = batch["inputs"]
        batch["inputs"] = {name: pick(value) for name, value in inputs.items()} if isinstance(inputs, dict) else pick(inputs)
        for name in ("targets", "weights"):
            if name in batch:
                batch[name] = pick(batch[name])
    inputs = batch["inputs"]
    samples = len(next(iter(inputs.values())) if isinstance(inputs, dict) else inputs)
    for node in request["network"].get("layers", []):
        if node["op"] == "dropout" and "seed" in node:
            stream = random_streams.Stream(str(node.pop("seed")), node["id"] if step == 0 else f"{node['id']}/step/{step}")
            width = 32  # of the digits' hidden layer
            node["mask"] = [[float(stream.uniform() >= node["p"]) for _ in range(width)] for _ in range(samples)]
    return request


def evaluate(request, parameters):
    p = problem.Problem(request)
    for name, value in parameters.items():
        p.parameters[name] = value.detach().numpy().copy()
    run = torch_judge.Run(p)
    _, loss = torch_judge.objective(p, run)
    return loss + torch_judge.penalty(p, run.leaves), run.leaves


def main():
    folder = HERE / "descend"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for number, (name, base, wrt, others, training) in enumerate(CASES):
        patch, reply = made(base, wrt, others, training)
        golden = {"name": name, "judge": f"PyTorch {torch.__version__.split('+')[0]}", "base": base, "patch": patch, "reply": reply}
        path = folder / f"{number:03d}_{name}.json"
        path.write_text(json.dumps(golden) + "\n")
        print(f"{path.name:40} {path.stat().st_size:7} {reply['losses'][0]:.6g} -> {reply['loss']:.6g}", flush=True)


if __name__ == "__main__":
    main()
