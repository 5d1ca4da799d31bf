"""The reply to a request, by PyTorch in f64: every op is PyTorch's own function and every gradient autograd's.

The only arithmetic written out here is the contract's own: a neuron's weighted sum, the losses that PyTorch does not
have (`squared_error`, `cross_entropy` from probabilities, `sum`, `cotangent`), sample weights and regularization.
"""

import math
import warnings

import numpy as np
import torch
import torch.nn.functional as F

import problem
import torch_sequences

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
warnings.filterwarnings("ignore", message="Using padding='same' with even kernel lengths")
warnings.filterwarnings("ignore", message="reduction: 'mean' divides the total loss by both")

UNARY = {
    "neg": torch.neg,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "sin": torch.sin,
    "cos": torch.cos,
    "identity": lambda x: x,
    "relu": torch.relu,
    "selu": F.selu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": F.silu,
}
# Attributes of an op, with PyTorch's defaults, in the order of its function's arguments.
ATTRIBUTED = {
    "leaky_relu": (F.leaky_relu, {"negative_slope": 0.01}),
    "elu": (F.elu, {"alpha": 1.0}),
    "gelu": (F.gelu, {"approximate": "none"}),
    "softplus": (F.softplus, {"beta": 1.0, "threshold": 20.0}),
    "hardtanh": (F.hardtanh, {"min_val": -1.0, "max_val": 1.0}),
    "softmax": (F.softmax, {"dim": -1}),
    "log_softmax": (F.log_softmax, {"dim": -1}),
}
BINARY = {"mul": torch.mul, "div": torch.div, "maximum": torch.maximum, "minimum": torch.minimum, "matmul": torch.matmul}


class Value:
    """A tensor, and whether it has a leading sample axis."""

    def __init__(self, tensor, batched):
        self.tensor, self.batched = tensor, batched


def judge(request, dtype=torch.float64):
    """The reply's numbers, as tensors and dictionaries of tensors (see `as_json`)."""
    p = problem.Problem(request)
    run = Run(p, dtype)
    losses, loss = objective(p, run)
    names = list(p.parameters)
    (loss + penalty(p, run.leaves)).backward()
    reply = {
        "loss": (loss + penalty(p, run.leaves)).detach(),
        "losses": losses.detach(),
        "outputs": {id: run.values[id].tensor.detach() for id in p.outputs},
        "gradients": {name: cotangent(run.leaves[name]) for name in names},
    }
    if p.wanted_inputs():
        reply["input_gradients"] = {name: cotangent(run.values[name].tensor) for name in p.wanted_inputs()}
    if p.regularization:
        alone = penalty(p, run.leaves)
        gradients = torch.autograd.grad(alone, [run.leaves[name] for name in names], allow_unused=True, materialize_grads=True)
        reply["regularization"] = {"loss": alone.detach(), "gradients": dict(zip(names, gradients))}
    wanted = p.options.get("trace", True)
    if wanted:
        reply["trace"] = {node.id: run.trace(node.id) for node in p.nodes if wanted is True or node.id in wanted}
    return reply


class Run:
    """The forward pass, every intermediate value kept with its gradient."""

    def __init__(self, p, dtype=torch.float64):
        self.problem, self.dtype = p, dtype
        self.leaves = {name: self.leaf(value) for name, value in p.parameters.items()}
        self.buffers = {name: torch.tensor(value, dtype=dtype) for name, value in p.buffers.items()}
        self.values, self.before, self.further = {}, {}, {}
        for name, value in p.inputs.items():
            self.values[name] = Value(torch.tensor(value) if value.dtype == np.int64 else self.leaf(value), True)
        for node in p.nodes:
            self.evaluate(node)

    def leaf(self, value):
        return torch.tensor(value, dtype=self.dtype).requires_grad_()

    def source(self, reference):
        if isinstance(reference, str):
            return self.values.get(reference) or Value(self.leaves[reference], False)
        return Value(self.leaf(reference), False)

    def evaluate(self, node):
        sources = [self.source(s) for s in node.sources]
        batched = any(s.batched for s in sources)
        result = keep(apply(self, node, sources), sources)
        if node.activation is not None:
            self.before[node.id] = result
            op, attributes = node.activation
            result = keep(elementwise(op, attributes, result), [Value(result, batched)])
        self.values[node.id] = Value(result, batched)

    def trace(self, id):
        row, z, a = {}, self.values[id].tensor, self.before.get(id)
        if a is not None:
            row["a"] = a.detach()
        row["z"] = z.detach()
        if a is not None:
            row["dE_da"] = cotangent(a)
        row["dE_dz"] = cotangent(z)
        return row


