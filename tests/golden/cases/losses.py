"""Every loss with its arguments, under both reductions, each behind a small linear layer so that parameters have gradients."""

from cases.draw import Case, Draw, problem

BOTH = ("sum", "mean")


def behind(name, shape, loss, targets, activation=None, samples=None, **extra):
    """`shape` is what the loss reads of a sample. The layer mixes the last axis."""
    draw, features = Draw(name), shape[-1]
    bias = draw.tensor([features], 0.3)
    if "positions" in name:  # a softmax over another axis is blind to the bias, whose gradient would be rounding errors
        bias = False
    layer = {"id": "o", "op": "linear", "weight": draw.glorot([features, features]), "bias": bias}
    if activation:
        layer["activation"] = activation
    batch = draw.tensor([samples, *shape], 1.5)
    return Case(name, problem({"x": shape}, batch, {"of": "o", **loss}, layers=[layer], targets=targets, **extra))


def cases():
    yield from cross_entropies()
    yield from class_positions()
    yield from probabilities()
    yield from nlls()
    yield from regressions()
    yield from binaries()
    yield from divergences()
    yield from plain()
    yield from weighted()
    yield from regularized()


def cross_entropies():
    draw = Draw("cross entropy")
    for reduction in BOTH:

        def one(name, targets, **arguments):
            return behind(
                f"cross_entropy_{name}_{reduction}",
                [3],
                {"op": "cross_entropy", "reduction": reduction, **arguments},
                targets,
                samples=len(targets),
            )

        yield one("plain", [0, 2, 1, 1])
        yield one("weight", [0, 2, 1, 1], weight=[0.5, 2.0, 1.25])
        yield one("ignore", [0, 2, 1, 2], ignore_index=2)
        yield one("smoothed", [1, 2, 0], label_smoothing=0.2)
        yield one("all_arguments", [0, -1, 1, 2, 0], weight=[0.5, 2.0, 1.25], ignore_index=-1, label_smoothing=0.1)
        yield one("soft", draw.probabilities([4, 3]), label_smoothing=0.15, weight=[1.5, 0.3, 1.0])
    yield behind("cross_entropy_onehot", [4], {"op": "cross_entropy"}, [[0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0]], samples=3)
    # Targets that are no distribution: Σ y is not 1, and the derivative is p·Σy − y.
    yield behind("cross_entropy_unnormalised", [3], {"op": "cross_entropy"}, [[0.5, 0.9, 0.2], [0, 0, 0], [2, 1, 0.5]], samples=3)


def class_positions():
    """Classes on axis 1, with further axes behind: PyTorch's K-dimensional case, as for the pixels of a segmentation."""
    draw = Draw("positions")
    for reduction in BOTH:
        yield behind(
            f"cross_entropy_positions_{reduction}",
            [3, 4],
            {"op": "cross_entropy", "reduction": reduction, "weight": [1.0, 0.5, 2.0], "ignore_index": 1},
            draw.labels([2, 4], 3),
            samples=2,
        )
        yield behind(
            f"nll_positions_{reduction}",
            [3, 2],
            {"op": "nll", "reduction": reduction},
            draw.labels([3, 2], 3),
            samples=3,
            activation={"op": "log_softmax", "dim": 1},
        )
    soft = [[list(column) for column in zip(*rows)] for rows in draw.probabilities([2, 4, 3])]
    yield behind(
        "cross_entropy_positions_soft",
        [3, 4],
        {"op": "cross_entropy", "reduction": "mean", "label_smoothing": 0.1},
        soft,
        samples=2,
    )
    yield behind(
        "cross_entropy_positions_pixels",
        [2, 2, 3],
        {"op": "cross_entropy", "reduction": "mean"},
        draw.labels([2, 2, 3], 2),
        samples=2,
    )


def probabilities():
    draw = Draw("probabilities")
    base = {"op": "cross_entropy", "from": "probabilities"}
    for reduction in BOTH:
        yield behind(
            f"probabilities_index_{reduction}",
            [3],
            {**base, "reduction": reduction},
            [2, 0, 1, 0],
            activation="softmax",
            samples=4,
        )
    yield behind("probabilities_onehot", [3], base, [[0, 1, 0], [1, 0, 0]], activation="softmax", samples=2)
    yield behind(
        "probabilities_soft_weight",
        [3],
        {**base, "weight": [1, 2, 0.5], "reduction": "mean"},
        draw.probabilities([4, 3]),
        activation="softmax",
        samples=4,
    )
    yield behind(
        "probabilities_arguments",
        [3],
        {**base, "weight": [1, 2, 0.5], "ignore_index": 0, "label_smoothing": 0.1, "reduction": "mean"},
        [1, 2, 0, 1],
        activation="softmax",
        samples=4,
    )
    # Not from a softmax: they need not sum to one, and −log p is all there is.
    yield behind("probabilities_sigmoid", [3], base, [1, 2, 2], activation="sigmoid", samples=3)


def nlls():
    for reduction in BOTH:
        one = lambda name, targets, **arguments: behind(
            f"nll_{name}_{reduction}",
            [4],
            {"op": "nll", "reduction": reduction, **arguments},
            targets,
            activation="log_softmax",
            samples=len(targets),
        )
        yield one("plain", [3, 1, 0])
        yield one("weight_ignore", [3, 1, 0, 2, 1], weight=[0.5, 1.5, 3.0, 0.25], ignore_index=0)


