"""Writes elementwise.tsv: values and vjps of elementwise ops at kinks, in the tails and at infinities.

    pip install torch mpmath && python tests/golden/elementwise.py

Each line holds an op, its attributes (`name=value`, comma-separated), its inputs, the cotangent of its output, its output and
the cotangents of its inputs; fields are separated by tabs and numbers by spaces. PyTorch, in f64, decides at kinks, where a
value is infinite, NaN or above 1e100, and wherever the cotangent is not 1. Elsewhere mpmath decides, at 200 bits: PyTorch must agree with
it to 4e-15 of the larger of 1 and the value, and where it loses digits (`1 + erf`, `1 - sigmoid`) ours need not.

Left out: tanh where its output rounds to 1 (PyTorch takes its slope from the output; `tails/` has the true one), the NaN that PyTorch's
bce_with_logits gives for a logit of -inf, and the rounding of PyTorch's bce, which clamps p (1 - p) to the *float* next to
1e-12.
"""

import math
from pathlib import Path

import mpmath
import torch
import torch.nn.functional as F
from mpmath import mp, mpf

mp.prec = 200
INF, NAN = math.inf, math.nan
SQRT_HALF = mp.sqrt(mpf(1) / 2)
TANH_GELU = mp.sqrt(2 / mp.pi)


def sigma(x):
    return 1 / (1 + mp.exp(-x))


def twice_inner(x):
    return 2 * TANH_GELU * (x + mpf(0.044715) * x**3)


def tanh_gelu_slope(x):
    s = sigma(twice_inner(x))
    return s + x * s * (1 - s) * 2 * TANH_GELU * (1 + 3 * mpf(0.044715) * x**2)


def softplus(x, beta, threshold):
    return x if beta * x > threshold else mp.log1p(mp.exp(beta * x)) / beta


SELU_SCALE, SELU_ALPHA = mpf(1.0507009873554804934193349852946), mpf(1.6732632423543772848170429916717)

# Arguments at which most functions show what they are made of.
XS = [-INF, -1e300, -750.0, -40.0, -9.0, -3.0, -1.0, -0.3, -1e-9, -0.0, 0.0, 1e-9, 0.3, 1.0, 3.0, 9.0, 40.0, 750.0, 1e300, INF, NAN]
POSITIVE = [0.0, 5e-324, 1e-300, 1e-9, 0.3, 1.0, 3.0, 40.0, 1e300, INF, NAN, -1.0]

# op, attributes, PyTorch's function, its value and slope over mpf, arguments, kinks.
UNARY = [
    ("identity", {}, lambda x: x * 1, lambda x: x, lambda x: mpf(1), XS, []),
    ("neg", {}, torch.neg, lambda x: -x, lambda x: mpf(-1), XS, []),
    ("exp", {}, torch.exp, mp.exp, mp.exp, XS, []),
    ("log", {}, torch.log, mp.log, lambda x: 1 / x, POSITIVE, [0.0, -1.0]),
    ("sqrt", {}, torch.sqrt, mp.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), POSITIVE, [0.0, -1.0]),
    ("abs", {}, torch.abs, abs, mp.sign, XS, [0.0]),
    ("sin", {}, torch.sin, mp.sin, mp.cos, [x for x in XS if abs(x) != 1e300], []),
    ("cos", {}, torch.cos, mp.cos, lambda x: -mp.sin(x), [x for x in XS if abs(x) != 1e300], []),
    ("tanh", {}, torch.tanh, mp.tanh, None, [x for x in XS if abs(x) not in (9, 40)], []),
    ("relu", {}, torch.relu, lambda x: max(x, 0), lambda x: mpf(x > 0), XS, [0.0]),
    ("sigmoid", {}, torch.sigmoid, sigma, lambda x: sigma(x) * sigma(-x), XS, []),
    ("silu", {}, F.silu, lambda x: x * sigma(x), lambda x: sigma(x) * (1 + x * sigma(-x)), XS, []),
    (
        "gelu",
        {},
        F.gelu,
        lambda x: x / 2 * mp.erfc(-x * SQRT_HALF),
        lambda x: mp.erfc(-x * SQRT_HALF) / 2 + x * mp.npdf(x),
        XS,
        [],
    ),
    (
        "gelu",
        {"approximate": "tanh"},
        lambda x: F.gelu(x, approximate="tanh"),
        lambda x: x * sigma(twice_inner(x)),
        tanh_gelu_slope,
        [x for x in XS if abs(x) != 1e300],
        [],
    ),
    ("selu", {}, F.selu, None, None, XS, [0.0]),
]
for slope in (0.01, 0.2, -0.5):
    UNARY.append(
        (
            "leaky_relu",
            {"negative_slope": slope},
            lambda x, slope=slope: F.leaky_relu(x, slope),
            lambda x, slope=slope: x if x > 0 else mpf(slope) * x,
            lambda x, slope=slope: mpf(1) if x > 0 else mpf(slope),
            XS,
            [0.0],
        )
    )
