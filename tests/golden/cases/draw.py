"""Seeded numbers and the shape of a case.

Everything is made from `random.random()`, the one method whose sequence Python promises to keep, so that the requests
come out the same on every machine.
"""

import dataclasses
import math
import random


class Draw:
    """Random numbers with few decimals, so that a reader can follow a request and files stay small."""

    def __init__(self, seed):
        self.random = random.Random(seed).random

    def number(self, scale=1.0, digits=3):
        return round((2 * self.random() - 1) * scale, digits)

    def between(self, low, high, digits=3):
        return round(low + (high - low) * self.random(), digits)

    def integer(self, low, high):
        """One of low..high, both included."""
        return low + int(self.random() * (high - low + 1))

    def chance(self, probability):
        return self.random() < probability

    def choice(self, items):
        return items[int(self.random() * len(items))]

    def sample(self, items, count):
        return self.shuffled(items)[:count]

    def shuffled(self, items):
        items = list(items)
        for i in range(len(items) - 1, 0, -1):
            j = int(self.random() * (i + 1))
            items[i], items[j] = items[j], items[i]
        return items

    def tensor(self, shape, scale=1.0, digits=3):
        return self.filled(shape, lambda: self.number(scale, digits))

    def positive(self, shape, low=0.3, high=2.0, digits=3):
        return self.filled(shape, lambda: self.between(low, high, digits))

    def integers(self, shape, low, high):
        return self.filled(shape, lambda: self.integer(low, high))

    def filled(self, shape, make):
        return [self.filled(shape[1:], make) for _ in range(shape[0])] if shape else make()

    def probabilities(self, shape, digits=2):
        """Rows over the last axis that are positive and sum to one, exactly in decimals."""
        if len(shape) > 1:
            return [self.probabilities(shape[1:], digits) for _ in range(shape[0])]
        unit, parts = 10**digits, [self.between(0.2, 1.0) for _ in range(shape[0])]
        counts = [max(1, math.floor(part / sum(parts) * unit)) for part in parts]
        counts[0] += unit - sum(counts)
        return [count / unit for count in counts]

    def labels(self, shape, classes):
        return self.integers(shape, 0, classes - 1)

    def glorot(self, shape, digits=3):
        """Weights [out, in, …] of the size that keeps signals alive."""
        fan = math.prod(shape[1:]) if len(shape) > 1 else 1
        return self.tensor(shape, math.sqrt(3 / fan), digits)


@dataclasses.dataclass
class Case:
    """A request and how it is to be judged."""

    name: str
    request: dict
    judge: str = "torch"  # or "mpmath", where f64 formulas lose digits
    kinks: bool = False  # derivatives at kinks occur, which have no difference quotient
    convention: bool = False  # PyTorch's answer is meant, true or not: the second judge is not asked


def problem(
    inputs, batch, loss, nodes=None, layers=None, parameters=None, targets=None, weights=None, options=None, regularization=None
):
    """A request. Asks for all gradients, those of float inputs included, unless `options` says otherwise."""
    network = {"inputs": inputs, **({"layers": layers} if nodes is None else {"nodes": nodes})}
    request = {"network": network}
    if parameters:
        request["parameters"] = parameters
    request["batch"] = {"inputs": batch}
    if targets is not None:
        request["batch"]["targets"] = targets
    if weights is not None:
        request["batch"]["weights"] = weights
    request["loss"] = loss
    if regularization:
        request["regularization"] = regularization
    floats = isinstance(inputs, list) or any(
        not (isinstance(shape, dict) and shape.get("dtype") == "i64") for shape in inputs.values()
    )
    request["options"] = {"trace": True, **({"wrt": ["*", "inputs"]} if floats else {}), **(options or {})}
    return request
