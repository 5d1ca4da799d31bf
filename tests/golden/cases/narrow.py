"""Requests for f32. The reply is computed in f64 from the same numbers, and compared at 1e-5; PyTorch in f32 comes within 3e-6."""

from cases import convolutions, edges, layers, losses, neurons, sequences

CHOSEN = [
    (neurons, ["wired_10", "wired_5", "recurrence"]),
    (layers, ["residual", "batch_norm1d", "layer_norm_two_axes", "embedding_bag", "linear_over_time"]),
    (convolutions, ["conv2d_all_at_once", "lenet"]),
    (losses, ["cross_entropy_all_arguments_mean", "bce_with_logits_arguments_mean", "l1_and_l2"]),
    (edges, ["layers_and_neurons", "large_logits"]),
    (sequences, ["lstm_both_ways", "lstm_last_state", "attention", "attention_everything", "transformer", "transformer_gelu"]),
]


def cases():
    for family, names in CHOSEN:
        wanted = list(names)
        for case in family.cases():
            if case.name in wanted:
                wanted.remove(case.name)
                case.request["options"]["dtype"] = "f32"
                case.name = f"f32_{case.name}"
                yield case
