"""Writes `networks/NNN_name.json`: requests with their replies by PyTorch in f64, checked by a second judge.

Writes `tails/NNN_name.json` too, whose replies are the second judge's.

    pip install torch scikit-learn mpmath
    python tests/golden/make_networks.py            # write all
    python tests/golden/make_networks.py --only 2   # of family 2, or of names that contain a word
    python tests/golden/make_networks.py --fast     # without the second judge
"""

import argparse
import json
import math
import pathlib
import time

import torch

import mpmath_judge
import torch_judge
from cases import convolutions, edges, layers, losses, narrow, neurons, ops, sequences, tails

HERE = pathlib.Path(__file__).parent
FAMILIES = [  # the families' hundreds are their places here
    ("networks", [neurons, layers, convolutions, ops, losses, edges, narrow, sequences]),
    ("tails", [tails]),
]

# The tests' bound is 1e-12 (1e-5 in f32); a golden must itself be an order of magnitude better.
TRUSTED = 1e-13
TRUSTED_F32 = 3e-6
COORDINATES = 4  # per derivative tensor that the second judge looks at


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--fast", action="store_true")
    options = parser.parse_args()
    worst, written = 0.0, set()
    for folder, number, case in numbered():
        name = f"{number:03d}_{case.name}"
        if not (name.startswith(options.only) if options.only.isdigit() else options.only in case.name):
            continue
        golden, note = made(case, options.fast)
        path = HERE / folder / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(as_lines({"name": case.name, **golden}))
        written.add(path)
        worst = max(worst, note.get("worst", 0.0))
        print(f"{name:40} {path.stat().st_size:7}", *(f"{k}={v}" for k, v in note.items()), flush=True)
    if not options.only:
        for path in {*HERE.glob("networks/*.json"), *HERE.glob("tails/*.json")} - written:
            path.unlink()
    print(f"{len(written)} networks, PyTorch's worst distance from the truth {worst:.1e}")


def numbered():
    for folder, families in FAMILIES:
        for family, module in enumerate(families):
            for k, case in enumerate(module.cases()):
                assert k < 100
                yield folder, 100 * family + k, case


def made(case, fast):
    """The golden's `request` and `reply`, and a note on its quality."""
    request = json.loads(json.dumps(case.request))  # what a client would send
    reply = torch_judge.as_json(torch_judge.judge(request))
    note = {}
    if case.judge == "mpmath":
        by_torch, reply = reply, mpmath_judge.judge(request, json.loads(json.dumps(reply)))
        note["torch_off_by"] = f"{mpmath_judge.distance(by_torch, reply):.1e}"
    elif finite(reply) and not case.convention and not fast:
        begun = time.time()
        note = mpmath_judge.disagreement(request, reply, COORDINATES)
        note["worst"] = float(f"{note['worst']:.1e}")
        note["seconds"] = f"{time.time() - begun:.1f}"
        assert note["worst"] < TRUSTED, f"{case.name}: {note}"
        assert case.kinks or note["kinks"] == 0, f"{case.name}: {note}"
    if request["options"].get("dtype") == "f32":
        narrow = torch_judge.as_json(torch_judge.judge(request, torch.float32))
        note["f32"] = float(f"{mpmath_judge.distance(narrow, reply):.1e}")
        assert note["f32"] < TRUSTED_F32, f"{case.name}: {note}"
    return {"judge": case.judge, "request": request, "reply": reply}, note


def finite(value):
    if isinstance(value, dict):
        return all(finite(v) for v in value.values())
    if isinstance(value, list):
        return all(finite(v) for v in value)
    return isinstance(value, (int, float)) and math.isfinite(value)


def as_lines(golden):
    """Compact JSON, one line for each top-level key and each key of the reply."""
    dump = lambda value: json.dumps(value, separators=(",", ":"), allow_nan=False)
    reply = ",\n".join(f"  {dump(key)}:{dump(value)}" for key, value in golden["reply"].items())
    rest = ",\n".join(f"{dump(key)}:{dump(value)}" for key, value in golden.items() if key != "reply")
    return "{" + rest + ',\n"reply":{\n' + reply + "\n}}\n"


if __name__ == "__main__":
    main()
