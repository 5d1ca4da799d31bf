"""Makes generate/*.json: exercises drawn again from the documentation of src/grading/generate alone, with their keys by PyTorch.

    cargo build && python tests/golden/make_generate.py target/debug/dedz

The binary is asked for one number, the attempt that it takes: which attempts are fit is its own judgement. Everything else is drawn
here, in plain Python, and judged by `torch_judge`. The files fix the generator's version 1 for ever.
"""

import hashlib
import json
import math
import pathlib
import subprocess
import sys

import torch_judge
from random_streams import Stream

HERE = pathlib.Path(__file__).parent / "generate"
WHOLE = [-2, -1, 1, 2, 3]
TRIES = 200

CASES = {
    "lecture": {"seed": "lecture", "template": "layered", "nodes": 7, "inputs": 2, "outputs": 3, "samples": 3},
    "number": {"seed": 4294967295, "template": "dag"},
    "easy": {"seed": "1", "template": "dag", "difficulty": "easy"},
    "hard": {"seed": "s-17 / ünï", "template": "dag", "difficulty": "hard", "samples": 3, "min_paths": 4},
    "skips": {"seed": "42", "template": "layered", "nodes": 8, "depth": 3, "skip": 3, "shared": 2, "loss": "squared_error"},
    "mean": {"seed": "7", "template": "layered", "nodes": 6, "samples": 4, "reduction": "mean", "activations": "sigmoid"},
    "relu": {"seed": "r", "template": "dag", "nodes": 7, "samples": 4, "activations": ["relu", "tanh"], "loss": "squared_error"},
    "layers": {"seed": "l", "template": "layered", "form": "layers", "nodes": 7, "loss": "mse", "reduction": "mean"},
    "binary": {"seed": "b", "template": "dag", "nodes": 6, "outputs": 2, "loss": "bce", "samples": 3, "input_decimals": 1},
    "logits": {"seed": "b", "template": "dag", "nodes": 6, "outputs": 1, "loss": "bce_with_logits", "bias": False, "samples": 3},
    "wide": {"seed": "w", "template": "layered", "nodes": 12, "inputs": 3, "outputs": 3, "depth": 3, "activations": ["softplus", "tanh"]},
}
DEFAULTS = {
    "form": "neurons", "difficulty": "medium", "inputs": 2, "samples": 2, "bias": True, "input_decimals": 0,
    "activations": ["tanh"], "loss": "cross_entropy", "reduction": "sum", "min_paths": 1,
}
SIZES = {"easy": (4, 2, 2, 0, 0), "medium": (7, 3, 3, 0, 1), "hard": (10, 4, 3, 1, 2)}
LOGITS = ("cross_entropy", "bce_with_logits")


class Draw(Stream):
    def __init__(self, seed, name):
        super().__init__(seed, name)
        self.key = hashlib.sha256(b"dedz.generate.v1\0" + seed.encode() + b"\0" + name.encode()).digest()

    def below(self, count):
        return math.floor(self.uniform() * count)

    def signed(self, low, high):
        size = low + self.below(high - low + 1)
        return size if self.below(2) == 0 else -size

    def shuffle(self, things):
        for i in range(len(things) - 1, 0, -1):
            j = self.below(i + 1)
            things[i], things[j] = things[j], things[i]

    def swap_remove(self, things, at):
        things[at], things[-1] = things[-1], things[at]
        return things.pop()


def resolved(given):
    wish = DEFAULTS | given
    nodes, depth, outputs, shared, skip = SIZES[wish["difficulty"]]
    wish.setdefault("nodes", nodes)
    least = 2 if wish["loss"] == "cross_entropy" else 1
    wish.setdefault("outputs", max(min(outputs, wish["nodes"] - 1), least))
    wish.setdefault("depth", max(min(depth, wish["nodes"] + 1 - wish["outputs"]), 2))
    wish.setdefault("skip", skip if wish["template"] == "dag" else 0)
    wish.setdefault("shared", 0 if wish["form"] == "layers" else shared)
    wish.setdefault("output_activation", "identity" if wish["loss"] in LOGITS else "sigmoid")
    if isinstance(wish["activations"], str):
        wish["activations"] = [wish["activations"]]
    wish["seed"] = str(wish["seed"])
    return wish


