"""Writes the bodies that `tests/bench/run` posts, the same for every server: FOLDER/<name>.json and its binary forms.

    python tests/bench/payloads.py FOLDER

`<name>.base64.json` holds the tensors in base64, `<name>.multipart` (boundary `b`) as safetensors parts, and
`<name>.safetensors` is the peer's binary body: one file with the tensors, and the problem in its metadata.
"""

import base64
import json
import pathlib
import sys

import numpy

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "openapi" / "examples"
BULK_LINES = 10_000
BOUNDARY = "b"


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    lecture = json.loads((EXAMPLES / "lecture.json").read_text())
    write(folder / "lecture.json", compact(lecture))
    write(folder / "lecture.ndjson", b"".join(compact(line) + b"\n" for line in variants(lecture)))
    for name, sizes, batch, trace in [("mlp_4_16_3", [4, 16, 3], 32, False), ("mlp_784", [784, 256, 128, 10], 32, False)]:
        problem, tensors = mlp(sizes, batch, trace)
        write(folder / f"{name}.json", compact(filled(problem, tensors, lambda array: array.tolist())))
        if name != "mlp_784":
            continue
        asks_base64 = {**problem, "options": {**problem["options"], "encoding": "base64"}}
        write(folder / f"{name}.base64.json", compact(filled(asks_base64, tensors, as_base64)))
        write(folder / f"{name}.multipart", multipart(problem, tensors))
        names = {"inputs": "batch.inputs", "targets": "batch.targets"}
        write(folder / f"{name}.safetensors", safetensors({names.get(n, n): t for n, t in tensors.items()}, compact(problem)))


def mlp(sizes, batch, trace):
    """Linear layers with relu between them: the problem without its numbers, and its numbers."""
    draw = numpy.random.default_rng(7)
    layers, tensors = [], {}
    for i, (inputs, outputs) in enumerate(zip(sizes, sizes[1:]), 1):
        layers.append({"id": f"fc{i}", "op": "linear", "in_features": inputs, "out_features": outputs})
        bound = inputs**-0.5
        tensors[f"fc{i}.weight"] = draw.uniform(-bound, bound, (outputs, inputs))
        tensors[f"fc{i}.bias"] = draw.uniform(-bound, bound, outputs)
    for layer in layers[:-1]:
        layer["activation"] = "relu"
    tensors["inputs"] = draw.standard_normal((batch, sizes[0]))
    tensors["targets"] = draw.integers(0, sizes[-1], batch)
    loss = {"op": "cross_entropy", "of": layers[-1]["id"], "reduction": "mean"}
    network = {"inputs": {"x": [sizes[0]]}, "layers": layers}
    return {"network": network, "loss": loss, "options": {"trace": trace}}, tensors


def filled(problem, tensors, written):
    parameters = {name: written(array) for name, array in tensors.items() if "." in name}
    batch = {"inputs": written(tensors["inputs"]), "targets": tensors["targets"].tolist()}
    return {**problem, "parameters": parameters, "batch": batch}


def as_base64(array):
    return {"shape": array.shape, "dtype": "f64", "base64": base64.b64encode(array.tobytes()).decode()}


def multipart(problem, tensors):
    parts = {
        "problem": compact(problem),
        "parameters": safetensors({name: array for name, array in tensors.items() if "." in name}),
        "inputs": safetensors({"x": tensors["inputs"]}),
        "targets": safetensors({"targets": tensors["targets"]}),
    }
    body = b""
    for name, content in parts.items():
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def safetensors(tensors, problem=None):
    """By hand, since the library's writer leaves the data where 8-byte numbers are not aligned for `torch.frombuffer`."""
    header = {"__metadata__": {"problem": problem.decode()}} if problem else {}
    at = 0
    for name, array in tensors.items():
        dtype = {"f": "F", "i": "I"}[array.dtype.kind] + str(8 * array.itemsize)
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = compact(header)
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(array.tobytes() for array in tensors.values())


def variants(lecture):
    """The lecture's network with other samples in every line."""
    draw = numpy.random.default_rng(11)
    for _ in range(BULK_LINES):
        inputs = draw.normal(size=(3, 2)).round(3).tolist()
        yield {**lecture, "batch": {"inputs": inputs, "targets": draw.integers(0, 3, 3).tolist()}}


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def write(path, content):
    path.write_bytes(content)
    print(f"{path.name:26} {len(content):>11,} bytes")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
