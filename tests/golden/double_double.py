"""Writes double_double.tsv: arguments and values that judge src/tensor/double_double.

    pip install mpmath && python tests/golden/double_double.py

Each line holds a function, its one or two arguments and its value, tab-separated; a number is the two doubles of a
double-double, each as the shortest decimal that reads back exactly. Values come from mpmath at 1000 bits and are rounded to
the nearest double-double, a relative error of at most 2^-107 = 6e-33.
"""

import math
import random
from pathlib import Path

from mpmath import mp, mpf

mp.prec = 1000
rng = random.Random(20240229)


def double_double(v):
    hi = float(v)
    return (hi, 0.0) if hi == 0 or math.isinf(hi) else (hi, float(v - hi))


def exact(x):
    return mpf(x[0]) + mpf(x[1])


def near(v):
    """The double-double nearest to a real number."""
    return double_double(mpf(v))


def widen(hi):
    """A double with a second half: mostly full, at times none or a tiny one."""
    room = 0.5 * math.ulp(hi) * rng.uniform(-0.999, 0.999)
    kind = rng.random()
    lo = 0.0 if kind < 0.2 else room if kind < 0.9 else room * 10 ** rng.uniform(-40, 0)
    return (hi, lo) if hi + lo == hi else (hi, 0.0)


def uniform(n, low, high):
    return [widen(rng.uniform(low, high)) for _ in range(n)]


def scales(n, low, high, signed=True):
    """Magnitudes from 10^low to 10^high."""
    sign = [-1, 1] if signed else [1]
    return [widen(rng.choice(sign) * 10 ** rng.uniform(low, high)) for _ in range(n)]


def around(n, v, low, high):
    """v times or plus 10^low to 10^high."""
    return [near(v + rng.choice([-1, 1]) * mpf(10) ** rng.uniform(low, high)) for _ in range(n)]


def doubles(*values):
    return [(float(v), 0.0) for v in values]


def half_turns(n, low, high):
    """The double-doubles nearest to multiples of pi/2, where sin or cos is nearly zero."""
    return [near(rng.choice([-1, 1]) * int(10 ** rng.uniform(low, high)) * mp.pi / 2) for _ in range(n)]


LN_2_MULTIPLES = [near((k + mpf(1) / 2) * mp.ln2 + d) for k in (-900, -3, -2, -1, 0, 1, 2, 700) for d in (-1e-20, 1e-20)]
EXP_RANGE = (
    scales(60, -25, 0) + uniform(60, -2, 2) + uniform(60, -700, 709) + LN_2_MULTIPLES
    + doubles(1, -1, 0.5, 2, 10, 100, 709.7, 709.782712893384, -708.3, -720, -740, -745, 5e-324, -1e-310, 1e-300)
)
POSITIVE = (
    scales(60, -307, 308, signed=False) + uniform(60, 0.1, 4) + around(60, 1, -30, -0.5) + around(10, mp.sqrt(2), -20, -3)
    + around(10, mp.sqrt(mpf(1) / 2), -20, -3)
    + doubles(1, 2, 0.5, 10, 1e-320, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 3, 1e22)
)
ANGLES = (
    scales(30, -25, 0) + uniform(60, -4, 4) + scales(50, 0, 6) + half_turns(50, 0, 6) + around(20, mp.pi, -25, -1)
    + scales(20, 6, 308) + half_turns(20, 6, 300) + doubles(1, -1, 1e6, 1e22, 1.7976931348623157e308, 5e-324)
)
HYPERBOLIC = (
    scales(60, -25, 0) + uniform(60, -2, 2) + uniform(40, -40, 40) + uniform(40, -700, 710)
    + doubles(1, -1, 20, 36, 39.999, 40.001, 710.4, -710.47586, 5e-324, 1e-300)
)
ERROR_FUNCTION = (
    scales(50, -25, 0) + uniform(70, -2, 2) + uniform(80, 0, 10) + uniform(20, -10, 0) + around(20, 0.75, -20, -2)
    + around(10, 32 * mp.pi / 11, -20, -2) + doubles(1, 0.5, 2, 3, 5, 8, 9, 0.75, -0.75, 5e-324, 1e-300)
)
UNARY = {
    "exp": (mp.exp, EXP_RANGE),
    "exp_m1": (mp.expm1, EXP_RANGE),
    "ln": (mp.log, POSITIVE),
    "ln_1p": (
        mp.log1p,
        scales(80, -25, 0, signed=False) + scales(40, 0, 308, signed=False) + uniform(60, -0.9, 2)
        + [near(-1 + mpf(10) ** rng.uniform(-30, 0)) for _ in range(40)]
        + [near(-(mpf(10) ** rng.uniform(-25, -1))) for _ in range(20)]
        + doubles(1, -0.5, -0.29, -0.2899, 0.41, 0.4099, 5e-324, -1e-300),
    ),
    "sqrt": (mp.sqrt, POSITIVE),
    "sin": (mp.sin, ANGLES),
    "cos": (mp.cos, ANGLES),
    "sinh": (mp.sinh, HYPERBOLIC),
    "cosh": (mp.cosh, HYPERBOLIC),
    "tanh": (mp.tanh, HYPERBOLIC),
    "erf": (mp.erf, ERROR_FUNCTION),
    "erfc": (mp.erfc, ERROR_FUNCTION + uniform(60, 5, 26.5) + doubles(26, 26.5, 26.6, 27, 27.2)),
}