def keep(result, sources):
    """The tensor with its gradient retained; never the very tensor that came in, whose gradient is another's."""
    if any(result is s.tensor for s in sources):
        result = result.view_as(result)
    result.retain_grad()
    return result


def cotangent(t):
    """What backward left at a tensor; zeros where no path leads from it to the loss."""
    return torch.zeros_like(t.detach()) if t.grad is None else t.grad


def per_sample(function, *values):
    """A function of per-sample values: PyTorch's `vmap` over the sample axis of those that have one."""
    if not any(v.batched for v in values):
        return function(*(v.tensor for v in values))
    return torch.vmap(function, in_dims=tuple(0 if v.batched else None for v in values))(*(v.tensor for v in values))


def inner(dim, batched):
    """An axis of the full tensor as an axis of one sample."""
    return dim - 1 if batched and dim > 0 else dim


def elementwise(op, attributes, x):
    if op in UNARY:
        return UNARY[op](x)
    function, defaults = ATTRIBUTED[op]
    assert set(attributes) <= set(defaults), attributes
    return function(x, **{**defaults, **attributes})


def apply(run, node, sources):
    """What a node computes, before its `activation`."""
    op, get = node.op, node.get
    x = sources[0].tensor if sources else None
    batched = any(s.batched for s in sources)
    weight, bias = (run.leaves.get(node.roles.get(role)) for role in ("weight", "bias"))
    if op in torch_sequences.LAYERS:
        repeated = [s.tensor if s.batched else s.tensor.expand(run.problem.samples, *s.tensor.shape) for s in sources]
        value, further = torch_sequences.LAYERS[op](run, node, repeated)
        run.further[node.id] = further
        return value
    if op == "further":
        return run.further[get("of", None).id][get("output", None)]
    if op == "neuron":
        terms = [run.leaves[weight] * source.tensor for (_, weight), source in zip(node.edges, sources)]
        return sum(terms[1:], terms[0]) + (0.0 if bias is None else bias)
    if op in UNARY or op in ATTRIBUTED:
        return elementwise(op, node.attributes, x)
    if op in BINARY:
        return per_sample(BINARY[op], *sources)
    if op in ("add", "sub"):
        function = torch.add if op == "add" else torch.sub
        return per_sample(lambda a, b: function(a, b, alpha=get("alpha", 1)), *sources)
    if op == "pow":
        return torch.pow(x, get("exponent", None)) if len(sources) == 1 else per_sample(torch.pow, *sources)
    if op in ("sum", "mean"):
        dim = get("dim", list(range(1, x.dim())) if batched else list(range(x.dim())))
        function = torch.sum if op == "sum" else torch.mean
        return x if dim == [] else function(x, dim=dim, keepdim=get("keepdim", False))
    if op == "reshape":
        return x.reshape(get("shape", None))
    if op == "flatten":
        return x.flatten(get("start_dim", 1), get("end_dim", -1))
    if op == "permute":
        return x.permute(get("dims", None))
    if op == "select":
        return x.select(get("dim", None), get("index", None))
    if op == "slice":
        dim, end = get("dim", 1), get("end", None)
        return torch.ops.aten.slice(x, dim, get("start", 0), x.shape[dim] if end is None else end, get("step", 1))
    if op in ("concat", "stack"):
        function = torch.cat if op == "concat" else torch.stack
        return per_sample(lambda *ts: function(ts, dim=inner(get("dim", 1), batched)), *sources)
    if op in ("linear", "dense"):
        return F.linear(x, weight, bias)
    if op == "embedding":
        return F.embedding(x, weight, padding_idx=get("padding_idx", None))
    if op == "conv2d":
        return F.conv2d(x, weight, bias, get("stride", 1), get("padding", 0), get("dilation", 1), get("groups", 1))
    if op == "max_pool2d":
        return F.max_pool2d(
            x, get("kernel_size", None), get("stride", None), get("padding", 0), get("dilation", 1), get("ceil_mode", False)
        )
    if op == "avg_pool2d":
        return F.avg_pool2d(
            x,
            get("kernel_size", None),
            get("stride", None),
            get("padding", 0),
            get("ceil_mode", False),
            get("count_include_pad", True),
            get("divisor_override", None),
        )
    if op in ("batch_norm1d", "batch_norm2d"):
        running = [run.buffers.get(node.buffers.get(role)) for role in problem.BUFFERS]
        return F.batch_norm(x, *running, weight, bias, training=get("training", True), eps=get("eps", 1e-5))
    if op == "layer_norm":
        shape = get("normalized_shape", list(weight.shape) if weight is not None else None)
        return F.layer_norm(x, [shape] if isinstance(shape, int) else shape, weight, bias, get("eps", 1e-5))
    if op == "dropout":
        p = get("p", 0.5)
        if not get("training", True) or p == 0:
            return x
        return x * torch.tensor(problem.tensor(get("mask", None)), dtype=x.dtype) / (1 - p)
    raise AssertionError(f"unknown op {op}")


