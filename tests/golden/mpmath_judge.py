"""A second judge, in 50-digit arithmetic: PyTorch is right until it is not, and this one says where.

Only the forward pass is written here, op by op from its definition and without PyTorch; a derivative is a central
difference with a step of 1e-20, good to 30 digits. It checks every golden coordinate by coordinate (`disagreement`), and
is itself the judge (`judge`) where f64 formulas lose digits.
"""

import itertools
import math
import random

import mpmath
import numpy as np

import mpmath_sequences
import problem

mpmath.mp.dps = 50
STEP = mpmath.mpf(10) ** -20
ONE = mpmath.mpf(1)


def exact(array):
    """The same numbers as mpmath's, in an array of objects."""
    return np.vectorize(mpmath.mpf, otypes=[object])(np.asarray(array, dtype=np.float64)) if np.size(array) else array


def pointwise(function):
    return np.vectorize(function, otypes=[object])


def elu(x, alpha):
    return x if x > 0 else alpha * mpmath.expm1(x)


def softplus(x, beta, threshold):
    return x if x * beta > threshold else mpmath.log1p(mpmath.exp(beta * x)) / beta


def gelu(x, approximate):
    if approximate == "tanh":
        return x / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3)))
    return x / 2 * mpmath.erfc(-x / mpmath.sqrt(2))


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


SELU = mpmath.mpf("1.6732632423543772848170429916717"), mpmath.mpf("1.0507009873554804934193349852946")
UNARY = {
    "neg": lambda x: -x,
    "exp": mpmath.exp,
    "log": mpmath.log,
    "sqrt": mpmath.sqrt,
    "abs": abs,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "identity": lambda x: x,
    "relu": lambda x: max(x, mpmath.mpf(0)),
    "selu": lambda x: SELU[1] * elu(x, SELU[0]),
    "sigmoid": sigmoid,
    "tanh": mpmath.tanh,
    "silu": lambda x: x * sigmoid(x),
}
ATTRIBUTED = {
    "leaky_relu": (lambda x, slope: x if x > 0 else slope * x, {"negative_slope": 0.01}),
    "elu": (elu, {"alpha": 1.0}),
    "gelu": (gelu, {"approximate": "none"}),
    "softplus": (softplus, {"beta": 1.0, "threshold": 20.0}),
    "hardtanh": (lambda x, low, high: min(max(x, low), high), {"min_val": -1.0, "max_val": 1.0}),
}
BINARY = {
    "add": lambda a, b, alpha: a + alpha * b,
    "sub": lambda a, b, alpha: a - alpha * b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "maximum": pointwise(max),
    "minimum": pointwise(min),
}


def log_softmax(x, dim):
    shifted = x - x.max(axis=dim, keepdims=True)
    return shifted - pointwise(mpmath.log)(pointwise(mpmath.exp)(shifted).sum(axis=dim, keepdims=True))


def elementwise(op, attributes, x):
    if op in ("softmax", "log_softmax"):
        log = log_softmax(x, attributes.get("dim", -1))
        return log if op == "log_softmax" else pointwise(mpmath.exp)(log)
    if op in UNARY:
        return pointwise(UNARY[op])(x)
    function, defaults = ATTRIBUTED[op]
    values = [v if isinstance(v, str) else mpmath.mpf(v) for v in {**defaults, **attributes}.values()]
    return pointwise(lambda e: function(e, *values))(x)


