"""Layers over sequences by PyTorch: `torch.lstm`, `F.multi_head_attention_forward` and `nn.TransformerEncoderLayer`.

None of them takes a dropout mask from outside. Where a request has a seed, the layer is put together here from PyTorch's smaller
functions, with the masks of the documented generator between them.
"""

import math

import torch
import torch.nn.functional as F

import problem

ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu, "tanh": torch.tanh, "silu": F.silu}


def drops(node):
    """The attributes dropout goes by, with the layer's default; nothing where nothing is dropped."""
    p = node.get("dropout", 0.1 if node.op == "transformer_encoder_layer" else 0.0)
    active = p > 0 and node.get("training", True) and not (node.op == "lstm" and node.get("num_layers", 1) == 1)
    return {"dropout": p, "seed": node.get("seed", None)} if active else None


def dropped(node, x, place):
    values = drops(node)
    if values is None:
        return x
    return x * torch.tensor(problem.kept(node, values, place, x.shape), dtype=x.dtype) / (1 - values["dropout"])


def lstm(run, node, inputs):
    x, layers, directions = inputs[0], node.get("num_layers", 1), 1 + node.get("bidirectional", False)
    weights = [run.leaves[name] for name in node.roles.values()]
    per_layer = len(weights) // layers
    hidden = weights[0].shape[0] // 4
    out, bias = node.get("proj_size", 0) or hidden, node.get("bias", True)
    if len(inputs) == 1:
        state = [x.new_zeros(layers * directions, len(x), size) for size in (out, hidden)]
    else:
        state = [s.transpose(0, 1).contiguous() for s in inputs[1:]]

    def call(x, state, weights, layers):
        return torch.lstm(x, state, weights, bias, layers, 0.0, True, directions == 2, True)

    if drops(node) is None:
        x, h, c = call(x, state, weights, layers)
    else:
        hs, cs = [], []
        for k in range(layers):
            own = slice(k * directions, (k + 1) * directions)
            x, h, c = call(x, [s[own] for s in state], weights[k * per_layer : (k + 1) * per_layer], 1)
            x = dropped(node, x, f"dropout_l{k}") if k + 1 < layers else x
            hs.append(h)
            cs.append(c)
        h, c = torch.cat(hs), torch.cat(cs)
    return x, {"h_n": h.transpose(0, 1), "c_n": c.transpose(0, 1)}


def masks(run, node, attention, padding, queries, keys, dtype):
    """PyTorch's attn_mask and key_padding_mask, both as numbers to be added."""
    mask = node.get(attention, None)
    mask = None if mask is None else torch.tensor(problem.mask(mask), dtype=dtype)
    if node.get("is_causal", False):
        later = torch.triu(torch.full((queries, keys), -math.inf, dtype=dtype), 1)
        mask = later if mask is None else mask + later
    pad = node.get(padding, None)
    if isinstance(pad, str):
        pad = run.values[pad].tensor.bool()
        pad = torch.zeros(pad.shape, dtype=dtype).masked_fill(pad, -math.inf)
    elif pad is not None:
        pad = torch.tensor(problem.mask(pad), dtype=dtype)
    return mask, pad


def attention(run, node, q, k, v, prefix, names, heads):
    """The output and the weights of one attention, samples first."""
    get = lambda role: run.leaves.get(node.roles.get(prefix + role))
    mask, pad = masks(run, node, *names, q.shape[1], k.shape[1], q.dtype)
    weights = [get("q_proj_weight"), get("k_proj_weight"), get("v_proj_weight")]
    if drops(node) is not None:
        return by_hand(run, node, (q, k, v), weights, get, mask, pad, prefix, heads)
    out, shares = F.multi_head_attention_forward(
        *(t.transpose(0, 1) for t in (q, k, v)),
        q.shape[2],
        heads,
        get("in_proj_weight"),
        get("in_proj_bias"),
        get("bias_k"),
        get("bias_v"),
        node.get("add_zero_attn", False),
        0.0,
        get("out_proj.weight"),
        get("out_proj.bias"),
        attn_mask=mask,
        key_padding_mask=pad,
        use_separate_proj_weight=weights[0] is not None,
        q_proj_weight=weights[0],
        k_proj_weight=weights[1],
        v_proj_weight=weights[2],
        average_attn_weights=node.get("average_attn_weights", True),
    )
    return out.transpose(0, 1), shares


def by_hand(run, node, inputs, weights, get, mask, pad, prefix, heads):
    """Attention with dropout on its weights, for layers without extra keys and with three weights in one."""
    assert weights[0] is None and get("bias_k") is None and not node.get("add_zero_attn", False)
    count, length, embed = inputs[0].shape
    biases = [None] * 3 if get("in_proj_bias") is None else get("in_proj_bias").chunk(3)
    q, k, v = (
        F.linear(x, w, b).unflatten(2, (heads, embed // heads)).transpose(1, 2)
        for x, w, b in zip(inputs, get("in_proj_weight").chunk(3), biases)
    )
    scores = q @ k.transpose(2, 3) / math.sqrt(embed // heads)
    scores = scores if mask is None else scores + (mask if mask.dim() == 2 else mask.unflatten(0, (count, heads)))
    scores = scores if pad is None else scores + pad[:, None, None, :]
    shares = dropped(node, F.softmax(scores, -1), prefix.rstrip("."))
    out = F.linear((shares @ v).transpose(1, 2).flatten(2), get("out_proj.weight"), get("out_proj.bias"))
    return out, shares.mean(1) if node.get("average_attn_weights", True) else shares


def multihead_attention(run, node, inputs):
    q, k, v = inputs if len(inputs) == 3 else inputs * 3
    out, shares = attention(run, node, q, k, v, "", ("attn_mask", "key_padding_mask"), node.get("num_heads", None))
    return out, {"attn_output_weights": shares}


def transformer_encoder_layer(run, node, inputs):
    x, heads, names = inputs[0], node.get("nhead", None), ("src_mask", "src_key_padding_mask")
    parameters = {role: run.leaves[name] for role, name in node.roles.items()}
    activation = node.activation_within
    if drops(node) is None:
        layer = torch.nn.TransformerEncoderLayer(
            x.shape[2],
            heads,
            node.get("dim_feedforward", 2048),
            0.0,
            ACTIVATIONS[activation],
            node.get("layer_norm_eps", 1e-5),
            True,
            node.get("norm_first", False),
            node.get("bias", True),
        ).train(node.get("training", True))
        mask, pad = masks(run, node, *names, x.shape[1], x.shape[1], x.dtype)
        return torch.func.functional_call(layer, parameters, (x, mask, pad)), {}
    eps, get = node.get("layer_norm_eps", 1e-5), parameters.get
    norm = lambda t, k: F.layer_norm(t, t.shape[2:], get(f"norm{k}.weight"), get(f"norm{k}.bias"), eps)

    def attend(t):
        return dropped(node, attention(run, node, t, t, t, "self_attn.", names, heads)[0], "dropout1")

    def feed(t):
        wide = ACTIVATIONS[activation](F.linear(t, get("linear1.weight"), get("linear1.bias")))
        return dropped(node, F.linear(dropped(node, wide, "dropout"), get("linear2.weight"), get("linear2.bias")), "dropout2")

    if node.get("norm_first", False):
        x = x + attend(norm(x, 1))
        return x + feed(norm(x, 2)), {}
    x = norm(x + attend(x), 1)
    return norm(x + feed(x), 2), {}


LAYERS = {"lstm": lstm, "multihead_attention": multihead_attention, "transformer_encoder_layer": transformer_encoder_layer}