# ---- the objective -------------------------------------------------------------------------------------------------

ELEMENTWISE_LOSSES = {  # function and its attributes, with PyTorch's defaults
    "mse": (F.mse_loss, {}),
    "l1": (F.l1_loss, {}),
    "smooth_l1": (F.smooth_l1_loss, {"beta": 1.0}),
    "huber": (F.huber_loss, {"delta": 1.0}),
    "bce": (F.binary_cross_entropy, {"weight": None}),
    "bce_with_logits": (F.binary_cross_entropy_with_logits, {"weight": None, "pos_weight": None}),
    "kl_div": (F.kl_div, {"log_target": False}),
}


def objective(p, run):
    """Per-sample losses E_n, unweighted, and the reduced loss, without regularization."""
    parts = [run.values[id].tensor for id in p.of]
    o = torch.stack(parts, dim=1) if isinstance(p.loss["of"], list) else parts[0]
    reduction = p.loss.get("reduction", "sum")
    losses, divisors, own = PER_SAMPLE.get(p.loss["op"], elementwise_loss)(p, o, reduction)
    weights = torch.ones(p.samples, dtype=o.dtype) if p.weights is None else torch.tensor(p.weights, dtype=o.dtype)
    loss = (weights * losses).sum()
    if reduction == "mean":
        loss = loss / (weights * divisors).sum()
    if p.weights is None and own is not None:  # PyTorch reduces by itself
        if math.isfinite(loss.item()):
            torch.testing.assert_close(own, loss, rtol=1e-13 if o.dtype == torch.float64 else 1e-5, atol=1e-15)
        loss = own
    return losses, loss


def rows(elements, reduction):
    """One number a sample: the sum of its elements or, under `mean`, their mean."""
    flat = elements.reshape(len(elements), -1)
    return flat.mean(1) if reduction == "mean" else flat.sum(1)


def floats(value, like):
    return None if value is None else torch.tensor(problem.tensor(value), dtype=like.dtype)


def elementwise_loss(p, o, reduction):
    function, defaults = ELEMENTWISE_LOSSES[p.loss["op"]]
    arguments = {name: p.loss.get(name, default) for name, default in defaults.items()}
    for name in ("weight", "pos_weight"):
        if name in arguments:
            arguments[name] = floats(arguments[name], o)
    target = floats(p.targets, o)
    losses = rows(function(o, target, reduction="none", **arguments), reduction)
    return losses, torch.ones_like(losses), function(o, target, reduction=reduction, **arguments)


def squared_error(p, o, reduction):
    losses = p.loss.get("factor", 1) * rows((o - floats(p.targets, o)) ** 2, "sum")
    return losses, torch.ones_like(losses), None


def plain_sum(p, o, reduction):
    losses = rows(o, "sum")
    return losses, torch.ones_like(losses), None


