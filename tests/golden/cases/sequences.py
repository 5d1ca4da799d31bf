"""Layers over sequences: lstm, multihead_attention, transformer_encoder_layer, in every variant of their attributes."""

from cases.draw import Case, Draw, problem

TRUTHS = {0: False, 1: True}


def cases():
    yield from lstms()
    yield from attentions()
    yield from transformers()
    yield translator()


def lstm_parameters(draw, id, features, hidden, layers=1, both=False, bias=True, proj=0):
    parameters, out = {}, proj or hidden
    for k in range(layers):
        for end in ["", "_reverse"][: 1 + both]:
            fan = features if k == 0 else out * (1 + both)
            parameters[f"{id}.weight_ih_l{k}{end}"] = draw.glorot([4 * hidden, fan])
            parameters[f"{id}.weight_hh_l{k}{end}"] = draw.glorot([4 * hidden, out])
            if bias:
                parameters[f"{id}.bias_ih_l{k}{end}"] = draw.tensor([4 * hidden], 0.5)
                parameters[f"{id}.bias_hh_l{k}{end}"] = draw.tensor([4 * hidden], 0.5)
            if proj:
                parameters[f"{id}.weight_hr_l{k}{end}"] = draw.glorot([proj, hidden])
    return parameters


def lstms():
    draw = Draw("lstm")

    def plain(name, attributes, samples=2, length=4, features=3, hidden=3, **more):
        """The whole sequence meets a squared error."""
        out = (more.get("proj") or hidden) * (1 + more.get("both", False))
        layers = [{"id": "rnn", "op": "lstm", **attributes}]
        return Case(
            name,
            problem(
                {"x": [length, features]},
                draw.tensor([samples, length, features], 1.5),
                {"op": "mse", "of": "rnn", "reduction": "mean"},
                layers=layers,
                parameters=lstm_parameters(draw, "rnn", features, hidden, **more),
                targets=draw.tensor([samples, length, out]),
            ),
        )

    yield plain("lstm", {"input_size": 3, "hidden_size": 3})
    yield plain("lstm_one_step", {"hidden_size": 2}, 3, 1, 4, 2)
    yield plain("lstm_no_bias", {"bias": False, "batch_first": True}, bias=False)
    yield plain("lstm_both_ways", {"hidden_size": 2, "bidirectional": True}, hidden=2, both=True)
    yield plain("lstm_two_layers", {"hidden_size": 2, "num_layers": 2}, hidden=2, layers=2)
    yield plain(
        "lstm_three_layers_both_ways",
        {"hidden_size": 2, "num_layers": 3, "bidirectional": True},
        1,
        3,
        2,
        2,
        layers=3,
        both=True,
    )
    yield plain("lstm_projected", {"hidden_size": 3, "proj_size": 2}, proj=2)
    yield plain(
        "lstm_projected_two_layers_both_ways",
        {"hidden_size": 3, "proj_size": 2, "num_layers": 2, "bidirectional": True, "bias": False},
        1,
        3,
        layers=2,
        both=True,
        bias=False,
        proj=2,
    )
    yield plain("lstm_dropout", {"hidden_size": 3, "num_layers": 2, "dropout": 0.4, "seed": 11}, layers=2)
    yield plain("lstm_dropout_eval", {"hidden_size": 2, "num_layers": 2, "dropout": 0.4, "training": False}, hidden=2, layers=2)
    yield plain("lstm_dropout_of_one_layer", {"hidden_size": 2, "dropout": 0.4}, hidden=2)
    yield plain("lstm_long", {"hidden_size": 2}, 1, 25, 1, 2)
    yield last_state()
    yield state_from_outside()
    yield inline()