class Run:
    """One forward pass. `base` is an earlier one: only what lies downstream of the changes is computed again.

    `change` maps ("leaf" | "a" | "z", name) to a pair (index, step) to be added to that value.
    """

    def __init__(self, p, base=None, change=None):
        self.problem, self.base, self.change = p, base, change or {}
        self.dirty, self.values, self.before, self.batched = set(), {}, {}, {}
        for name, value in [*p.inputs.items(), *p.parameters.items()]:
            known = None if base is None else base.values[name]
            value = known if known is not None else value if value.dtype == np.int64 else exact(value)
            self.values[name], self.batched[name] = self.changed("leaf", name, value), name in p.inputs
        for node in p.nodes:
            self.evaluate(node)
        self.losses = per_sample_losses(p, self)
        self.loss = reduced(p, self)

    def changed(self, kind, name, value):
        if (kind, name) in self.change:
            index, step = self.change[kind, name]
            value = np.array(value, dtype=object, copy=True)
            value[index] += step
            self.dirty.add(name)
        return value

    def source(self, reference):
        if isinstance(reference, str):
            return self.values[reference], self.batched[reference]
        return exact(reference), False

    def evaluate(self, node):
        needed = [*node.sources, *node.roles.values(), *(weight for _, weight in node.edges)]
        self.batched[node.id] = any(self.source(s)[1] for s in node.sources)
        fresh = self.base is None or any(isinstance(s, str) and s in self.dirty for s in needed)
        if fresh:
            self.dirty.add(node.id)
        if node.activation is not None:
            result = apply(self, node) if fresh else self.base.before[node.id]
            self.before[node.id] = self.changed("a", node.id, as_objects(result))
            fresh = fresh or ("a", node.id) in self.change
        if not fresh:
            result = self.base.values[node.id]
        elif node.activation is not None:
            result = elementwise(*node.activation, self.before[node.id])
        else:
            result = apply(self, node)
        self.values[node.id] = self.changed("z", node.id, as_objects(result))


def as_objects(value):
    return value if isinstance(value, np.ndarray) else np.array(value, dtype=object)


def aligned(sources, rank=None):
    """Per-sample broadcasting: values with a sample axis get axes of size one behind it, as `vmap` would insert."""
    rank = max(value.ndim - batched for value, batched in sources) if rank is None else rank
    for value, batched in sources:
        yield value.reshape([len(value)] + [1] * (rank - value.ndim + 1) + list(value.shape[1:])) if batched else value


def pair(value):
    return tuple(value) if isinstance(value, list) else (value, value)


def apply(run, node):
    op, get = node.op, node.get
    sources = [run.source(s) for s in node.sources]
    x = sources[0][0] if sources else None
    batched = any(b for _, b in sources)
    weight, bias = (run.values.get(node.roles.get(role)) for role in ("weight", "bias"))
    if op in mpmath_sequences.LAYERS or op == "further":
        whole = get("of", None) if op == "further" else node
        repeated = [value if b else np.stack([value] * run.problem.samples) for value, b in sources]
        values = mpmath_sequences.LAYERS[whole.op](run, whole, repeated, elementwise)
        return values[get("output", None) if op == "further" else "value"]
    if op == "neuron":
        total = mpmath.mpf(0) if bias is None else bias
        for (value, _), (_, name) in zip(sources, node.edges):
            total = total + run.values[name] * value
        return total
    if op in UNARY or op in ATTRIBUTED or op in ("softmax", "log_softmax"):
        return elementwise(op, node.attributes, x)
    if op == "pow" and len(sources) == 1:
        return x ** mpmath.mpf(get("exponent", None))
    if op in ("add", "sub"):
        return BINARY[op](*aligned(sources), mpmath.mpf(get("alpha", 1)))
    if op in BINARY:
        return BINARY[op](*aligned(sources))
    if op == "matmul":
        return matmul(*sources)
    if op in ("sum", "mean"):
        dim = get("dim", list(range(1 if batched else 0, x.ndim)))
        dim = tuple(dim) if isinstance(dim, list) else (dim,)
        total = x.sum(axis=dim, keepdims=get("keepdim", False))
        return total if op == "sum" else total / math.prod(x.shape[d] for d in dim)
    if op == "reshape":
        return x.reshape(get("shape", None))
    if op == "flatten":
        first, last = get("start_dim", 1) % x.ndim, get("end_dim", -1) % x.ndim
        return x.reshape(x.shape[:first] + (-1,) + x.shape[last + 1 :])
    if op == "permute":
        return x.transpose(get("dims", None))
    if op == "select":
        return np.take(x, get("index", None), axis=get("dim", None))
    if op == "slice":
        window = slice(get("start", None), get("end", None), get("step", None))
        return np.moveaxis(np.moveaxis(x, get("dim", 1), 0)[window], 0, get("dim", 1))
    if op in ("concat", "stack"):
        function = np.concatenate if op == "concat" else np.stack
        count = run.problem.samples
        return function([v if b or not batched else np.stack([v] * count) for v, b in sources], axis=get("dim", 1))
    if op in ("linear", "dense"):
        return np.dot(x, weight.T) + (0 if bias is None else bias)
    if op == "embedding":
        if get("padding_idx", None) is not None:  # that row is read as a constant, and gets no gradient
            weight = weight.copy()
            weight[get("padding_idx", None)] = exact(run.problem.parameters[node.roles["weight"]])[get("padding_idx", None)]
        return weight[x]
    if op == "conv2d":
        return conv2d(x, weight, bias, node)
    if op in ("max_pool2d", "avg_pool2d"):
        return pool2d(x, node)
    if op in ("batch_norm1d", "batch_norm2d"):
        axes = (0, *range(2, x.ndim))
        shape = [1, -1] + [1] * (x.ndim - 2)
        if get("training", True):
            mean, variance = moments(x, axes)
        else:
            mean, variance = (exact(run.problem.buffers[node.buffers[role]]).reshape(shape) for role in problem.BUFFERS)
        return normalized(x, mean, variance, node, *(None if t is None else t.reshape(shape) for t in (weight, bias)))
    if op == "layer_norm":
        shape = get("normalized_shape", list(weight.shape) if weight is not None else None)
        axes = tuple(range(x.ndim - (1 if isinstance(shape, int) else len(shape)), x.ndim))
        return normalized(x, *moments(x, axes), node, weight, bias)
    if op == "dropout":
        if not get("training", True) or get("p", 0.5) == 0:
            return x
        return x * exact(problem.tensor(get("mask", None))) / (1 - mpmath.mpf(get("p", 0.5)))
    raise AssertionError(f"unknown op {op}")


