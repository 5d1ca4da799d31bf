"""The lecture's units in any acyclic wiring: skip edges, fan-out, shared weights and biases, several outputs."""

from cases.draw import Case, Draw, problem

SMOOTH = [
    "tanh",
    "sigmoid",
    "gelu",
    "silu",
    "softplus",
    "elu",
    "selu",
    "sin",
    {"op": "gelu", "approximate": "tanh"},
    {"op": "softplus", "beta": 2.5, "threshold": 15.0},
    {"op": "elu", "alpha": 0.7},
]
BROKEN = [
    "relu",
    "leaky_relu",
    {"op": "leaky_relu", "negative_slope": 0.2},
    "hardtanh",
    "abs",
    {"op": "hardtanh", "min_val": -0.8, "max_val": 1.5},
]
OBJECTIVES = ["index", "onehot", "soft", "squared", "half", "mse", "l1", "logits", "sum", "single"]


def cases():
    for seed in range(26):
        yield wired(seed)
    yield chain()
    yield ladder()
    yield star()
    yield from xor()
    yield exam_graph()
    yield shared_everything()
    yield all_activations()
    yield doubled_source()
    yield long_numbers()
    yield balanced_weights()


def wired(seed):
    """A random graph; what varies goes round with the seed, so that every objective and reduction occurs."""
    draw = Draw(f"wired {seed}")
    count, samples = [2, 3, 5, 7, 10, 14, 20, 28, 40][seed % 9], seed % 8 + 1
    inputs = [f"x{i + 1}" for i in range(draw.integer(1, 4))]
    outputs = min(count, draw.integer(2, 4))
    nodes, parameters, ids = [], {}, []
    for k in range(count):
        id = f"z{count - k}"
        near, far = (ids[-4:] or inputs), inputs + ids
        sources = list(dict.fromkeys([draw.choice(near)] + draw.sample(far, draw.integer(0, 3)) + (inputs if k == 0 else [])))
        scale = 1.8 / len(sources) ** 0.5
        node = {"id": id, "op": "neuron", "inputs": {s: weight(draw, f"{s}->{id}", scale, parameters) for s in sources}}
        if draw.chance(0.7):
            node["bias"] = bias(draw, f"{id}.bias", parameters)
        if k < count - outputs and draw.chance(0.85):
            node["activation"] = draw.choice(SMOOTH if draw.chance(0.7) else BROKEN)
        nodes.append(node)
        ids.append(id)
    loss, targets = objective(draw, OBJECTIVES[seed % len(OBJECTIVES)], ids[-outputs:], samples)
    if seed % 3 != 0:
        loss["reduction"] = ["sum", "mean"][seed // 3 % 2]
    batch = draw.tensor([samples, len(inputs)], 1.5)
    if seed % 4 == 1:
        batch = {name: [row[i] for row in batch] for i, name in enumerate(inputs)}
    elif len(inputs) == 1:
        batch = [row[0] for row in batch]
    extra = {}
    if seed % 5 == 3:
        extra["weights"] = draw.positive([samples])
    if seed % 6 == 4:
        extra["regularization"] = [{"l2": 0.01, "factor": 0.5, "parameters": ["*->*"]}]
        if seed % 4 == 2:
            extra["regularization"].append({"l1": 0.003})
    if seed % 2:  # a network may be written in any order
        nodes = draw.shuffled(nodes)
    request = problem(inputs, batch, loss, nodes, parameters=parameters, targets=targets, **extra)
    return Case(f"wired_{count}", request, kinks=True)  # behind a dead relu a unit without bias sits exactly at 0


def weight(draw, canonical, scale, parameters):
    """A weight in one of its spellings: a number, null, or the name of an entry that others may share."""
    if draw.chance(0.5):
        return draw.number(scale)
    if draw.chance(0.6):
        parameters[canonical] = draw.number(scale)
        return None
    name = draw.choice(["w", "v", "tied.weight"])
    parameters.setdefault(name, draw.between(0.4, 0.9))
    return name


def bias(draw, canonical, parameters):
    if draw.chance(0.5):
        return draw.number(0.5)
    if draw.chance(0.6):
        parameters[canonical] = draw.number(0.5)
        return None
    parameters.setdefault("b", draw.number(0.5))
    return "b"


def objective(draw, kind, of, samples):
    """A loss over scalar nodes, and its targets."""
    many = [samples, len(of)]
    if kind == "index":
        return {"op": "cross_entropy", "of": of}, draw.labels([samples], len(of))
    if kind == "onehot":
        rows = [[1 if c == label else 0 for c in range(len(of))] for label in draw.labels([samples], len(of))]
        return {"op": "cross_entropy", "of": of}, rows
    if kind == "soft":
        return {"op": "cross_entropy", "of": of, "from": "logits"}, draw.probabilities(many)
    if kind in ("squared", "half"):
        return {"op": "squared_error", "of": of, **({"factor": 0.5} if kind == "half" else {})}, draw.tensor(many)
    if kind in ("mse", "l1"):
        return {"op": kind, "of": of}, draw.tensor(many, 4.0)
    if kind == "logits":
        return {"op": "bce_with_logits", "of": of}, draw.integers(many, 0, 1)
    if kind == "sum":
        return {"op": "sum", "of": of}, None
    return {"op": "mse", "of": of[-1]}, draw.tensor([samples])


def chain():
    """Fifty tanh units in a row: a product of a hundred factors."""
    draw = Draw("chain")
    nodes = [
        {
            "id": f"h{k}",
            "op": "neuron",
            "inputs": {f"h{k - 1}" if k else "x": draw.between(1.05, 1.4)},
            "bias": draw.number(0.05),
            "activation": "tanh",
        }
        for k in range(50)
    ]
    loss = {"op": "squared_error", "of": "h49", "factor": 0.5}
    return Case("chain_50", problem(["x"], [0.4, -0.7, 0.05], loss, nodes, targets=[1, 0, 0.2]))


def ladder():
    """Every unit reads all before it, so that paths double with each: 2^11 of them, one sweep."""
    draw = Draw("ladder")
    ids = [f"n{k}" for k in range(12)]
    nodes = [
        {
            "id": id,
            "op": "neuron",
            "inputs": {s: draw.number(0.9) for s in ["x", *ids[:k]]},
            "bias": draw.number(0.3),
            "activation": "tanh",
        }
        for k, id in enumerate(ids)
    ]
    loss = {"op": "sum", "of": "n11", "reduction": "mean"}
    return Case("ladder_12", problem(["x"], draw.tensor([5]), loss, nodes))


def star():
    """One unit feeds twenty, which feed one."""
    draw = Draw("star")
    rays = [f"r{k}" for k in range(20)]
    nodes = [{"id": "hub", "op": "neuron", "inputs": {"x": 0.8, "y": -0.3}, "activation": "sigmoid"}]
    nodes += [
        {"id": id, "op": "neuron", "inputs": {"hub": draw.number(2)}, "bias": "b", "activation": draw.choice(SMOOTH)}
        for id in rays
    ]
    nodes += [{"id": "end", "op": "neuron", "inputs": {id: draw.number(1) for id in rays}, "bias": -0.2}]
    loss = {"op": "bce_with_logits", "of": "end"}
    return Case("star_20", problem(["x", "y"], draw.tensor([4, 2], 2), loss, nodes, parameters={"b": 0.15}, targets=[1, 0, 0, 1]))


def xor():
    """The smallest network that needs its hidden layer; once with sigmoids, once with relus."""
    for activation in ("sigmoid", "relu"):
        nodes = [
            {"id": "h1", "op": "neuron", "inputs": {"a": 2.1, "b": 2.2}, "bias": -0.9, "activation": activation},
            {"id": "h2", "op": "neuron", "inputs": {"a": 1.9, "b": 1.8}, "bias": -2.6, "activation": activation},
            {"id": "p", "op": "neuron", "inputs": {"h1": 1.7, "h2": -2.9}, "bias": -0.4, "activation": "sigmoid"},
        ]
        loss = {"op": "bce", "of": "p", "reduction": "mean"}
        yield Case(f"xor_{activation}", problem(["a", "b"], [[0, 0], [0, 1], [1, 0], [1, 1]], loss, nodes, targets=[0, 1, 1, 0]))


def exam_graph():
    """Five paths from x to the loss, and a skip edge n6 -> n3 that no notion of layers survives."""
    edges = {"n7": ["x"], "n6": ["n7"], "n5": ["n7"], "n4": ["n5", "n6"], "n3": ["n4", "n6"], "n2": ["n4"], "n1": ["n2", "n3"]}
    draw = Draw("exam")
    nodes = [
        {
            "id": id,
            "op": "neuron",
            "inputs": {s: draw.number(1.5, 1) for s in sources},
            "bias": draw.number(1, 1),
            "activation": "tanh",
        }
        for id, sources in edges.items()
    ]
    return Case("exam_graph", problem(["x"], [0.3, -1.1], {"op": "squared_error", "of": "n1"}, nodes, targets=[0.5, -0.5]))


def shared_everything():
    """One weight and one bias for the whole network: a recurrence unrolled over six steps."""
    nodes = [
        {
            "id": f"s{t}",
            "op": "neuron",
            "inputs": {f"x{t}": "u", **({f"s{t - 1}": "w"} if t else {})},
            "bias": "b",
            "activation": "tanh",
        }
        for t in range(6)
    ]
    nodes.append({"id": "y", "op": "neuron", "inputs": {"s5": "w"}, "bias": "b"})
    draw = Draw("recurrence")
    return Case(
        "recurrence",
        problem(
            [f"x{t}" for t in range(6)],
            draw.tensor([3, 6]),
            {"op": "mse", "of": "y", "reduction": "mean"},
            nodes,
            parameters={"u": 0.7, "w": -0.9, "b": 0.1},
            targets=[0.2, -0.4, 0.9],
        ),
    )


def all_activations():
    """One unit of each activation side by side, reading the same two inputs."""
    draw = Draw("activations")
    kinds = SMOOTH + BROKEN + ["exp", "cos", "neg"]
    nodes = [
        {
            "id": f"u{k}",
            "op": "neuron",
            "inputs": {"x": draw.number(), "y": draw.number()},
            "bias": draw.number(0.5),
            "activation": kind,
        }
        for k, kind in enumerate(kinds)
    ]
    nodes.append({"id": "out", "op": "neuron", "inputs": {node["id"]: draw.number() for node in nodes}})
    return Case(
        "activations",
        problem(["x", "y"], draw.tensor([6, 2], 3), {"op": "squared_error", "of": "out"}, nodes, targets=draw.tensor([6])),
    )


def doubled_source():
    """A node that is an output, feeds a later output, and is read by the loss itself; and one that leads nowhere."""
    nodes = [
        {"id": "dead", "op": "neuron", "inputs": {"b": 0.4, "x": 1.1}, "activation": "tanh"},
        {"id": "a", "op": "neuron", "inputs": {"x": 0.9}, "bias": 0.2, "activation": "silu"},
        {"id": "c", "op": "neuron", "inputs": {"a": 0.6, "b": -1.2, "x": 0.3}},
        {"id": "b", "op": "neuron", "inputs": {"a": -0.8}, "activation": "tanh"},
    ]
    return Case(
        "inner_outputs",
        problem(["x"], [0.5, -0.25, 1.5, 2], {"op": "cross_entropy", "of": ["b", "c", "a"]}, nodes, targets=[2, 0, 1, 1]),
    )


def long_numbers():
    """Weights and inputs of full precision: reading a number wrongly in its last digit shows here."""
    draw = Draw("digits")
    nodes = [
        {
            "id": f"k{i}",
            "op": "neuron",
            "inputs": {"x": draw.number(1, 17), "y": draw.number(1e-3, 20) * 1e3},
            "bias": draw.number(1, 18),
            "activation": "tanh",
        }
        for i in range(5)
    ]
    nodes.append({"id": "o", "op": "neuron", "inputs": {f"k{i}": draw.number(1, 17) for i in range(5)}})
    return Case(
        "long_numbers",
        problem(
            ["x", "y"], draw.tensor([4, 2], 1, 17), {"op": "squared_error", "of": "o"}, nodes, targets=draw.tensor([4], 1, 17)
        ),
    )


def balanced_weights():
    """Sample weights of which one is zero, under `mean`: the sum of weights divides, not N."""
    draw = Draw("weights")
    nodes = [
        {"id": "h", "op": "neuron", "inputs": {"x": 1.2}, "bias": 0.1, "activation": "tanh"},
        {"id": "p", "op": "neuron", "inputs": {"h": 0.7}},
        {"id": "q", "op": "neuron", "inputs": {"h": -0.2}, "bias": 0.3},
    ]
    return Case(
        "sample_weights",
        problem(
            ["x"],
            draw.tensor([5]),
            {"op": "cross_entropy", "of": ["p", "q"], "reduction": "mean"},
            nodes,
            targets=[0, 1, 1, 0, 1],
            weights=[1, 0.5, 0, 2, 3.25],
        ),
    )