def regressions():
    draw = Draw("regression")
    for op, arguments in [
        ("mse", {}),
        ("l1", {}),
        ("smooth_l1", {}),
        ("smooth_l1", {"beta": 0.4}),
        ("huber", {}),
        ("huber", {"delta": 0.6}),
    ]:
        for reduction in BOTH:
            name = "_".join([op, *("".join(filter(str.isdigit, str(v))) for v in arguments.values()), reduction])
            yield behind(name, [3], {"op": op, "reduction": reduction, **arguments}, draw.tensor([4, 3], 2.5), samples=4)
    for reduction in BOTH:
        yield behind(
            f"squared_error_{reduction}",
            [3],
            {"op": "squared_error", "factor": 0.5, "reduction": reduction},
            draw.tensor([4, 3], 2),
            samples=4,
        )
    yield behind("mse_matrix", [2, 3], {"op": "mse", "reduction": "mean"}, draw.tensor([3, 2, 3]), samples=3)
    yield behind("smooth_l1_sharp", [3], {"op": "smooth_l1", "beta": 0}, draw.tensor([2, 3]), samples=2)  # beta 0 is l1


def binaries():
    draw = Draw("binary")
    for reduction in BOTH:
        yield behind(
            f"bce_{reduction}",
            [3],
            {"op": "bce", "reduction": reduction},
            draw.integers([4, 3], 0, 1),
            activation="sigmoid",
            samples=4,
        )
        yield behind(
            f"bce_weight_{reduction}",
            [3],
            {"op": "bce", "reduction": reduction, "weight": [0.5, 2.0, 1.0]},
            draw.positive([4, 3], 0.1, 0.9),
            activation="sigmoid",
            samples=4,
        )
        yield behind(
            f"bce_with_logits_{reduction}",
            [2],
            {"op": "bce_with_logits", "reduction": reduction},
            draw.integers([4, 2], 0, 1),
            samples=4,
        )
        yield behind(
            f"bce_with_logits_arguments_{reduction}",
            [3],
            {"op": "bce_with_logits", "reduction": reduction, "weight": draw.positive([3, 3]), "pos_weight": [3.0, 0.5, 1.0]},
            draw.positive([3, 3], 0.0, 1.0),
            samples=3,
        )


def divergences():
    draw = Draw("divergence")
    for reduction in BOTH:
        yield behind(
            f"kl_div_{reduction}",
            [3],
            {"op": "kl_div", "reduction": reduction},
            draw.probabilities([3, 3]),
            activation="log_softmax",
            samples=3,
        )
        yield behind(
            f"kl_div_log_target_{reduction}",
            [3],
            {"op": "kl_div", "reduction": reduction, "log_target": True},
            draw.positive([3, 3], -2.5, -0.4),
            activation="log_softmax",
            samples=3,
        )
    yield behind("kl_div_onehot", [3], {"op": "kl_div"}, [[0, 1, 0], [0, 0, 1]], activation="log_softmax", samples=2)


def plain():
    draw = Draw("plain")
    for reduction in BOTH:
        yield behind(f"sum_{reduction}", [2, 3], {"op": "sum", "reduction": reduction}, None, activation="tanh", samples=3)
        yield behind(
            f"cotangent_{reduction}",
            [2, 3],
            {"op": "cotangent", "value": draw.tensor([3, 2, 3]), "reduction": reduction},
            None,
            activation="tanh",
            samples=3,
        )


def weighted():
    draw = Draw("weighted")
    for reduction in BOTH:
        yield behind(
            f"weighted_cross_entropy_{reduction}",
            [3],
            {"op": "cross_entropy", "weight": [1.0, 0.5, 3.0], "ignore_index": 1, "reduction": reduction},
            [0, 1, 2, 2, 0],
            samples=5,
            weights=draw.positive([5]),
        )
        yield behind(
            f"weighted_mse_{reduction}",
            [2],
            {"op": "mse", "reduction": reduction},
            draw.tensor([4, 2]),
            samples=4,
            weights=[2, 0, 0.5, 1],
        )


def regularized():
    draw = Draw("regularized")
    layers = lambda: [
        {"id": "fc1", "op": "linear", "weight": draw.glorot([4, 3]), "bias": draw.tensor([4]), "activation": "tanh"},
        {"id": "fc2", "op": "linear", "weight": draw.glorot([2, 4]), "bias": draw.tensor([2])},
    ]
    one = lambda name, entries, reduction: Case(
        name,
        problem(
            {"x": [3]},
            draw.tensor([4, 3]),
            {"op": "cross_entropy", "of": "fc2", "reduction": reduction},
            layers=layers(),
            targets=[0, 1, 1, 0],
            regularization=entries,
        ),
    )
    yield one("l2_everything", [{"l2": 0.05}], "sum")
    yield one("l2_half_weights", [{"l2": 0.01, "factor": 0.5, "parameters": ["*.weight"]}], "mean")
    yield one(
        "l1_and_l2",
        [{"l1": 0.02, "parameters": ["fc1.*"]}, {"l2": 0.1, "factor": 2, "parameters": ["fc?.bias", "fc2.weight"]}],
        "mean",
    )
