"""Layers over sequences from their definitions, in numpy arrays of mpmath's numbers. Shares nothing with PyTorch."""

import mpmath
import numpy as np

import problem


def pointwise(function):
    return np.vectorize(function, otypes=[object])


def exact(array):
    return pointwise(mpmath.mpf)(np.asarray(array, dtype=np.float64))


SIGMOID = pointwise(lambda x: 1 / (1 + mpmath.exp(-x)))
TANH = pointwise(mpmath.tanh)


def dropped(node, x, place):
    p = node.get("dropout", 0.1 if node.op == "transformer_encoder_layer" else 0.0)
    if p == 0 or not node.get("training", True):
        return x
    keep = problem.kept(node, {"dropout": p, "seed": node.get("seed", None)}, place, x.shape)
    return x * exact(keep) / (1 - mpmath.mpf(p))


def lstm(run, node, inputs, _):
    x, layers, ends = inputs[0], node.get("num_layers", 1), ["", "_reverse"][: 1 + node.get("bidirectional", False)]
    get = lambda role: run.values.get(node.roles.get(role))
    last_h, last_c = [], []
    for k in range(layers):
        sides = []
        for d, end in enumerate(ends):
            names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"]
            w, u, b, b2, p = (get(f"{name}_l{k}{end}") for name in names)
            size = len(w) // 4
            zeros = lambda count: np.full((len(x), count), mpmath.mpf(0), dtype=object)
            at = k * len(ends) + d
            h, c = (s[:, at] for s in inputs[1:]) if len(inputs) > 1 else (zeros(u.shape[1]), zeros(size))
            out = [None] * x.shape[1]
            for t in range(x.shape[1]) if d == 0 else reversed(range(x.shape[1])):
                a = np.dot(x[:, t], w.T) + np.dot(h, u.T) + (0 if b is None else b + b2)
                i, f, g, o = (a[:, j * size : (j + 1) * size] for j in range(4))
                c = SIGMOID(f) * c + SIGMOID(i) * TANH(g)
                h = SIGMOID(o) * TANH(c)
                h = h if p is None else np.dot(h, p.T)
                out[t] = h
            sides.append(np.stack(out, axis=1))
            last_h.append(h)
            last_c.append(c)
        x = np.concatenate(sides, axis=2)
        x = dropped(node, x, f"dropout_l{k}") if k + 1 < layers else x
    return {"value": x, "h_n": np.stack(last_h, axis=1), "c_n": np.stack(last_c, axis=1)}


def added(run, node, attention, padding, queries, keys):
    """What is added to the scores [N, heads, L, S] of the keys that were given."""
    count = run.problem.samples
    total = np.zeros((count, 1, queries, keys))
    mask = node.get(attention, None)
    if mask is not None:
        mask = problem.mask(mask)
        total = total + (mask if mask.ndim == 2 else mask.reshape(count, -1, queries, keys))
    if node.get("is_causal", False):
        total = total + np.triu(np.full((queries, keys), -np.inf), 1)
    pad = node.get(padding, None)
    if pad is not None:
        pad = np.where(run.problem.inputs[pad] == 1, -np.inf, 0.0) if isinstance(pad, str) else problem.mask(pad)
        total = total + pad[:, None, None, :]
    return total


def attention(run, node, inputs, prefix, names, heads):
    get = lambda role: run.values.get(node.roles.get(prefix + role))
    embed, together, bias = inputs[0].shape[2], get("in_proj_weight"), get("in_proj_bias")
    parts = []
    for j, x in enumerate(inputs):
        rows = slice(j * embed, (j + 1) * embed)
        weight = together[rows] if together is not None else get("qkv"[j] + "_proj_weight")
        x = np.dot(x, weight.T) + (0 if bias is None else bias[rows])
        if j > 0 and node.get("add_bias_kv", False):
            x = np.concatenate([x, np.concatenate([get("bias_" + "qkv"[j])] * len(x))], axis=1)
        if j > 0 and node.get("add_zero_attn", False):
            x = np.concatenate([x, np.full((len(x), 1, embed), mpmath.mpf(0), dtype=object)], axis=1)
        parts.append(x)
    (count, length, _), keys, size = inputs[0].shape, parts[1].shape[1], embed // heads
    mask = added(run, node, *names, length, inputs[1].shape[1])
    mask = np.pad(mask, [(0, 0), (0, 0), (0, 0), (0, keys - mask.shape[3])])
    mask = np.broadcast_to(mask, (count, heads, length, keys))
    shares = np.empty((count, heads, length, keys), dtype=object)
    for n, h in np.ndindex(count, heads):
        q, k = (part[n][:, h * size : (h + 1) * size] for part in parts[:2])
        for i, row in enumerate(np.dot(q, k.T) / mpmath.sqrt(size)):
            e = np.array([mpmath.mpf(0) if m == -np.inf else mpmath.exp(s + m) for s, m in zip(row, mask[n, h, i])])
            shares[n, h, i] = e / e.sum()
    shares = dropped(node, shares, prefix.rstrip("."))
    out = np.empty((count, length, embed), dtype=object)
    for n, h in np.ndindex(count, heads):
        own = slice(h * size, (h + 1) * size)
        out[n][:, own] = np.dot(shares[n, h], parts[2][n][:, own])
    bias = get("out_proj.bias")
    return np.dot(out, get("out_proj.weight").T) + (0 if bias is None else bias), shares


def multihead_attention(run, node, inputs, _):
    inputs = inputs if len(inputs) == 3 else inputs * 3
    value, shares = attention(run, node, inputs, "", ("attn_mask", "key_padding_mask"), node.get("num_heads", None))
    if node.get("average_attn_weights", True):
        shares = shares.sum(axis=1) / shares.shape[1]
    return {"value": value, "attn_output_weights": shares}


def transformer_encoder_layer(run, node, inputs, elementwise):
    get, names = lambda role: run.values.get(node.roles.get(role)), ("src_mask", "src_key_padding_mask")
    eps, bias = mpmath.mpf(node.get("layer_norm_eps", 1e-5)), node.get("bias", True)

    def norm(x, k):
        x = x - x.sum(axis=2, keepdims=True) / x.shape[2]
        x = x / pointwise(mpmath.sqrt)((x * x).sum(axis=2, keepdims=True) / x.shape[2] + eps)
        return x * get(f"norm{k}.weight") + (get(f"norm{k}.bias") if bias else 0)

    def linear(x, k):
        return np.dot(x, get(f"linear{k}.weight").T) + (get(f"linear{k}.bias") if bias else 0)

    def attend(x):
        return dropped(node, attention(run, node, [x] * 3, "self_attn.", names, node.get("nhead", None))[0], "dropout1")

    def feed(x):
        wide = dropped(node, elementwise(node.activation_within, {}, linear(x, 1)), "dropout")
        return dropped(node, linear(wide, 2), "dropout2")

    x = inputs[0]
    if node.get("norm_first", False):
        x = x + attend(norm(x, 1))
        return {"value": x + feed(norm(x, 2))}
    x = norm(x + attend(x), 1)
    return {"value": norm(x + feed(x), 2)}


LAYERS = {"lstm": lstm, "multihead_attention": multihead_attention, "transformer_encoder_layer": transformer_encoder_layer}