def pairs(n, low, high):
    return list(zip(scales(n, low, high), scales(n, low, high)))


def neighbours(n, low, high):
    """Pairs whose sum or difference cancels."""
    return [(x, near(rng.choice([-1, 1]) * exact(x) * (1 + mpf(10) ** rng.uniform(-32, -1)))) for x in scales(n, low, high)]


OPERANDS = pairs(60, -2, 2) + pairs(40, -150, 150) + pairs(20, -307, 308) + neighbours(40, -5, 5) + neighbours(20, -290, 300)
EXTREMES = [(1e308, 1e-308), (1.7976931348623157e308, 0.5), (1.7976931348623157e308, 3), (1e-308, 1e-308), (5e-324, 5e-324),
            (1e-310, 3e-312), (1.3e300, 1e-5), (1e-320, 1e300), (1.7976931348623157e308, 1.7976931348623157e308), (3, 7)]
OPERANDS += [((a, 0.0), (b, 0.0)) for a, b in EXTREMES]
POWERS = []
for x in scales(60, -3, 3, signed=False) + scales(40, -300, 300, signed=False):
    POWERS.append((x, widen(rng.uniform(-700, 700) / abs(math.log(x[0])))))
for x in around(50, 1, -28, -1):
    POWERS.append((x, widen(float(rng.uniform(-700, 700) / mp.log(exact(x))))))
for x in scales(60, -4, 4):
    POWERS.append((x, (float(rng.randint(-64, 64)), 0.0)))
for x in scales(20, -1, 1):
    POWERS.append((x, (float(rng.randint(65, 200) * rng.choice([-1, 1])), 0.0)))
for x in scales(30, -300, 300, signed=False):
    POWERS.append((x, rng.choice(doubles(0.5, 1.5, -0.5, 1e-20) + [near(mpf(1) / 3)])))
for x, y in [(10, -320), (10, 308), (10, -323), (2, 1023.5), (2, -1074), (2, -1070.5), (-2, 3), (5e-324, 0.5), (1e-310, -1),
             (1.7976931348623157e308, 0.999), (0.5, 1022.5)]:
    POWERS.append(((float(x), 0.0), (float(y), 0.0)))
BINARY = {
    "add": (lambda x, y: x + y, OPERANDS),
    "sub": (lambda x, y: x - y, OPERANDS),
    "mul": (lambda x, y: x * y, OPERANDS),
    "div": (lambda x, y: x / y, OPERANDS),
    "pow": (lambda x, y: mp.power(x, int(y)) if y == int(y) else mp.power(x, y), POWERS),
}


def cell(x):
    text = [repr(part).removesuffix(".0").replace("e-0", "e-") for part in x]
    return "\t".join(text)


LARGEST = mpf(1.7976931348623157e308)
lines = []
for table in (BINARY, UNARY):
    for name, (function, arguments) in table.items():
        for argument in arguments:
            operands = argument if table is BINARY else [argument]
            value = function(*map(exact, operands))
            if abs(value) <= LARGEST:  # overflow has its own tests
                lines.append("\t".join([name, *map(cell, operands), cell(double_double(value))]))
Path(__file__).with_suffix(".tsv").write_text("\n".join(lines) + "\n")