def last_state():
    """The usual classifier: the last h of the upper layer meets a linear one; the sequence itself is an output nobody reads."""
    draw = Draw("last state")
    nodes = [
        {"id": "emb", "op": "embedding", "inputs": ["tokens"], "weight": draw.tensor([6, 3])},
        {"id": "rnn", "op": "lstm", "inputs": ["emb"], "hidden_size": 2, "num_layers": 2, "bidirectional": True},
        {"id": "top", "op": "slice", "inputs": ["rnn.h_n"], "dim": 1, "start": -2},
        {"id": "both", "op": "flatten", "inputs": ["top"]},
        {"id": "out", "op": "linear", "inputs": ["both"], "weight": draw.glorot([3, 4]), "bias": draw.tensor([3])},
    ]
    return Case(
        "lstm_last_state",
        problem(
            {"tokens": {"shape": [4], "dtype": "i64"}},
            [[0, 3, 5, 1], [2, 2, 4, 0], [1, 5, 5, 3]],
            {"op": "cross_entropy", "of": "out", "reduction": "mean"},
            nodes,
            parameters=lstm_parameters(draw, "rnn", 3, 2, 2, True),
            targets=[2, 0, 1],
        ),
    )


def state_from_outside():
    """A first state that is an input for h and a shared parameter for c, and losses on the last cell."""
    draw = Draw("state")
    nodes = [
        {"id": "rnn", "op": "lstm", "inputs": ["x", "h", "start"], "hidden_size": 3, "proj_size": 2, "bidirectional": True},
        {"id": "pooled", "op": "sum", "inputs": ["rnn"], "dim": 1},
        {"id": "cell", "op": "flatten", "inputs": ["rnn.c_n"]},
        {"id": "all", "op": "concat", "inputs": ["pooled", "cell"]},
    ]
    parameters = lstm_parameters(draw, "rnn", 2, 3, both=True, proj=2) | {"start": draw.tensor([2, 3])}
    return Case(
        "lstm_first_state",
        problem(
            {"x": [3, 2], "h": [2, 2]},
            {"x": draw.tensor([2, 3, 2]), "h": draw.tensor([2, 2, 2])},
            {"op": "squared_error", "of": "all"},
            nodes,
            parameters=parameters,
            targets=draw.tensor([2, 10]),
        ),
    )


def inline():
    """Weights in the node itself, one of them shared by name between two sweeps, and the loss on a further output."""
    draw = Draw("inline lstm")
    nodes = [
        {
            "id": "a",
            "op": "lstm",
            "inputs": ["x"],
            "bias": False,
            "weight_ih_l0": draw.glorot([8, 2]),
            "weight_hh_l0": "recurrent",
        },
        {
            "id": "b",
            "op": "lstm",
            "inputs": ["a"],
            "weight_ih_l0": draw.glorot([8, 2]),
            "weight_hh_l0": "recurrent",
            "bias_ih_l0": draw.tensor([8]),
        },
    ]
    parameters = {"recurrent": draw.glorot([8, 2]), "b.bias_hh_l0": draw.tensor([8])}
    return Case(
        "lstm_inline",
        problem(
            {"x": [3, 2]},
            draw.tensor([2, 3, 2]),
            {"op": "l1", "of": "b.c_n"},
            nodes,
            parameters=parameters,
            targets=draw.tensor([2, 1, 2], 2),
        ),
    )


def attention_parameters(draw, prefix, embed, bias=True, sizes=None, kv=False):
    parameters = {}
    if sizes is None:
        parameters["in_proj_weight"] = draw.glorot([3 * embed, embed])
    else:
        for name, size in zip("qkv", [embed, *sizes]):
            parameters[f"{name}_proj_weight"] = draw.glorot([embed, size])
    if bias:
        parameters["in_proj_bias"] = draw.tensor([3 * embed], 0.5)
    if kv:
        parameters |= {"bias_k": draw.tensor([1, 1, embed]), "bias_v": draw.tensor([1, 1, embed])}
    parameters["out_proj.weight"] = draw.glorot([embed, embed])
    if bias:
        parameters["out_proj.bias"] = draw.tensor([embed], 0.5)
    return {prefix + name: value for name, value in parameters.items()}


def truths(rows):
    return [truths(row) if isinstance(row, list) else TRUTHS[row] for row in rows]