class Exercise:
    """Inputs are ("x", i), neurons ("z", place) from the inputs up; weights in tenths, or ("s", entry)."""

    def __init__(self, wish, attempt):
        self.wish = wish
        stream = lambda name: Draw(wish["seed"], f"{attempt}/{name}")
        self.structure(stream("structure"))
        self.minibatch(stream("inputs"))
        self.numbers(stream)
        self.draw_targets(stream("targets"))

    def structure(self, stream):
        wish, dag = self.wish, self.wish["template"] == "dag"
        hidden = wish["depth"] - 1
        sizes = [1] * hidden
        for spare in range(wish["nodes"] - wish["outputs"] - hidden):
            sizes[stream.below(hidden) if dag else spare % hidden] += 1
        sizes.append(wish["outputs"])
        self.levels, self.number, self.activation = [], [], []
        number = wish["nodes"]
        for level, size in enumerate(sizes):
            output = level + 1 == wish["depth"]
            draw = lambda: wish["output_activation"] if output else wish["activations"][stream.below(len(wish["activations"]))]
            of_level = draw()
            self.levels.append(list(range(len(self.number), len(self.number) + size)))
            for k in range(size):
                self.number.append(number + 1 - size + k)
                self.activation.append(draw() if dag and k > 0 else of_level)
            number -= size
        inputs = [("x", i) for i in range(wish["inputs"])]
        members = [inputs] + [[("z", k) for k in level] for level in self.levels]
        reads = [[] for _ in self.number]
        for at, level in enumerate(self.levels, 1):
            below = members[at - 1]
            for k in level:
                sources = list(below)
                if dag:
                    most = min(len(below), 3)
                    count = min(most, 2) + stream.below(most - min(most, 2) + 1)
                    stream.shuffle(sources)
                    sources = sources[:count]
                reads[k] = sources
            for source in below:
                if not any(source in reads[k] for k in level):
                    reads[level[stream.below(len(level))]].append(source)
        level_of = {k: at for at, level in enumerate(self.levels, 1) for k in level}
        candidates = [(source, k) for k in range(len(reads)) for at in range(level_of[k] - 1) for source in members[at]]
        for _ in range(wish["skip"]):
            source, k = stream.swap_remove(candidates, stream.below(len(candidates)))
            reads[k].append(source)
        self.reads = [sorted(sources) for sources in reads]
        self.weights = [[None] * len(sources) for sources in self.reads]
        free = [(k, at) for k, sources in enumerate(self.reads) for at in range(len(sources))]
        for entry in range(wish["shared"]):
            first = stream.swap_remove(free, stream.below(len(free)))
            others = [i for i, (k, _) in enumerate(free) if k != first[0]]
            second = stream.swap_remove(free, others[stream.below(len(others))])
            for k, at in (first, second):
                self.weights[k][at] = ("s", entry)

    def minibatch(self, stream):
        whole = self.wish["input_decimals"] == 0
        self.batch = []
        while len(self.batch) < self.wish["samples"]:
            row = [10 * WHOLE[stream.below(5)] if whole else stream.signed(2, 20) for _ in range(self.wish["inputs"])]
            if row not in self.batch:
                self.batch.append(row)

    def numbers(self, stream):
        self.shared, self.bias, z = {}, [], []
        for k, sources in enumerate(self.reads):
            draws = stream(f"numbers/z{self.number[k]}")
            high = 10 if any(kind == "x" for kind, _ in sources) else 15
            for _ in range(TRIES):
                weights = []
                for weight in self.weights[k]:
                    value = self.shared.get(weight[1]) if isinstance(weight, tuple) else None
                    while value is None or (value in weights and not (isinstance(weight, tuple) and weight[1] in self.shared)):
                        value = draws.signed(2, high)
                        value = None if value in (-10, 5, 10) else value
                    weights.append(value)
                bias = draws.signed(1, 5) if self.wish["bias"] else None
                read = lambda kind, i, n: self.batch[n][i] / 10 if kind == "x" else z[i][n]
                a = [
                    sum(w / 10 * read(*source, n) for w, source in zip(weights, sources)) + (bias or 0) / 10
                    for n in range(len(self.batch))
                ]
                most = 2.0 if self.activation[k] == "tanh" else 2.9
                if all(0.1 <= abs(x) <= most for x in a):
                    break
            else:
                raise SystemExit(f"no place for z{self.number[k]}: the attempt is not what the binary took")
            for at, weight in enumerate(self.weights[k]):
                if isinstance(weight, tuple):
                    self.shared[weight[1]] = weights[at]
                else:
                    self.weights[k][at] = weights[at]
            self.bias.append(bias)
            z.append([activated(self.activation[k], x) for x in a])

    def draw_targets(self, stream):
        wish = self.wish
        samples, outputs = range(wish["samples"]), range(wish["outputs"])
        if wish["loss"] == "cross_entropy":
            classes = list(outputs)
            stream.shuffle(classes)
            self.targets = [classes[n % len(classes)] for n in samples]
            return
        if wish["loss"] in ("bce", "bce_with_logits"):
            draw = lambda: 10 * stream.below(2)
        else:
            draw = {
                "sigmoid": lambda: 1 + stream.below(9),
                "tanh": lambda: stream.signed(1, 9),
                "relu": lambda: 1 + stream.below(20),
                "softplus": lambda: 1 + stream.below(20),
            }.get(wish["output_activation"], lambda: stream.signed(1, 20))
        self.targets = [[draw() / 10 for _ in outputs] for _ in samples]

    def problem(self):
        wish, name = self.wish, lambda source: f"x{source[1] + 1}" if source[0] == "x" else f"z{self.number[source[1]]}"
        top = self.levels[-1]
        if wish["form"] == "layers":
            network = {"inputs": {"x": [wish["inputs"]]}, "layers": []}
            for at, level in enumerate(self.levels, 1):
                layer = {"id": f"fc{at}", "op": "linear", "weight": [[w / 10 for w in self.weights[k]] for k in level]}
                layer["bias"] = [self.bias[k] / 10 for k in level] if wish["bias"] else False
                if self.activation[level[0]] != "identity":
                    layer["activation"] = self.activation[level[0]]
                network["layers"].append(layer)
            of = f"fc{len(self.levels)}"
        else:
            nodes = []
            for k, sources in enumerate(self.reads):
                weight = lambda w: f"s{w[1] + 1}" if isinstance(w, tuple) else w / 10
                node = {"id": f"z{self.number[k]}", "op": "neuron"}
                node["inputs"] = {name(source): weight(w) for source, w in zip(sources, self.weights[k])}
                if wish["bias"]:
                    node["bias"] = self.bias[k] / 10
                if self.activation[k] != "identity":
                    node["activation"] = self.activation[k]
                nodes.append(node)
            network = {"inputs": [name(("x", i)) for i in range(wish["inputs"])], "nodes": nodes}
            of = [name(("z", k)) for k in top]
        loss = {"op": wish["loss"], "of": of} | ({"factor": 0.5} if wish["loss"] == "squared_error" else {})
        parameters = {f"s{entry + 1}": self.shared[entry] / 10 for entry in sorted(self.shared)}
        return (
            {"network": network}
            | ({"parameters": parameters} if parameters else {})
            | {
                "batch": {"inputs": [[x / 10 for x in row] for row in self.batch], "targets": self.targets},
                "loss": loss | {"reduction": wish["reduction"]},
            }
        )


def activated(activation, a):
    return {
        "identity": lambda: a,
        "tanh": lambda: math.tanh(a),
        "sigmoid": lambda: 1 / (1 + math.exp(-a)),
        "relu": lambda: max(0.0, a),
        "leaky_relu": lambda: a if a > 0 else 0.01 * a,
        "softplus": lambda: math.log1p(math.exp(a)),
    }[activation]()


def main():
    binary = sys.argv[1]
    HERE.mkdir(exist_ok=True)
    for name, given in CASES.items():
        request = {"generate": given}
        ran = subprocess.run([binary, "generate", "-"], input=json.dumps(request), capture_output=True, text=True)
        if ran.returncode:
            raise SystemExit(f"{name}: {ran.stderr}")
        attempt = json.loads(ran.stdout)["attempt"]
        exercise = Exercise(resolved(given), attempt).problem()
        key = torch_judge.as_json(torch_judge.judge(exercise | {"options": {"wrt": ["*", "inputs"]}}))
        golden = {"request": request, "attempt": attempt, "exercise": exercise, "key": key}
        (HERE / f"{name}.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")
        print(name, attempt)


if __name__ == "__main__":
    main()
