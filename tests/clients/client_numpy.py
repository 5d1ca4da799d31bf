"""requests, NumPy and safetensors: a layered network checked against its own backward pass, and binary replies."""

import base64
import sys

import numpy as np
import requests
import safetensors.numpy

url = sys.argv[1]
session = requests.Session()
rng = np.random.default_rng(7)


def judge(name, good, why=""):
    print(f"ok {name}" if good else f"FAILED {name}: {why}")


n, inside, hidden, classes = 32, 20, 16, 5
x, labels = rng.normal(size=(n, inside)), rng.integers(classes, size=n)
parameters = {
    "fc1.weight": rng.normal(size=(hidden, inside)),
    "fc1.bias": rng.normal(size=hidden),
    "fc2.weight": rng.normal(size=(classes, hidden)),
    "fc2.bias": rng.normal(size=classes),
}
problem = {
    "network": {
        "inputs": {"x": [inside]},
        "layers": [
            {"id": "fc1", "op": "linear", "out_features": hidden, "activation": "tanh"},
            {"id": "fc2", "op": "linear", "out_features": classes},
        ],
    },
    "parameters": {name: value.tolist() for name, value in parameters.items()},
    "batch": {"inputs": x.tolist(), "targets": labels.tolist()},
    "loss": {"op": "cross_entropy", "of": "fc2", "reduction": "mean"},
}

# The same by hand.
h = np.tanh(x @ parameters["fc1.weight"].T + parameters["fc1.bias"])
logits = h @ parameters["fc2.weight"].T + parameters["fc2.bias"]
logits -= logits.max(axis=1, keepdims=True)
p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
loss = -np.log(p[np.arange(n), labels]).mean()
delta2 = (p - np.eye(classes)[labels]) / n
delta1 = delta2 @ parameters["fc2.weight"] * (1 - h * h)
expected = {
    "fc1.weight": delta1.T @ x,
    "fc1.bias": delta1.sum(axis=0),
    "fc2.weight": delta2.T @ h,
    "fc2.bias": delta2.sum(axis=0),
}


def difference(gradients):
    return max(np.abs(np.asarray(gradients[name]) - value).max() / np.abs(value).max() for name, value in expected.items())


response = session.post(f"{url}/v1/gradients", json=problem, timeout=30)
judge("gradients of a layered network", response.status_code == 200, response.text[:500])
reply = response.json()
judge("the loss agrees with NumPy", abs(reply["loss"] - loss) < 1e-12 * loss, (reply["loss"], loss))
judge("the gradients agree with NumPy", difference(reply["gradients"]) < 1e-12, difference(reply["gradients"]))

problem["options"] = {"encoding": "base64"}
reply = session.post(f"{url}/v1/gradients", json=problem, timeout=30).json()
decoded = {
    name: np.frombuffer(base64.b64decode(tensor["base64"]), "<f8").reshape(tensor["shape"])
    for name, tensor in reply["gradients"].items()
}
judge("base64 tensors agree with NumPy", difference(decoded) < 1e-12, difference(decoded))

del problem["options"]
response = session.post(f"{url}/v1/gradients", json=problem, headers={"accept": "application/vnd.safetensors"}, timeout=30)
judge("a safetensors reply", response.headers["content-type"] == "application/vnd.safetensors", response.text[:500])
tensors = safetensors.numpy.load(response.content)
binary = {name: tensors[f"gradients/{name}"] for name in expected}
judge("its gradients agree with NumPy", difference(binary) < 1e-12, difference(binary))

problem["parameters"]["fc1.weight"] = parameters["fc1.weight"].T.tolist()
response = session.post(f"{url}/v1/gradients", json=problem, timeout=30)
errors = response.json().get("errors", [])
judge("422 for a transposed weight", response.status_code == 422, response.text[:500])
judge("with its pointer", [error["pointer"] for error in errors] == ["/parameters/fc1.weight"], errors)