def contracted(p, o, reduction):
    losses = rows(floats(p.loss["value"], o) * o, "sum")
    return losses, torch.ones_like(losses), None


def classes(p, o):
    """The targets: class indices where there is one axis less than in the logits, else probabilities."""
    target = problem.tensor(p.targets)
    indices = target.ndim < o.dim()
    return torch.tensor(target).long() if indices else torch.tensor(target, dtype=o.dtype), indices


def cross_entropy(p, o, reduction):
    weight, target = floats(p.loss.get("weight"), o), classes(p, o)
    smoothing, ignored = p.loss.get("label_smoothing", 0.0), p.loss.get("ignore_index", -100)
    if p.loss.get("from", "logits") == "probabilities":
        return from_probabilities(o, *target, weight, smoothing, ignored)
    arguments = {"weight": weight, "label_smoothing": smoothing}
    if target[1]:
        arguments["ignore_index"] = ignored
    elements = F.cross_entropy(o, target[0], reduction="none", **arguments)
    own = F.cross_entropy(o, target[0], reduction=reduction, **arguments)
    return rows(elements, "sum"), divisors(elements, *target, weight, ignored), own


def from_probabilities(o, target, indices, weight, smoothing, ignored):
    """−Σ_c w_c y_c log p_c with y the target, one-hot for an index, smoothed as PyTorch smooths it."""
    count = o.shape[1]
    weight = torch.ones(count, dtype=o.dtype) if weight is None else weight
    shaped = weight.reshape([1, count] + [1] * (o.dim() - 2))
    log = torch.log(o)
    if indices:
        kept = target != ignored
        y = F.one_hot(torch.where(kept, target, 0), count).to(o.dtype).movedim(-1, 1)
        y = ((1 - smoothing) * y + smoothing / count * torch.ones_like(y)) * kept.unsqueeze(1)
    else:
        y = (1 - smoothing) * target + smoothing / count
    elements = -(shaped * y * log).sum(1)
    return rows(elements, "sum"), divisors(elements, target, indices, weight, ignored), None


def nll(p, o, reduction):
    weight, target, ignored = floats(p.loss.get("weight"), o), classes(p, o), p.loss.get("ignore_index", -100)
    elements = F.nll_loss(o, target[0], weight=weight, ignore_index=ignored, reduction="none")
    own = F.nll_loss(o, target[0], weight=weight, ignore_index=ignored, reduction=reduction)
    return rows(elements, "sum"), divisors(elements, *target, weight, ignored), own


def divisors(elements, target, indices, weight, ignored):
    """d_n: what `mean` divides by: a sample's positions or, for class indices, their class weights, if not ignored."""
    if not indices:
        return rows(torch.ones_like(elements), "sum")
    kept = (target != ignored).to(elements.dtype)
    if weight is not None:
        kept = kept * weight[torch.where(target == ignored, 0, target)]
    return rows(kept, "sum")


PER_SAMPLE = {
    "squared_error": squared_error,
    "sum": plain_sum,
    "cotangent": contracted,
    "cross_entropy": cross_entropy,
    "nll": nll,
}


def penalty(p, leaves):
    """factor·λ·Σw² or factor·λ·Σ|w| over the parameters that each entry names."""
    total = torch.zeros(())
    for entry in p.regularization:
        size, rate = (torch.abs, entry["l1"]) if "l1" in entry else (torch.square, entry["l2"])
        total = total + entry.get("factor", 1) * rate * sum(
            size(leaf).sum() for name, leaf in leaves.items() if problem.matches(entry, name)
        )
    return total


# ---- as JSON -------------------------------------------------------------------------------------------------------


def as_json(reply):
    """Tensors as nested lists; numbers that JSON does not have as the contract's strings."""
    if isinstance(reply, dict):
        return {name: as_json(value) for name, value in reply.items()}
    if isinstance(reply, list):
        return [as_json(value) for value in reply]
    if isinstance(reply, torch.Tensor):
        return as_json(reply.tolist())
    if math.isfinite(reply):
        return reply
    return "NaN" if math.isnan(reply) else "Infinity" if reply > 0 else "-Infinity"