for alpha in (1.0, 1.5):
    UNARY.append(
        (
            "elu",
            {"alpha": alpha},
            lambda x, alpha=alpha: F.elu(x, alpha),
            lambda x, alpha=alpha: x if x > 0 else mpf(alpha) * mp.expm1(x),
            lambda x, alpha=alpha: mpf(1) if x > 0 else mpf(alpha) * mp.exp(x),
            XS,
            [0.0],
        )
    )
for beta, threshold in ((1.0, 20.0), (2.0, 3.0), (-1.0, 20.0)):
    UNARY.append(
        (
            "softplus",
            {"beta": beta, "threshold": threshold},
            lambda x, beta=beta, threshold=threshold: F.softplus(x, beta, threshold),
            lambda x, beta=beta, threshold=threshold: softplus(x, mpf(beta), threshold),
            lambda x, beta=beta, threshold=threshold: mpf(1) if beta * x > threshold else sigma(beta * x),
            XS + [1.5, 20.0, math.nextafter(20.0, 21.0)],
            [],
        )
    )
for low, high in ((-1.0, 1.0), (-0.3, 3.0)):
    UNARY.append(
        (
            "hardtanh",
            {"min_val": low, "max_val": high},
            lambda x, low=low, high=high: F.hardtanh(x, low, high),
            lambda x, low=low, high=high: min(max(x, low), high),
            lambda x, low=low, high=high: mpf(low < x < high),
            XS,
            [low, high],
        )
    )
for exponent in (0.0, 0.5, 1.0, 2.0, 3.0, -1.0, -0.5, 2.5):
    UNARY.append(
        (
            "pow",
            {"exponent": exponent},
            lambda x, exponent=exponent: torch.pow(x, exponent),
            lambda x, exponent=exponent: x ** mpf(exponent),
            lambda x, exponent=exponent: exponent * x ** mpf(exponent - 1),
            POSITIVE if exponent % 1 else [-3.0, -0.0] + POSITIVE,
            [0.0] if exponent % 1 == 0 else [0.0, -1.0],
        )
    )
for size in (0.5, 1.0):
    UNARY.append(
        (
            "huber",
            {"delta": size},
            lambda x, size=size: F.huber_loss(x, torch.zeros_like(x), reduction="none", delta=size),
            lambda x, size=size: x**2 / 2 if abs(x) <= size else mpf(size) * (abs(x) - mpf(size) / 2),
            lambda x, size=size: max(min(x, mpf(size)), mpf(-size)),
            XS + [0.5, -0.5],
            [],
        )
    )
    UNARY.append(
        (
            "smooth_l1",
            {"beta": size},
            lambda x, size=size: F.smooth_l1_loss(x, torch.zeros_like(x), reduction="none", beta=size),
            lambda x, size=size: x**2 / 2 / mpf(size) if abs(x) < size else abs(x) - mpf(size) / 2,
            lambda x, size=size: max(min(x / mpf(size), mpf(1)), mpf(-1)),
            XS + [0.5, -0.5],
            [],
        )
    )

PAIRS = [(1.0, 2.0), (2.0, 1.0), (-3.0, 0.3), (1.0, 1.0), (-1.0, -1.0), (0.0, 0.0), (0.0, -0.0), (0.0, 1.0), (1.0, 0.0)]
PAIRS += [(INF, INF), (INF, 1.0), (1.0, -INF), (NAN, 1.0), (1.0, NAN), (1e300, 1e300), (1e-300, 3.0)]
POWERS = [(0.0, 0.0), (0.0, 1.0), (0.0, 2.0), (0.0, 0.5), (0.0, -1.0), (-2.0, 3.0), (-2.0, 2.0), (-2.0, 0.5), (-2.0, 0.0), (1.5, -2.5)]
POWERS += [(1.0, 7.0), (INF, 0.0), (INF, 1.0), (0.5, INF), (NAN, 0.0), (2.0, NAN), (1e-200, 1.5), (-0.0, 3.0)]
LIKELY = [(p, t) for p in (0.0, 1e-300, 1e-20, 0.25, 0.5, 1 - 1e-9, 1.0) for t in (0.0, 1.0, 0.3)]
LOGITS = [(x, t) for x in (-750.0, -40.0, -3.0, 0.0, 1e-9, 3.0, 40.0, 750.0, INF, NAN) for t in (0.0, 1.0, 0.3)]


def bce(p, t):
    log_p = max(mp.log(p), -100) if p > 0 else -100
    log_rest = max(mp.log1p(-p), -100) if p < 1 else -100
    return -(t * log_p + (1 - t) * log_rest), (p - t) / max(p * (1 - p), mpf(1e-12))


def bce_with_logits(x, t, rho=1.0):
    rho = torch.tensor(rho, dtype=torch.float64)
    return F.binary_cross_entropy_with_logits(x, t, reduction="none", pos_weight=rho)


