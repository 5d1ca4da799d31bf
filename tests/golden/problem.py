"""Reads a request of the wire contract: names, order, tensors. No arithmetic, so that both judges can share it.

Both judges (`torch_judge`, `mpmath_judge`) start from the request's JSON and from nothing else: what a node computes
is decided there, from the attributes that the client wrote.
"""

import base64
import fnmatch
import heapq

import numpy as np

# The roles a layer's parameters play, in PyTorch's order. `bias` may be switched off by the attribute of that name.
ROLES = {
    "linear": ["weight", "bias"],
    "dense": ["weight", "bias"],
    "conv2d": ["weight", "bias"],
    "batch_norm1d": ["weight", "bias"],
    "batch_norm2d": ["weight", "bias"],
    "layer_norm": ["weight", "bias"],
    "embedding": ["weight"],
}
# The attributes that give a layer the right to have no parameters at all.
SWITCHES = {"batch_norm1d": "affine", "batch_norm2d": "affine", "layer_norm": "elementwise_affine"}
BUFFERS = ["running_mean", "running_var"]
# What layers of several outputs have beside their value; others name it `<id>.<output>`.
FURTHER = {"lstm": ["h_n", "c_n"], "multihead_attention": ["attn_output_weights"]}
NON_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def tensor(value, dtype=np.float64):
    """A tensor in any of the contract's spellings, as a numpy array."""
    if isinstance(value, dict):
        shape = value["shape"]
        if "base64" in value:
            kind = {"f64": "<f8", "f32": "<f4", "i64": "<i8"}[value["dtype"]]
            return np.frombuffer(base64.b64decode(value["base64"]), dtype=kind).astype(dtype).reshape(shape)
        return np.array([_number(v) for v in value["data"]], dtype=dtype).reshape(shape)
    return np.array(_numbers(value), dtype=dtype)


def _numbers(value):
    return [_numbers(v) for v in value] if isinstance(value, list) else _number(value)


def _number(value):
    return NON_FINITE[value] if isinstance(value, str) else value


def roles(op, written):
    """A layer's parameters in PyTorch's order, by its attributes."""
    get, bias = written.get, written.get("bias", True) is not False
    attention = ["in_proj_weight"] + ["in_proj_bias"] * bias + ["out_proj.weight"] + ["out_proj.bias"] * bias
    if op == "lstm":
        kinds = ["weight_ih", "weight_hh"] + ["bias_ih", "bias_hh"] * bias + ["weight_hr"] * (get("proj_size", 0) > 0)
        ends = ["", "_reverse"][: 1 + get("bidirectional", False)]
        return [f"{kind}_l{k}{end}" for k in range(get("num_layers", 1)) for end in ends for kind in kinds]
    if op == "multihead_attention":
        if get("kdim") is not None or get("vdim") is not None:
            attention[:1] = ["q_proj_weight", "k_proj_weight", "v_proj_weight"]
        return attention + ["bias_k", "bias_v"] * get("add_bias_kv", False)
    if op == "transformer_encoder_layer":
        modules = ["linear1", "linear2", "norm1", "norm2"]
        return [f"self_attn.{role}" for role in attention] + [
            f"{module}.{role}" for module in modules for role in ["weight"] + ["bias"] * bias
        ]
    return ROLES.get(op, [])


def mask(value):
    """A mask of attention as what is added to its scores; booleans leave out where true."""
    values = np.array(value)
    return np.where(values, -np.inf, 0.0) if values.dtype == bool else tensor(value)


def kept(node, values, place, shape):
    """Which elements dropout keeps at a place of a layer, ones and zeros."""
    import random_streams

    stream = random_streams.Stream(str(values["seed"]), f"{node.id}.{place}" if place else node.id)
    keep = [float(stream.uniform() >= values["dropout"]) for _ in range(int(np.prod(shape)))]
    return np.array(keep).reshape(shape)


def matches(entry, name):
    """Whether a regularization entry covers the parameter."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in entry.get("parameters", ["*"]))


class Node:
    """A node with its parameters named: `roles` maps "weight" to "fc1.weight", `edges` is a neuron's (source, weight) list."""

    def __init__(self, id, op, sources, attributes):
        self.id, self.op, self.sources, self.attributes = id, op, sources, attributes
        self.edges, self.roles, self.buffers = [], {}, {}
        self.activation = None  # or (op, attributes)
        self.activation_within = "relu"  # of a layer that has a place for one within

    def get(self, name, default):
        return self.attributes.get(name, default)


