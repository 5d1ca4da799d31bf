"""What a user would otherwise write: gradients by PyTorch behind FastAPI, tuned.

    uvicorn server:app --workers 2 --loop uvloop --http httptools --no-access-log --log-level warning

It reads the same problems as dedz (the part of the contract that the benchmark asks: neurons, linear layers, elementwise
activations, cross-entropy) and answers the same numbers. Nothing is done that the answer does not need: no model classes, no
validation, no thread hop, one list-to-tensor conversion a tensor, `autograd.grad` instead of hooks, orjson both ways. Binary
bodies are one safetensors file whose metadata holds the problem: its header is read by orjson and its tensors are views.
"""

import struct
import warnings

import numpy
import orjson
import torch
import torch.nn.functional as F
from fastapi import FastAPI, Request, Response

torch.set_num_threads(1)
warnings.filterwarnings("ignore", "The given buffer is not writable")  # nothing writes to a request
app = FastAPI(openapi_url=None)
DTYPES = {"F64": torch.float64, "F32": torch.float32, "I64": torch.int64}
ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}


@app.post("/v1/gradients")
async def gradients(request: Request) -> Response:
    body = await request.body()
    if request.headers["content-type"] == "application/vnd.safetensors":
        problem, tensors = opened(body)
        reply = layers(problem, tensors)
        return Response(saved(reply), media_type="application/vnd.safetensors")
    problem = orjson.loads(body)
    reply = layers(problem, read(problem)) if "layers" in problem["network"] else neurons(problem)
    return Response(orjson.dumps(reply, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


def neurons(problem):
    """A graph of neurons, one by one. Weights and biases are elements of one leaf, so that one gradient holds them all."""
    network, batch = problem["network"], problem["batch"]
    names, numbers = [], []
    for node in network["nodes"]:
        for source, weight in node["inputs"].items():
            names.append(f"{source}->{node['id']}")
            numbers.append(weight)
        if "bias" in node:
            names.append(node["id"] + ".bias")
            numbers.append(node["bias"])
    leaf = torch.tensor(numbers, dtype=torch.float64, requires_grad=True)
    weights = dict(zip(names, leaf.unbind()))
    values = dict(zip(network["inputs"], torch.tensor(batch["inputs"], dtype=torch.float64).unbind(1)))
    waiting, traced = network["nodes"], []
    while waiting:
        later = []
        for node in waiting:
            if any(source not in values for source in node["inputs"]):
                later.append(node)
                continue
            name = node["id"]
            a = weights.get(name + ".bias")
            for source in node["inputs"]:
                weight, value = weights[f"{source}->{name}"], values[source]
                a = weight * value if a is None else torch.addcmul(a, weight, value)
            z = a
            if "activation" in node:
                z = ACTIVATIONS[node["activation"]](a)
                traced.append((node, "a", "dE_da", a))
            traced.append((node, "z", "dE_dz", z))
            values[name] = z
        if len(later) == len(waiting):
            raise ValueError("a cycle, or an unknown name")
        waiting = later
    loss, losses = cross_entropy(problem, torch.stack([values[name] for name in problem["loss"]["of"]], 1))
    asked = [leaf]
    trace = {}
    if problem.get("options", {}).get("trace", True):
        asked += [tensor for *_, tensor in traced]
    found = torch.autograd.grad(loss, asked)
    if len(asked) > 1:
        # Two conversions for all instead of two for each.
        primal = torch.stack(asked[1:]).tolist()
        cotangent = torch.stack(found[1:]).tolist()
        for (node, name, bar_name, _), value, bar in zip(traced, primal, cotangent):
            entry = trace.setdefault(node["id"], {"id": node["id"], "op": node["op"], "inputs": list(node["inputs"])})
            entry[name] = value
            entry[bar_name] = bar
    return {
        "loss": loss.item(),
        "losses": losses.tolist(),
        "outputs": {name: values[name].tolist() for name in problem["loss"]["of"]},
        "gradients": dict(zip(names, found[0].tolist())),
        **({"trace": list(trace.values())} if trace else {}),
    }


def layers(problem, tensors):
    """Linear layers in sequence."""
    (x,) = problem["network"]["inputs"]
    h = tensors["batch.inputs"]
    names, parameters = [], []
    for layer in problem["network"]["layers"]:
        weight, bias = (tensors[f"{layer['id']}.{name}"].requires_grad_() for name in ("weight", "bias"))
        names += [layer["id"] + ".weight", layer["id"] + ".bias"]
        parameters += [weight, bias]
        h = F.linear(h, weight, bias)
        if "activation" in layer:
            h = ACTIVATIONS[layer["activation"]](h)
    loss, losses = cross_entropy(problem, h, tensors["batch.targets"])
    found = torch.autograd.grad(loss, parameters)
    return {
        "loss": loss.item(),
        "losses": losses.detach().numpy(),
        "outputs": {problem["loss"]["of"]: h.detach().numpy()},
        "gradients": {name: bar.numpy() for name, bar in zip(names, found)},
    }


def cross_entropy(problem, logits, targets=None):
    if targets is None:
        targets = torch.tensor(problem["batch"]["targets"])
    losses = F.cross_entropy(logits, targets, reduction="none")
    return losses.mean() if problem["loss"].get("reduction") == "mean" else losses.sum(), losses


def read(problem):
    """The tensors of a JSON problem."""
    batch = problem["batch"]
    tensors = {name: tensor(value) for name, value in problem["parameters"].items()}
    tensors["batch.inputs"] = tensor(batch["inputs"])
    tensors["batch.targets"] = torch.tensor(batch["targets"])
    return tensors


def tensor(value):
    # numpy walks nested lists in a third of the time that torch.tensor takes.
    return torch.from_numpy(numpy.array(value, dtype=numpy.float64))


def opened(body):
    """The problem and the tensors of a safetensors file, without copying a number."""
    (length,) = struct.unpack_from("<Q", body)
    header = orjson.loads(body[8 : 8 + length])
    problem = orjson.loads(header.pop("__metadata__")["problem"])
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        dtype = DTYPES[entry["dtype"]]
        flat = torch.frombuffer(body, dtype=dtype, count=(end - start) // dtype.itemsize, offset=8 + length + start)
        tensors[name] = flat.view(entry["shape"])
    return problem, tensors


def saved(reply):
    """A reply as a safetensors file, every number copied once."""
    arrays = {"loss": numpy.array(reply["loss"]), "losses": reply["losses"]}
    arrays |= {f"{folder}/{name}": array for folder in ("outputs", "gradients") for name, array in reply[folder].items()}
    header, at = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F64", "shape": array.shape, "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = orjson.dumps(header)
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *(numpy.ascontiguousarray(array).data for array in arrays.values())])