# op, attributes, PyTorch's function, value and slopes over mpf (None: PyTorch decides everywhere), pairs, how many inputs move.
BINARY = [
    ("add", {"alpha": 1.5}, lambda a, b: torch.add(a, b, alpha=1.5), None, PAIRS, 2),
    ("sub", {"alpha": 1.5}, lambda a, b: torch.sub(a, b, alpha=1.5), None, PAIRS, 2),
    ("mul", {}, torch.mul, None, PAIRS, 2),
    ("div", {}, torch.div, None, PAIRS, 2),
    ("maximum", {}, torch.maximum, None, PAIRS, 2),
    ("minimum", {}, torch.minimum, None, PAIRS, 2),
    ("pow", {}, torch.pow, None, POWERS, 2),
    ("bce", {}, lambda p, t: F.binary_cross_entropy(p, t, reduction="none"), bce, LIKELY, 1),
    (
        "bce_with_logits",
        {},
        bce_with_logits,
        lambda x, t: (t * mp.log1p(mp.exp(-x)) + (1 - t) * mp.log1p(mp.exp(x)), (1 - t) * sigma(x) - t * sigma(-x)),
        LOGITS,
        1,
    ),
    (
        "bce_with_logits",
        {"pos_weight": 2.5},
        lambda x, t: bce_with_logits(x, t, 2.5),
        lambda x, t: (
            mpf(2.5) * t * mp.log1p(mp.exp(-x)) + (1 - t) * mp.log1p(mp.exp(x)),
            (1 - t) * sigma(x) - mpf(2.5) * t * sigma(-x),
        ),
        LOGITS,
        1,
    ),
    (
        "kl_div",
        {},
        lambda x, t: F.kl_div(x, t, reduction="none"),
        None,
        [(x, t) for x in (-40.0, -1.0, 0.0) for t in (0.0, 0.3, 1.0)] + [(-INF, 0.0), (-INF, 0.5), (NAN, 0.5)],
        1,
    ),
    (
        "kl_div",
        {"log_target": True},
        lambda x, t: F.kl_div(x, t, reduction="none", log_target=True),
        None,
        [(x, t) for x in (-40.0, -1.0, 0.0) for t in (-750.0, -1.0, 0.0)] + [(-INF, -1.0)],
        1,
    ),
]


def asked(function, inputs, y_bar, moving):
    """PyTorch's value and cotangents."""
    x = [torch.tensor(v, dtype=torch.float64, requires_grad=i < moving) for i, v in enumerate(inputs)]
    y = function(*x)
    y.backward(torch.tensor(y_bar, dtype=torch.float64))
    return y.item(), [v.grad.item() for v in x[:moving]]


def settle(torch_says, exact, what):
    """The exact value as a double where there is one, if PyTorch is near it."""
    if exact is None or not math.isfinite(torch_says):
        return torch_says
    tolerance = 4e-9 if what[0] == "bce" else 4e-15
    assert abs(torch_says - exact) <= tolerance * max(1, abs(exact)), (what, torch_says, exact)
    return float(exact)


def number(v):
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(repr(v), repr(v))


def line(op, attributes, inputs, y_bar, y, x_bar):
    words = ",".join(f"{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in attributes.items())
    return "\t".join([op, words, *(" ".join(map(number, list(part))) for part in (inputs, [y_bar], [y], x_bar))])


lines = []
for op, attributes, function, value, slope, arguments, kinks in UNARY:
    for x in dict.fromkeys(repr(v) for v in arguments):
        x = float(x)
        smooth = abs(x) < 1e100 and x not in kinks
        exact = [rule(mpf(x)) if rule and smooth else None for rule in (value, slope)]
        y, (x_bar,) = asked(function, [x], 1.0, 1)
        y, x_bar = settle(y, exact[0], (op, x)), settle(x_bar, exact[1], (op, x, "slope"))
        lines.append(line(op, attributes, [x], 1.0, y, [x_bar]))
        if abs(x) < 9:
            lines.append(line(op, attributes, [x], INF, y, asked(function, [x], INF, 1)[1]))
for op, attributes, function, exact, pairs, moving in BINARY:
    for pair in pairs:
        y, x_bar = asked(function, pair, 1.0, moving)
        if exact and all(map(math.isfinite, pair)):
            exact_y, exact_slope = exact(*map(mpf, pair))
            y, x_bar = settle(y, exact_y, (op, pair)), [settle(x_bar[0], exact_slope, (op, pair, "slope"))]
        lines.append(line(op, attributes, pair, 1.0, y, x_bar))
        if op in ("maximum", "minimum"):
            lines.append(line(op, attributes, pair, INF, y, asked(function, pair, INF, moving)[1]))

Path(__file__).with_suffix(".tsv").write_text("\n".join(lines) + "\n")
print(len(lines), "lines;", "torch", torch.__version__, "mpmath", mpmath.__version__)