class Problem:
    """A request, read. `nodes` are in topological order: Kahn's algorithm, smallest position first."""

    def __init__(self, request):
        network, batch = request["network"], request["batch"]
        self.given = {name: value for name, value in request.get("parameters", {}).items()}
        self.parameters, self.buffers = {}, {}
        self._inputs(network["inputs"], batch["inputs"])
        spelled = network.get("nodes")
        if spelled is None:
            spelled = _sequence(network["layers"], list(self.inputs))
        spelled = [self._node(dict(node)) for node in spelled]
        named = {s for node in spelled for s in node.sources if isinstance(s, str)}
        of, trace = request["loss"]["of"], request.get("options", {}).get("trace", True)
        named |= set(of if isinstance(of, list) else [of]) | set(trace if isinstance(trace, list) else [])
        self.nodes = _ordered([one for node in spelled for one in [node, *_further(node, named)]])
        assert not set(self.given) - set(self.parameters) - set(self.buffers), "a parameter that nobody reads"
        self.loss = request["loss"]
        self.targets = batch.get("targets")
        weights = batch.get("weights")
        self.weights = None if weights is None else tensor(weights)
        self.regularization = request.get("regularization", [])
        self.options = request.get("options", {})

    @property
    def of(self):
        return self.loss["of"] if isinstance(self.loss["of"], list) else [self.loss["of"]]

    @property
    def outputs(self):
        """Nodes named by `loss.of` and nodes that nobody consumes, in topological order."""
        consumed = {s for node in self.nodes for s in node.sources if isinstance(s, str)}
        return [node.id for node in self.nodes if node.id in self.of or node.id not in consumed]

    def wanted_inputs(self):
        """The float inputs, if the request asks for their gradients."""
        wrt = self.options.get("wrt", ["*"])
        asked = "inputs" in ([wrt] if isinstance(wrt, str) else wrt)
        return [name for name, value in self.inputs.items() if asked and value.dtype == np.float64]

    def _inputs(self, declared, given):
        if isinstance(declared, list):
            declared = {name: [] for name in declared}
        if isinstance(given, dict) and not set(given) <= {"shape", "data", "dtype", "base64"}:
            columns = dict(given)
        elif len(declared) == 1:
            columns = {name: given for name in declared}
        else:
            matrix = tensor(given)
            columns = {name: matrix[:, i].tolist() for i, name in enumerate(declared)}
        self.inputs = {}
        for name, shape in declared.items():
            dtype = shape.get("dtype", "f64") if isinstance(shape, dict) else "f64"
            shape = shape["shape"] if isinstance(shape, dict) else shape
            value = tensor(columns[name], np.int64 if dtype == "i64" else np.float64)
            assert list(value.shape[1:]) == list(shape), f"input {name}: {value.shape} is not [N] + {shape}"
            self.inputs[name] = value
        self.samples = len(next(iter(self.inputs.values())))

    def _node(self, written):
        id, op, inputs = written.pop("id"), written.pop("op"), written.pop("inputs")
        activation = written.pop("activation", None)
        node = Node(id, op, list(inputs), written)
        if activation is not None:
            activation = {"op": activation} if isinstance(activation, str) else dict(activation)
            node.activation = (activation.pop("op"), activation)
            if op == "transformer_encoder_layer":
                node.activation_within, node.activation = node.activation[0], None
        if op == "neuron":
            node.edges = [(source, self._parameter(weight, f"{source}->{id}")) for source, weight in inputs.items()]
            if "bias" in written:
                node.roles["bias"] = self._parameter(written["bias"], f"{id}.bias")
        elif written.get(SWITCHES.get(op), True):
            for role in roles(op, written):
                value = written.get(role)
                if value is not False:
                    node.roles[role] = self._parameter(None if value is True else value, f"{id}.{role}")
        if op.startswith("batch_norm") and not written.get("training", True):
            for role in BUFFERS:
                node.buffers[role] = f"{id}.{role}"
                self.buffers[f"{id}.{role}"] = tensor(self.given[f"{id}.{role}"])
        if op != "neuron":
            for source in inputs:
                if source in self.given:
                    self._parameter(source, source)
        return node

    def _parameter(self, value, canonical):
        """The name under which the gradient is reported; the value is noted under it."""
        name = value if isinstance(value, str) else canonical
        inline = value is not None and not isinstance(value, str)
        assert not (inline and name in self.parameters), f"{name} is given twice"
        self.parameters.setdefault(name, tensor(value if inline else self.given[name]))
        return name


def _sequence(layers, inputs):
    previous = inputs[0] if len(inputs) == 1 else None
    for position, layer in enumerate(layers):
        layer = {"id": str(position), "inputs": [previous], **layer}
        previous = layer["id"]
        yield layer


def _further(node, named):
    """The further outputs of a layer that somebody names, as nodes of their own with the same sources and parameters."""
    for output in FURTHER.get(node.op, []):
        if f"{node.id}.{output}" in named:
            one = Node(f"{node.id}.{output}", "further", node.sources, {"of": node, "output": output})
            one.roles = node.roles
            yield one


def _ordered(nodes):
    position = {node.id: i for i, node in enumerate(nodes)}
    consumers, missing = {}, {}
    for i, node in enumerate(nodes):
        sources = {s for s in node.sources if isinstance(s, str) and s in position}
        missing[i] = len(sources)
        for source in sources:
            consumers.setdefault(source, []).append(i)
    ready, order = [i for i in missing if missing[i] == 0], []
    heapq.heapify(ready)
    while ready:
        node = nodes[heapq.heappop(ready)]
        order.append(node)
        for i in consumers.get(node.id, []):
            missing[i] -= 1
            if missing[i] == 0:
                heapq.heappush(ready, i)
    assert len(order) == len(nodes), "the network has a cycle"
    return order
