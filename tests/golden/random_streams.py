"""Makes random.jsonl: the numbers of generator version 1, from the documentation of src/lower/random.rs alone.

Plain Python: hashlib for the key, ChaCha8 by hand, `statistics` for the normal quantile, Householder reflections for QR.

    python tests/golden/random_streams.py            # writes random.jsonl beside this file
"""

import hashlib
import json
import math
import pathlib
import statistics
import struct


def chacha_block(key: bytes, counter: int, rounds: int = 8) -> bytes:
    """One block of D. J. Bernstein's ChaCha: 64-bit counter, 64-bit nonce 0."""
    constants = struct.unpack("<4I", b"expand 32-byte k")
    start = [*constants, *struct.unpack("<8I", key), counter & 0xFFFFFFFF, counter >> 32, 0, 0]
    x = list(start)

    def turn(word, bits):
        return (word << bits | word >> (32 - bits)) & 0xFFFFFFFF

    def quarter(a, b, c, d):
        x[a] = (x[a] + x[b]) & 0xFFFFFFFF
        x[d] = turn(x[d] ^ x[a], 16)
        x[c] = (x[c] + x[d]) & 0xFFFFFFFF
        x[b] = turn(x[b] ^ x[c], 12)
        x[a] = (x[a] + x[b]) & 0xFFFFFFFF
        x[d] = turn(x[d] ^ x[a], 8)
        x[c] = (x[c] + x[d]) & 0xFFFFFFFF
        x[b] = turn(x[b] ^ x[c], 7)

    for _ in range(rounds // 2):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(x, start)))


# draft-strombergson-chacha-test-vectors-01, TC1 (key and nonce of zeros), 256 bits: 8 rounds, and 20.
assert chacha_block(bytes(32), 0, 8)[:16].hex() == "3e00ef2f895f40d67f5bb8e81f09a5a1"
assert chacha_block(bytes(32), 0, 20)[:16].hex() == "76b8e0ada0f13d90405d6ae55386bd28"


class Stream:
    def __init__(self, seed: str, name: str):
        self.key = hashlib.sha256(b"dedz.random.v1\0" + seed.encode() + b"\0" + name.encode()).digest()
        self.counter = 0
        self.words = []

    def uniform(self):
        if not self.words:
            self.words = list(struct.unpack("<8Q", chacha_block(self.key, self.counter)))
            self.counter += 1
        return (self.words.pop(0) >> 11) * 2.0**-53

    def normals(self, count):
        numbers = []
        while len(numbers) < count:
            r = math.sqrt(-2 * math.log(1 - self.uniform()))
            angle = 2 * math.pi * self.uniform()
            numbers += [r * math.cos(angle), r * math.sin(angle)]
        return numbers[:count]


def truncated(stream, count, mean, std, a, b):
    low, high, sign = (a - mean) / std, (b - mean) / std, 1
    if low > 0:
        low, high, sign = -high, -low, -1
    p, q = (0.5 * math.erfc(-x / math.sqrt(2)) for x in (low, high))
    quantile = statistics.NormalDist().inv_cdf
    return [min(max(mean + std * sign * quantile(p + (q - p) * stream.uniform()), a), b) for _ in range(count)]


def qr_positive(m):
    """Q of m = QR with a positive diagonal of R, for a tall matrix as a list of rows, by Householder reflections."""
    rows, columns = len(m), len(m[0])
    r = [row[:] for row in m]
    q = [[float(i == j) for j in range(columns)] for i in range(rows)]
    reflections = []
    for k in range(columns):
        v = [0.0] * k + [r[i][k] for i in range(k, rows)]
        v[k] += math.copysign(math.sqrt(math.fsum(x * x for x in v)), v[k])
        square = math.fsum(x * x for x in v)
        reflections.append((v, square))
        for j in range(columns):
            along = 2 * math.fsum(v[i] * r[i][j] for i in range(rows)) / square
            for i in range(rows):
                r[i][j] -= along * v[i]
    for v, square in reversed(reflections):
        for j in range(columns):
            along = 2 * math.fsum(v[i] * q[i][j] for i in range(rows)) / square
            for i in range(rows):
                q[i][j] -= along * v[i]
    return [[q[i][j] * math.copysign(1, r[j][j]) for j in range(columns)] for i in range(rows)]


def permutation(count, seed, epoch):
    """The order of samples in an epoch of `descend`."""
    stream, order = Stream(seed, f"shuffle/{epoch}"), list(range(count))
    for i in range(count - 1, 0, -1):
        j = math.floor(stream.uniform() * (i + 1))
        order[i], order[j] = order[j], order[i]
    return order


def transposed(m):
    return [list(column) for column in zip(*m)]


def orthogonal(stream, shape, gain):
    rows = shape[0]
    columns = math.prod(shape) // rows
    flat = stream.normals(rows * columns)
    m = [flat[i * columns : (i + 1) * columns] for i in range(rows)]
    m = transposed(qr_positive(transposed(m))) if rows < columns else qr_positive(m)
    return [gain * x for row in m for x in row]


def gain_of(nonlinearity, a):
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "leaky_relu": math.sqrt(2 / (1 + a * a)), "selu": 3 / 4}
    return gains.get(nonlinearity, 1.0)