def attentions():
    draw = Draw("attention")
    embed, heads, length, keys, samples = 4, 2, 3, 5, 2

    def one(name, attributes, others=None, of="mha", **more):
        """Self-attention where `others` is none, else with key and value of those sizes."""
        inputs, batch = {"q": [length, embed]}, {"q": draw.tensor([samples, length, embed], 1.5)}
        for other, size in zip("kv", others or []):
            inputs[other], batch[other] = [keys, size], draw.tensor([samples, keys, size], 1.5)
        nodes = [{"id": "mha", "op": "multihead_attention", "inputs": list(inputs), "num_heads": heads, **attributes}]
        seen = length if others is None else keys
        if more.pop("padding", False):
            inputs["pad"] = {"shape": [seen], "dtype": "i64"}
            batch["pad"] = [[0] * (seen - 1) + [1], [0] * seen]
        shape = [samples, length, embed]
        if of != "mha":
            kinds = attributes.get("add_bias_kv", False) + attributes.get("add_zero_attn", False)
            shape = [samples, *([] if attributes.get("average_attn_weights", True) else [heads]), length, seen + kinds]
        parameters = attention_parameters(draw, "mha.", embed, **more)
        if of != "mha":  # what does not touch the weights has zero gradients
            nodes.append({"id": "kept", "op": "tanh", "inputs": [of]})
        loss = {"op": "cotangent", "of": "mha" if of == "mha" else "kept", "value": draw.tensor(shape)}
        return Case(name, problem(inputs, batch, loss, nodes, parameters=parameters))

    yield one("attention_of_itself", {"embed_dim": embed})
    yield one("attention", {}, [embed, embed])
    yield one("attention_no_bias", {"bias": False}, bias=False)
    yield one("attention_other_sizes", {"kdim": 3, "vdim": 2}, [3, 2], sizes=[3, 2])
    yield one("attention_other_sizes_no_bias", {"vdim": 2, "bias": False}, [embed, 2], sizes=[embed, 2], bias=False)
    yield one("attention_learned_key", {"add_bias_kv": True}, [embed, embed], kv=True)
    yield one("attention_zero_key", {"add_zero_attn": True})
    yield one("attention_causal", {"is_causal": True})
    causal = [[int(key > query) for key in range(length)] for query in range(length)]
    yield one("attention_masked", {"attn_mask": truths(causal)})
    yield one("attention_biased", {"attn_mask": draw.tensor([samples * heads, length, keys])}, [embed, embed])
    yield one("attention_padded", {"key_padding_mask": truths([[0, 0, 0, 1, 1], [0, 0, 0, 0, 1]])}, [embed, embed])
    yield one("attention_padding_input", {"key_padding_mask": "pad", "is_causal": True}, padding=True)
    every = {"add_bias_kv": True, "add_zero_attn": True, "attn_mask": draw.tensor([length, keys]), "key_padding_mask": "pad"}
    yield one("attention_everything", every, [embed, embed], kv=True, padding=True)
    weights = "mha.attn_output_weights"
    yield one("attention_weights", {}, [embed, embed], of=weights)
    each = {"average_attn_weights": False, "add_zero_attn": True, "is_causal": True}
    yield one("attention_weights_of_each_head", each, of=weights)
    yield one("attention_dropout", {"dropout": 0.3, "seed": "heads"})
    yield one("attention_dropout_weights", {"dropout": 0.3, "seed": 5, "is_causal": True}, of=weights)
    yield one("attention_dropout_eval", {"dropout": 0.3, "training": False})
    yield both_outputs()


def both_outputs():
    """The output and the weights in one loss."""
    draw = Draw("both outputs")
    nodes = [
        {"id": "att", "op": "multihead_attention", "inputs": ["x"], "num_heads": 3},
        {"id": "rows", "op": "sum", "inputs": ["att"], "dim": 2, "keepdim": True},
        {"id": "product", "op": "mul", "inputs": ["rows", "att.attn_output_weights"]},
    ]
    return Case(
        "attention_both_outputs",
        problem(
            {"x": [2, 6]},
            draw.tensor([3, 2, 6]),
            {"op": "squared_error", "of": "product"},
            nodes,
            parameters=attention_parameters(draw, "att.", 6),
            targets=draw.tensor([3, 2, 2]),
        ),
    )


def encoder_parameters(draw, prefix, model, inner, bias=True):
    parameters = attention_parameters(draw, "self_attn.", model, bias)
    for k, shape in enumerate(([inner, model], [model, inner]), 1):
        parameters[f"linear{k}.weight"] = draw.glorot(shape)
        if bias:
            parameters[f"linear{k}.bias"] = draw.tensor(shape[:1], 0.5)
    for k in (1, 2):
        parameters[f"norm{k}.weight"] = draw.positive([model])
        if bias:
            parameters[f"norm{k}.bias"] = draw.tensor([model], 0.5)
    return {prefix + name: value for name, value in parameters.items()}