def moments(x, axes):
    mean = x.sum(axis=axes, keepdims=True) / math.prod(x.shape[a] for a in axes)
    return mean, ((x - mean) ** 2).sum(axis=axes, keepdims=True) / math.prod(x.shape[a] for a in axes)


def normalized(x, mean, variance, node, weight, bias):
    y = (x - mean) / pointwise(mpmath.sqrt)(variance + mpmath.mpf(node.get("eps", 1e-5)))
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def matmul(a, b):
    if not a[1] and not b[1]:
        return np.dot(a[0], b[0])
    count = len(a[0]) if a[1] else len(b[0])
    rows = [plain_matmul(a[0][n] if a[1] else a[0], b[0][n] if b[1] else b[0]) for n in range(count)]
    return np.array(rows, dtype=object)


def plain_matmul(a, b):
    """`torch.matmul` of two tensors: leading axes broadcast, a vector is a row on the left and a column on the right."""
    if a.ndim <= 2 and b.ndim <= 2:
        return np.dot(a, b)
    left, right = (a[None, :] if a.ndim == 1 else a), (b[:, None] if b.ndim == 1 else b)
    lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left, right = (np.broadcast_to(t, lead + t.shape[-2:]) for t in (left, right))
    out = np.empty(lead + (left.shape[-2], right.shape[-1]), dtype=object)
    for i in np.ndindex(*lead):
        out[i] = np.dot(left[i], right[i])
    out = out[..., 0, :] if a.ndim == 1 else out
    return out[..., 0] if b.ndim == 1 else out