def values(case):
    init, shape = case["init"], case.get("shape", [])
    stream = Stream(case["seed"], case["stream"])
    count = math.prod(shape)
    if init == "permutation":
        return permutation(case["count"], case["seed"], case["epoch"])
    if init == "mask":
        return [float(stream.uniform() >= case["p"]) for _ in range(case["count"])]
    if init in ("zeros", "ones"):
        return [float(init == "ones")] * count
    if init == "constant":
        return [case["val"]] * count
    if init == "eye":
        return [float(i == j) for i in range(shape[0]) for j in range(shape[1])]
    if init == "uniform":
        a, b = case.get("a", 0.0), case.get("b", 1.0)
        return [a + (b - a) * stream.uniform() for _ in range(count)]
    mean, std = case.get("mean", 0.0), case.get("std", 1.0)
    if init == "normal":
        return [mean + std * z for z in stream.normals(count)]
    if init == "trunc_normal":
        return truncated(stream, count, mean, std, case.get("a", -2.0), case.get("b", 2.0))
    if init == "orthogonal":
        return orthogonal(stream, shape, case.get("gain", 1.0))
    taps = math.prod(shape[2:])
    fan_in, fan_out = shape[1] * taps, shape[0] * taps
    if init.startswith("xavier"):
        std = case.get("gain", 1.0) * math.sqrt(2 / (fan_in + fan_out))
    else:
        fan = fan_out if case.get("mode") == "fan_out" else fan_in
        std = gain_of(case.get("nonlinearity", "leaky_relu"), case.get("a", 0.0)) / math.sqrt(fan)
    if init.endswith("uniform"):
        bound = math.sqrt(3) * std
        return [-bound + 2 * bound * stream.uniform() for _ in range(count)]
    return [std * z for z in stream.normals(count)]


CASES = [
    {"init": "uniform", "shape": [19]},
    {"init": "uniform", "shape": []},
    {"init": "uniform", "shape": [3, 2], "a": -0.25, "b": 0.5, "seed": "any text", "stream": "conv.bias"},
    {"init": "uniform", "shape": [2], "seed": "18446744073709551615", "stream": "z7->z5"},
    {"init": "uniform", "shape": [2], "seed": "Ångström", "stream": "w"},
    {"init": "normal", "shape": [7]},
    {"init": "normal", "shape": [2, 2], "mean": 3.0, "std": 0.5, "stream": "h.weight"},
    {"init": "trunc_normal", "shape": [40]},
    {"init": "trunc_normal", "shape": [6], "mean": 1.0, "std": 2.0, "a": 0.5, "b": 9.0},
    {"init": "trunc_normal", "shape": [6], "a": 8.0, "b": 9.0},
    {"init": "trunc_normal", "shape": [6], "a": -12.0, "b": -7.5},
    {"init": "zeros", "shape": [2]},
    {"init": "ones", "shape": [2]},
    {"init": "constant", "shape": [2], "val": -1.5},
    {"init": "eye", "shape": [2, 3]},
    {"init": "xavier_uniform", "shape": [2, 3]},
    {"init": "xavier_uniform", "shape": [2, 1, 2, 2], "gain": 1.5},
    {"init": "xavier_normal", "shape": [3, 2], "gain": 0.5},
    {"init": "kaiming_uniform", "shape": [2, 3]},
    {"init": "kaiming_uniform", "shape": [2, 3], "a": 2.0, "mode": "fan_out"},
    {"init": "kaiming_uniform", "shape": [2, 1, 3, 1], "nonlinearity": "tanh"},
    {"init": "kaiming_normal", "shape": [4, 2], "nonlinearity": "relu", "a": 5.0},
    {"init": "kaiming_normal", "shape": [4, 2], "nonlinearity": "selu", "mode": "fan_in"},
    {"init": "kaiming_normal", "shape": [1, 2, 3], "nonlinearity": "conv1d", "mode": "fan_out"},
    {"init": "orthogonal", "shape": [3, 3]},
    {"init": "orthogonal", "shape": [2, 5], "gain": 2.0},
    {"init": "orthogonal", "shape": [4, 1, 2]},
    {"init": "mask", "p": 0.5, "count": 20},
    {"init": "mask", "p": 0.1, "count": 30, "seed": "42", "stream": "drop"},
    {"init": "mask", "p": 0.5, "count": 8, "stream": "drop/step/1"},
    {"init": "permutation", "count": 1, "epoch": 0},
    {"init": "permutation", "count": 11, "epoch": 0, "seed": "0"},
    {"init": "permutation", "count": 11, "epoch": 1, "seed": "0"},
    {"init": "permutation", "count": 60, "epoch": 123456789, "seed": "any text"},
]

if __name__ == "__main__":
    lines = []
    for case in CASES:
        case = {"seed": "7", "stream": "fc1.weight", **case}
        lines.append(json.dumps({**case, "values": values(case)}, ensure_ascii=False))
    pathlib.Path(__file__).with_name("random.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