def transformers():
    draw = Draw("transformer")
    model, inner, length, samples = 4, 5, 3, 2

    def one(name, attributes, padding=False, **more):
        inputs, batch = {"x": [length, model]}, {"x": draw.tensor([samples, length, model], 1.5)}
        if padding:
            inputs["pad"], batch["pad"] = {"shape": [length], "dtype": "i64"}, [[0, 0, 1], [0, 0, 0]]
        written = {"nhead": 2, "dim_feedforward": inner, "dropout": 0, **attributes}
        nodes = [
            {"id": "layer", "op": "transformer_encoder_layer", "inputs": ["x"], **written},
            {"id": "pooled", "op": "mean", "inputs": ["layer"], "dim": 1},
        ]
        return Case(
            name,
            problem(
                inputs,
                batch,
                {"op": "cross_entropy", "of": "pooled", "reduction": "mean"},
                nodes,
                parameters=encoder_parameters(draw, "layer.", model, inner, **more),
                targets=draw.labels([samples], model),
            ),
        )

    yield one("transformer", {"d_model": model})
    yield one("transformer_gelu", {"activation": "gelu", "layer_norm_eps": 1e-3})
    yield one("transformer_norm_first", {"norm_first": True})
    yield one("transformer_no_bias", {"bias": False}, bias=False)
    yield one("transformer_causal", {"is_causal": True, "activation": "gelu"})
    yield one("transformer_masked", {"src_mask": truths([[0, 1, 1], [0, 0, 1], [1, 0, 0]])})
    yield one("transformer_padded", {"src_key_padding_mask": "pad", "norm_first": True}, padding=True)
    yield one("transformer_dropout", {"dropout": 0.3, "seed": 3})
    yield one("transformer_dropout_norm_first", {"dropout": 0.1, "seed": 4, "norm_first": True, "is_causal": True})
    yield one("transformer_eval", {"dropout": 0.1, "training": False})
    layers = [
        {"op": "transformer_encoder_layer", "nhead": 1, "dim_feedforward": 3, "training": False},
        {"op": "transformer_encoder_layer", "nhead": 2, "dim_feedforward": 4, "training": False, "activation": "silu"},
        {"op": "flatten"},
        {"op": "linear", "weight": draw.glorot([1, 8]), "bias": False},
    ]
    yield Case(
        "transformer_two_layers",
        problem(
            {"x": [2, 4]},
            draw.tensor([2, 2, 4]),
            {"op": "mse", "of": "3"},
            layers=layers,
            parameters=encoder_parameters(draw, "0.", 4, 3) | encoder_parameters(draw, "1.", 4, 4),
            targets=draw.tensor([2, 1]),
        ),
    )


def translator():
    """An encoder's last state begins a decoder, which attends to what the encoder saw."""
    draw = Draw("translator")
    nodes = [
        {"id": "encoder", "op": "lstm", "inputs": ["source"], "hidden_size": 4},
        {"id": "decoder", "op": "lstm", "inputs": ["target", "encoder.h_n", "encoder.c_n"], "hidden_size": 4},
        {"id": "look", "op": "multihead_attention", "inputs": ["decoder", "encoder", "encoder"], "num_heads": 2},
        {"id": "sum", "op": "add", "inputs": ["decoder", "look"]},
        {"id": "norm", "op": "layer_norm", "inputs": ["sum"], "normalized_shape": 4, "elementwise_affine": False},
    ]
    parameters = lstm_parameters(draw, "encoder", 3, 4) | lstm_parameters(draw, "decoder", 2, 4)
    return Case(
        "translator",
        problem(
            {"source": [4, 3], "target": [3, 2]},
            {"source": draw.tensor([2, 4, 3]), "target": draw.tensor([2, 3, 2])},
            {"op": "mse", "of": "norm"},
            nodes,
            parameters=parameters | attention_parameters(draw, "look.", 4),
            targets=draw.tensor([2, 3, 4]),
        ),
    )