def conv2d(x, weight, bias, node):
    """out[n, o, y, x] = bias[o] + Σ weight[o, c, i, j] · padded[n, c, y·s + i·d, x·s + j·d], within o's group."""
    (sy, sx), (dy, dx) = pair(node.get("stride", 1)), pair(node.get("dilation", 1))
    padding, groups, (ky, kx) = node.get("padding", 0), node.get("groups", 1), weight.shape[2:]
    if padding == "same":  # an odd total puts the odd one behind
        total = dy * (ky - 1), dx * (kx - 1)
        sides = [(t // 2, t - t // 2) for t in total]
    else:
        sides = [(side, side) for side in pair(0 if padding == "valid" else padding)]
    x = np.pad(x, [(0, 0), (0, 0), *sides], constant_values=mpmath.mpf(0))
    height, width = ((x.shape[2 + a] - d * (k - 1) - 1) // s + 1 for a, k, d, s in ((0, ky, dy, sy), (1, kx, dx, sx)))
    inputs, outputs = weight.shape[1], weight.shape[0] // groups
    out = np.empty((len(x), weight.shape[0], height, width), dtype=object)
    for n, g, i, j in itertools.product(range(len(x)), range(groups), range(height), range(width)):
        window = x[
            n, g * inputs : (g + 1) * inputs, i * sy : i * sy + dy * (ky - 1) + 1 : dy, j * sx : j * sx + dx * (kx - 1) + 1 : dx
        ]
        filters = weight[g * outputs : (g + 1) * outputs]
        out[n, g * outputs : (g + 1) * outputs, i, j] = np.dot(filters.reshape(outputs, -1), window.reshape(-1))
    return out if bias is None else out + bias.reshape(1, -1, 1, 1)


def pool2d(x, node):
    kernel = pair(node.get("kernel_size", None))
    stride = pair(node.get("stride", None) or node.get("kernel_size", None))
    padding, dilation = pair(node.get("padding", 0)), pair(node.get("dilation", 1))
    windows = [
        list(spans(x.shape[2 + a], kernel[a], stride[a], padding[a], dilation[a], node.get("ceil_mode", False))) for a in (0, 1)
    ]
    out = np.empty((*x.shape[:2], len(windows[0]), len(windows[1])), dtype=object)
    for n, c in np.ndindex(*x.shape[:2]):
        for (i, (rows, tall)), (j, (columns, wide)) in itertools.product(enumerate(windows[0]), enumerate(windows[1])):
            seen = x[n, c][np.ix_(rows, columns)].ravel()
            if node.op == "max_pool2d":
                out[n, c, i, j] = max(seen)
            else:
                count = tall * wide if node.get("count_include_pad", True) else len(seen)
                out[n, c, i, j] = sum(seen) / (node.get("divisor_override", None) or count)
    return out


def spans(size, kernel, stride, padding, dilation, ceil_mode):
    """For each output position: the positions it sees, and its extent counting padding on both sides but not beyond."""
    reach = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-reach // stride) if ceil_mode else reach // stride) + 1
    if ceil_mode and (count - 1) * stride >= size + padding:  # the last window must begin inside
        count -= 1
    for o in range(count):
        start = o * stride - padding
        extent = min(start + kernel, size + padding) - start
        yield [start + k * dilation for k in range(kernel) if 0 <= start + k * dilation < size], extent


# ---- the objective -------------------------------------------------------------------------------------------------


def stacked(p, run):
    parts = [run.values[id] for id in p.of]
    return np.stack(parts, axis=1) if isinstance(p.loss["of"], list) else parts[0]


def per_sample_losses(p, run):
    o, op, mean = stacked(p, run), p.loss["op"], p.loss.get("reduction", "sum") == "mean"
    if op in ("cross_entropy", "nll"):
        elements, run.divisors = class_losses(p, o)
        return elements.reshape(p.samples, -1).sum(axis=1)
    run.divisors = [1] * p.samples
    target = None if p.targets is None else exact(problem.tensor(p.targets))
    if op == "squared_error":
        elements, mean = mpmath.mpf(p.loss.get("factor", 1)) * (o - target) ** 2, False
    elif op in ("sum", "cotangent"):
        elements, mean = (o if op == "sum" else o * exact(problem.tensor(p.loss["value"]))), False
    else:
        get = lambda name, default: exact(problem.tensor(p.loss.get(name, default)))
        elements = ELEMENTWISE_LOSSES[op](o, target, get, p.loss)
    elements = elements.reshape(p.samples, -1)
    return elements.sum(axis=1) / (elements.shape[1] if mean else 1)


def smooth_l1(difference, beta):
    return pointwise(lambda d: d * d / (2 * beta) if abs(d) < beta else abs(d) - beta / 2)(difference)


def huber(difference, delta):
    return pointwise(lambda d: d * d / 2 if abs(d) < delta else delta * (abs(d) - delta / 2))(difference)


def floored_log(p):
    return mpmath.mpf(-100) if p < mpmath.exp(-100) else mpmath.log(p)


def xlogx(t):
    return t * mpmath.log(t) if t > 0 else mpmath.mpf(0)


ELEMENTWISE_LOSSES = {
    "mse": lambda o, t, get, loss: (o - t) ** 2,
    "l1": lambda o, t, get, loss: pointwise(abs)(o - t),
    "smooth_l1": lambda o, t, get, loss: smooth_l1(o - t, get("beta", 1).item()),
    "huber": lambda o, t, get, loss: huber(o - t, get("delta", 1).item()),
    "bce": lambda o, t, get, loss: -get("weight", 1) * (t * pointwise(floored_log)(o) + (1 - t) * pointwise(floored_log)(1 - o)),
    "bce_with_logits": lambda o, t, get, loss: (
        get("weight", 1)
        * (
            get("pos_weight", 1) * t * elementwise("softplus", {"threshold": math.inf}, -o)
            + (1 - t) * elementwise("softplus", {"threshold": math.inf}, o)
        )
    ),
    "kl_div": lambda o, t, get, loss: (
        pointwise(mpmath.exp)(t) * (t - o) if loss.get("log_target") else pointwise(xlogx)(t) - t * o
    ),
}


def class_losses(p, o):
    """Elements [N][d1...] and their summed divisors, one class axis at 1 taken away."""
    get, count = p.loss.get, o.shape[1]
    log = o if p.loss["op"] == "nll" else log_softmax(o, 1)
    if get("from", "logits") == "probabilities":
        log = pointwise(mpmath.log)(o)
    weight = exact(problem.tensor(get("weight", [1.0] * count)))
    smoothing, ignored = mpmath.mpf(get("label_smoothing", 0)), get("ignore_index", -100)
    target = problem.tensor(p.targets)
    indices = target.ndim < o.ndim
    elements, divisors = np.full((len(o), *o.shape[2:]), mpmath.mpf(0), dtype=object), [mpmath.mpf(0)] * len(o)
    for position in np.ndindex(*elements.shape):
        n, rest = position[0], position[1:]
        label = int(target[position]) if indices else None
        if indices and label == ignored:
            continue
        for c in range(count):
            y = ONE * (c == label) if indices else mpmath.mpf(target[(n, c, *rest)])
            elements[position] -= weight[c] * ((1 - smoothing) * y + smoothing / count) * log[(n, c, *rest)]
        divisors[n] += weight[label] if indices else ONE
    return elements, divisors


def reduced(p, run):
    weights = [ONE] * p.samples if p.weights is None else exact(p.weights)
    loss = sum(w * e for w, e in zip(weights, run.losses))
    if p.loss.get("reduction", "sum") == "mean":
        loss = loss / sum(w * d for w, d in zip(weights, run.divisors))
    return loss + penalty(p, run)


def penalty(p, run):
    total = mpmath.mpf(0)
    for entry in p.regularization:
        size, rate = (abs, entry["l1"]) if "l1" in entry else (lambda w: w * w, entry["l2"])
        values = itertools.chain(*(run.values[name].ravel() for name in p.parameters if problem.matches(entry, name)))
        total += mpmath.mpf(entry.get("factor", 1)) * mpmath.mpf(rate) * sum(size(w) for w in values)
    return total


# ---- replies -------------------------------------------------------------------------------------------------------


def values_of(p, run):
    """The reply's forward half: (path, array) of everything that needs no derivative."""
    yield ("losses",), run.losses
    for id in p.outputs:
        yield ("outputs", id), run.values[id]
    for node in traced(p):
        if node.id in run.before:
            yield ("trace", node.id, "a"), run.before[node.id]
        yield ("trace", node.id, "z"), run.values[node.id]


def derivatives_of(p, run):
    """The reply's backward half: (path, what to perturb, array of its shape)."""
    for name in p.parameters:
        yield ("gradients", name), ("leaf", name), run.values[name]
    for name in p.wanted_inputs():
        yield ("input_gradients", name), ("leaf", name), run.values[name]
    for node in traced(p):
        if node.id in run.before:
            yield ("trace", node.id, "dE_da"), ("a", node.id), run.before[node.id]
        yield ("trace", node.id, "dE_dz"), ("z", node.id), run.values[node.id]


def traced(p):
    wanted = p.options.get("trace", True)
    return [node for node in p.nodes if wanted is True or (wanted and node.id in wanted)]


def derivative(p, base, what, index, measure=lambda run: run.loss, step=STEP):
    """dE by central difference, or None at a kink, where the two one-sided differences part."""
    up, down = (measure(Run(p, base, {what: (index, s)})) for s in (step, -step))
    forward, backward = up - measure(base), measure(base) - down
    if abs(forward - backward) > mpmath.mpf("1e-12") * max(abs(forward), abs(backward)) + mpmath.mpf("1e-36"):
        return None
    return (up - down) / (2 * step)


@mpmath.workdps(1000)
def judge(request, reply):
    """The reply with every number replaced by its true value, correctly rounded. For small smooth networks.

    A thousand digits, for derivatives down to 1e-300 beside values of size 1.
    """
    p, step = problem.Problem(request), mpmath.mpf(10) ** -300
    run = Run(p)
    reply["loss"] = float(run.loss)
    for path, array in values_of(p, run):
        replace(reply, path, np.vectorize(float)(array).tolist())
    for path, what, array in derivatives_of(p, run):
        true = np.empty(array.shape)
        for index in np.ndindex(*array.shape):
            true[index] = float(derivative(p, run, what, index, step=step))
        replace(reply, path, true.tolist())
    return reply


def disagreement(request, reply, limit):
    """How far a reply is from the truth: {"worst": .., "where": .., "checked": .., "kinks": ..}.

    All values are compared, and of each derivative tensor up to `limit` coordinates. The distance is the one that tests
    use: |given − true| over the largest magnitude of that tensor.
    """
    p = problem.Problem(request)
    run = Run(p)
    report = {"worst": 0.0, "where": "", "checked": 0, "kinks": 0}

    def note(path, index, given, true):
        scale = max(np.max(np.abs(given)), abs(float(true)))
        # A difference quotient of what does not change is 0 up to the last of 50 digits over the step.
        distance = 0.0 if scale < 1e-24 else float(abs(mpmath.mpf(float(given[index])) - true)) / scale
        report["checked"] += 1
        if distance > report["worst"]:
            report["worst"], report["where"] = distance, "/".join(path) + str(list(index))

    note(("loss",), (), np.array(reply["loss"]), run.loss)
    for path, array in values_of(p, run):
        given = lookup(reply, path)
        assert given.shape == array.shape, f"{path}: shape {given.shape}, expected {array.shape}"
        for index in np.ndindex(*given.shape):
            note(path, index, given, array[index])
    for name in reply.get("regularization", {}).get("gradients", {}):
        path, index = ("regularization", "gradients", name), (0,) * run.values[name].ndim
        true = derivative(p, run, ("leaf", name), index, lambda run: penalty(p, run))
        if true is not None:
            note(path, index, lookup(reply, path), true)
    if p.regularization:
        note(("regularization", "loss"), (), lookup(reply, ("regularization", "loss")), penalty(p, run))
    for path, what, array in derivatives_of(p, run):
        given = lookup(reply, path)
        assert given.shape == array.shape, f"{path}: shape {given.shape}, expected {array.shape}"
        chosen = list(np.ndindex(*given.shape))
        if len(chosen) > limit:
            chosen = random.Random("/".join(path)).sample(chosen, limit)
        for index in chosen:
            true = derivative(p, run, what, index)
            if true is None:
                report["kinks"] += 1
            else:
                note(path, index, given, true)
    return report


def lookup(reply, path):
    for key in path:
        reply = reply[key]
    return np.array(reply, dtype=np.float64)


def replace(reply, path, value):
    for key in path[:-1]:
        reply = reply[key]
    reply[path[-1]] = value


def distance(given, true, path=()):
    """The largest distance of two replies, tensor by tensor, each over the largest magnitude of its tensor."""
    if isinstance(true, dict):
        return max((distance(given[key], value, (*path, key)) for key, value in true.items()), default=0.0)
    given, true = np.array(given, dtype=np.float64), np.array(true, dtype=np.float64)
    scale = np.max(np.abs(true), initial=0.0)
    difference = np.max(np.abs(given - true), initial=0.0)
    return 0.0 if difference == 0 else float(difference / scale) if scale else math.inf
