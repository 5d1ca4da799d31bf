"""Tails and small differences, one number a tensor, so that nothing larger hides an error. The truth is mpmath's.

Here f64 formulas lose digits, PyTorch's among them: 1 + erf(x) and 1 + tanh(x) far out on the left, 1 - y and 1 - y² of a
saturated unit, the log-sum-exp of a certain answer, eˣ - 1 of a small x.
"""

from cases.draw import Case, problem
from cases.ops import node

POINTS = {
    "gelu": [-0.5, -2.0, -4.0, -6.5, -9.0, -14.0, -30.0, 8.0],
    "sigmoid": [-700.0, -40.0, -5.0, 5.0, 12.0, 20.0, 34.0, 50.0],
    "tanh": [-1e-5, 0.3, 2.0, 5.0, 9.0, 13.0, 17.0, 25.0],
    "softplus": [-700.0, -40.0, -20.0, -3.0, 0.0, 3.0, 15.0, 19.75],
    "silu": [-700.0, -40.0, -8.0, -1.25, 1e-9, 8.0, 40.0],
    "elu": [-1e-12, -1e-5, -0.01, -3.0, -20.0, -40.0],
    "selu": [-1e-12, -1e-5, -0.01, -3.0, -20.0, -40.0],
}


def cases():
    for op, points in POINTS.items():
        for attributes in [{"approximate": "none"}, {"approximate": "tanh"}] if op == "gelu" else [{}]:
            inputs = [f"x{k}" for k in range(len(points))]
            nodes = [node(f"y{k}", op, name, **attributes) for k, name in enumerate(inputs)]
            name = "_".join([op, *attributes.values()])
            yield Case(name, problem(inputs, [points], {"op": "sum", "of": [n["id"] for n in nodes]}, nodes), judge="mpmath")
    for gap in (8.0, 20.0, 35.0, 60.0):
        nodes = [node("a", "add", "x", gap), node("b", "mul", "x", -0.5)]
        yield Case(
            f"certain_{gap:.0f}",
            problem(["x"], [0.5], {"op": "cross_entropy", "of": ["a", "b"]}, nodes, targets=[0]),
            judge="mpmath",
        )
        yield Case(
            f"certain_binary_{gap:.0f}",
            problem(["x"], [0.5], {"op": "bce_with_logits", "of": "a"}, nodes[:1], targets=[1]),
            judge="mpmath",
        )
