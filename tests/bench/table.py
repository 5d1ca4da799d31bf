"""Measures and prints the table of `tests/bench/run`, which see."""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import numpy
import torch

import payloads

HERE = pathlib.Path(__file__).parent
JSON, SAFETENSORS = "application/json", "application/vnd.safetensors"
MULTIPART = f"multipart/form-data; boundary={payloads.BOUNDARY}"
ROWS = ["lecture", "small", "large", "coding", "memory", "bulk", "mixed"]


def main():
    parser = argparse.ArgumentParser()
    for binary in ("dedz", "echo", "json", "engine"):
        parser.add_argument(f"--{binary}", required=True)
    parser.add_argument("--quick", action="store_true", help="one short round each: to see that all works")
    parser.add_argument("--no-engine", action="store_true")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    parser.add_argument("rows", nargs="*", choices=[[], *ROWS])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, pathlib.Path(folder))
        with contextlib.redirect_stdout(sys.stderr):
            payloads.main(bench.folder)
        for row in options.rows or ROWS:
            note(row)
            getattr(bench, row)()
    text = bench.markdown()
    if not options.no_engine:
        note("engine")
        engine = subprocess.run([options.engine], stdout=subprocess.PIPE, text=True, check=True).stdout
        text += "\nThe engine alone, beside PyTorch eager in the same run (`cargo bench --bench engine`):\n\n"
        text += f"```text\n{engine.strip()}\n```\n"
    print(text)
    if options.readme:
        path = HERE.parents[1] / "README.md"
        before, after = path.read_bytes().decode().split("<!-- tests/bench/run -->\n")[0::2]
        mark = "<!-- tests/bench/run -->\n"
        path.write_bytes(f"{before}{mark}\n{text}\n{mark}{after}".encode())


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.rounds, self.seconds = (1, 1) if options.quick else (5, 2)
        self.table = []

    # Rows.

    def lecture(self):
        with self.dedz() as dedz, self.peer() as peer, self.echo() as echo:
            self.compare(dedz, peer, "lecture.json")
            ours, theirs, ceiling = self.rates(self.post(dedz, "lecture"), self.post(peer, "lecture"), self.post(echo, "lecture"))
            self.ratio("the lecture's 7 neurons over HTTP, trace on", ours, "FastAPI + PyTorch", theirs, 15)
            self.ratio("the same", ours, "an echo route of the same kind of server", ceiling, 0.6)

    def small(self):
        with self.dedz() as dedz, self.peer() as peer:
            self.compare(dedz, peer, "mlp_4_16_3.json")
            ours, theirs = self.rates(self.post(dedz, "mlp_4_16_3"), self.post(peer, "mlp_4_16_3"))
            self.ratio("4-16-3, batch 32, over HTTP", ours, "FastAPI + PyTorch", theirs, 8)

    def large(self):
        with self.dedz() as dedz, self.peer() as peer:
            self.compare(dedz, peer, "mlp_784.json")
            self.compare_binary(dedz, peer)
            text, base64, binary, their_text, their_binary = self.rates(
                self.post(dedz, "mlp_784"),
                self.post(dedz, "mlp_784.base64"),
                (dedz, "mlp_784.multipart", MULTIPART, SAFETENSORS),
                self.post(peer, "mlp_784"),
                (peer, "mlp_784.safetensors", SAFETENSORS, SAFETENSORS),
                seconds=1.5 * self.seconds,
            )
            name = "784-256-128-10, batch 32, f64"
            self.ratio(f"{name}, JSON text both ways", text, "FastAPI + PyTorch", their_text, 4)
            for form, rate in [("base64", base64), ("safetensors", binary)]:
                self.ratio(f"{name}, {form} both ways", rate, "FastAPI + PyTorch, JSON", their_text, 10)
                self.ratio("the same", rate, "FastAPI + PyTorch, safetensors", their_binary, 1.5)

    def coding(self):
        printed = subprocess.run([self.options.json], stdout=subprocess.PIPE, text=True, check=True).stdout
        found = {line[:44].strip(): float(line[44:52]) for line in printed.splitlines()[1:]}
        for what, line, goal in [("reading", "read nested, 17 digits", 25), ("writing", "write nested, f64", 28)]:
            self.bound(f"{what} a double of 17 digits, exactly", found[line], "ns", goal)

    def memory(self):
        idle, peak, first = [], [], []
        body = (self.folder / "mlp_784.json").read_bytes()
        lecture = (self.folder / "lecture.json").read_bytes()
        sizes, batch = [784, 256, 128, 10], 32
        parameters = 8 * sum(outputs * (inputs + 1) for inputs, outputs in zip(sizes, sizes[1:]))
        # The minibatch, and of each layer its output, before and after the activation.
        activations = 8 * batch * (784 + 2 * 256 + 2 * 128 + 10)
        due = len(body) + 2 * parameters + activations
        for _ in range(self.rounds):
            port, begun = free_port(), time.perf_counter()
            process = subprocess.Popen([self.options.dedz, "serve", "--addr", f"127.0.0.1:{port}"], stderr=subprocess.DEVNULL)
            try:
                posted_when_up(port, lecture)
                first.append(1e3 * (time.perf_counter() - begun))
            finally:
                end(process)
            with self.dedz() as dedz:
                idle.append(dedz.memory("VmRSS"))
                answered(dedz.url, body, JSON)
                peak.append((dedz.memory("VmHWM") - idle[-1]) / due)
        self.bound("memory of an idle server", statistics.median(idle) / 2**20, "MiB", 15)
        self.bound("from start to the first answer", statistics.median(first), "ms", 50)
        what = "peak memory of the large JSON request above that, over body + parameters + gradients + live activations"
        self.bound(f"{what} ({due / 2**20:.1f} MiB)", statistics.median(peak), "×", 1.5)

    def bulk(self):
        with self.dedz() as dedz:
            reply = self.curl(dedz, "lecture.ndjson", "application/x-ndjson", self.folder / "answers")
            lines = (self.folder / "answers").read_bytes().splitlines()
            assert len(lines) == payloads.BULK_LINES and all(line.startswith(b'{"status":200,') for line in lines), reply
            single, bulk = [], []
            for _ in range(self.rounds):
                single.append(self.wrk(*self.post(dedz, "lecture"), self.seconds)["RATE"])
                # As long as the single ones: one request alone takes less time than the machine's moods last.
                end_of_round = time.perf_counter() + self.seconds
                while time.perf_counter() < end_of_round:
                    seconds = float(self.curl(dedz, "lecture.ndjson", "application/x-ndjson", os.devnull))
                    bulk.append(payloads.BULK_LINES / seconds)
            what = f"NDJSON, {payloads.BULK_LINES:,} of the lecture's nets in one request"
            self.ratio(what, statistics.median(bulk), "single requests", statistics.median(single), 3)

    def mixed(self):
        quiet, busy, done = [], [], []
        with self.dedz() as dedz:
            for _ in range(min(self.rounds, 3)):
                quiet.append(self.wrk(*self.post(dedz, "lecture"), self.seconds)["P99"])
                with self.started(*self.post(dedz, "mlp_784"), 2 * self.seconds + 2, connections=16) as large:
                    time.sleep(1)
                    busy.append(self.wrk(*self.post(dedz, "lecture"), 2 * self.seconds)["P99"])
                    done.append(measured(large)["RATE"])
        quiet, busy = statistics.median(quiet), statistics.median(busy)
        what = f"p99 of 8 clients' tiny requests beside 16 large ones in flight ({statistics.median(done):.0f}/s of them)"
        goal = f"≤ 5 × their quiet p99, {quiet:.2f} ms"
        self.row(what, f"{busy:.2f} ms", goal, f"{busy / quiet:.1f} ×", busy <= 5 * quiet)

    # What rows are made of.

    def ratio(self, what, ours, than, theirs, goal):
        self.row(what, f"{per_second(ours)}", f"≥ {goal:g} × {than}, {per_second(theirs)}", f"{ours / theirs:.2f} ×", ours >= goal * theirs)

    def bound(self, what, value, unit, goal):
        self.row(what, f"{value:.1f} {unit}", f"≤ {goal:g} {unit}", f"{value / goal:.2f} of it", value <= goal)

    def row(self, *cells):
        self.table.append(cells)
        note("  " + " | ".join(map(str, cells)))

    def markdown(self):
        lines = ["| work | measured | goal | ratio | |", "|---|---|---|---|---|"]
        lines += [" | ".join(["| " + cells[0], *cells[1:], "met |" if met else "**not met** |"]) for *cells, met in self.table]
        model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
        lines.append(
            f"\n{datetime.date.today()}, {model[1] if model else platform.processor()}, {os.cpu_count()} cores, "
            f"Linux {platform.release().split('-')[0]}; PyTorch {torch.__version__.split('+')[0]}, Python {platform.python_version()}; "
            f"`wrk -t1 -c8` on the same cores, medians of {self.rounds} alternating rounds, less those below 0.7 of their side's best."
        )
        return "\n".join(lines) + "\n"

    def rates(self, *sides, seconds=None):
        """Requests a second of each side: medians over alternating rounds, after one that warms up.

        A round with less than 0.7 of its side's best does not count: the peer's two processes accept from one socket, and at times
        all connections come to one of them, which halves its rate by chance."""
        found = [[] for _ in sides]
        for side in sides:
            self.wrk(*side, 0.5)
        for _ in range(self.rounds):
            for rates, side in zip(found, sides):
                rates.append(self.wrk(*side, seconds or self.seconds)["RATE"])
        note("  " + str(found))
        return (statistics.median(rate for rate in rates if rate >= 0.7 * max(rates)) for rates in found)

    def post(self, server, name):
        return server, f"{name}.json", JSON, JSON

    def wrk(self, *call):
        with self.started(*call) as process:
            return measured(process)

    @contextlib.contextmanager
    def started(self, server, file, content_type, accept, seconds, connections=8):
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "20s", "-s", HERE / "post.lua"]
        arguments = [server.url, "--", self.folder / file, content_type, accept]
        process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True)
        try:
            yield process
        finally:
            end(process)

    def curl(self, server, file, content_type, output):
        """Seconds that one request takes."""
        headers = ["-H", f"content-type: {content_type}", "-H", "expect:"]
        call = ["curl", "-sf", *headers, "--data-binary", f"@{self.folder / file}", "-o", output, "-w", "%{time_total}", server.url]
        return subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True).stdout

    def compare(self, dedz, peer, file):
        """Both must answer the same numbers: what one of them leaves out is no work of its."""
        body = (self.folder / file).read_bytes()
        ours, theirs = (json.loads(answered(server.url, body, JSON)) for server in (dedz, peer))
        for name in ("loss", "losses", "outputs", "gradients", "trace"):
            assert (name in ours) == (name in theirs), name
            if name == "trace" and name in ours:
                ours[name], theirs[name] = ({entry["id"]: entry for entry in reply[name]} for reply in (ours, theirs))
            assert_close(ours.get(name), theirs.get(name), name)

    def compare_binary(self, dedz, peer):
        ours = tensors(answered(dedz.url, (self.folder / "mlp_784.multipart").read_bytes(), MULTIPART, SAFETENSORS))
        theirs = tensors(answered(peer.url, (self.folder / "mlp_784.safetensors").read_bytes(), SAFETENSORS, SAFETENSORS))
        assert_close(ours, theirs, "safetensors")

    def dedz(self):
        return serving([self.options.dedz, "serve", "--addr", "127.0.0.1:0"], None, "/v1/gradients")

    def echo(self):
        return serving([self.options.echo, "127.0.0.1:0"], None, "/")

    def peer(self):
        tuned = "--workers 2 --loop uvloop --http httptools --no-access-log --log-level warning".split()
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", "--app-dir", HERE / "peers", "server:app", "--port", str(port), *tuned]
        return serving(command, port, "/v1/gradients")


class Server:
    def __init__(self, process, url):
        self.process, self.url = process, url

    def memory(self, field):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(re.search(rf"{field}:\s*(\d+) kB", status)[1])


@contextlib.contextmanager
def serving(command, port, path):
    """A server from its start to its end; without a port, its first lines name it."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            for _ in range(600):
                log.seek(0)
                named = re.search(rb"127\.0\.0\.1:(\d+)", log.read())
                if port is None and named:
                    port = int(named[1])
                if port is not None and listens(port):
                    break
                assert process.poll() is None, "a server ended: " + str(command)
                time.sleep(0.05)
            if "uvicorn" in command:
                time.sleep(4)  # both of its workers import PyTorch
            yield Server(process, f"http://127.0.0.1:{port}{path}")
        finally:
            end(process)


def end(process):
    if process.poll() is None:
        process.terminate()
    process.wait()


def measured(process):
    out = process.communicate()[0]
    found = re.search(r"RATE ([\d.]+) P50 ([\d.]+) P99 ([\d.]+) FAILED (\d+)", out)
    assert found and found[4] == "0", out
    return {"RATE": float(found[1]), "P50": float(found[2]), "P99": float(found[3])}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def posted_when_up(port, body):
    while not listens(port):
        time.sleep(0.0005)
    answered(f"http://127.0.0.1:{port}/v1/gradients", body, JSON)


def answered(url, body, content_type, accept=JSON):
    request = urllib.request.Request(url, body, {"content-type": content_type, "accept": accept})
    with urllib.request.urlopen(request) as reply:
        return reply.read()


def tensors(file):
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + length])
    header.pop("__metadata__", None)
    spans = {name: entry["data_offsets"] for name, entry in header.items()}
    return {name: numpy.frombuffer(file[8 + length + a : 8 + length + b]).tolist() for name, (a, b) in spans.items()}


def assert_close(ours, theirs, where):
    if isinstance(theirs, dict):
        assert ours.keys() >= theirs.keys(), (where, ours.keys() ^ theirs.keys())
        for name in theirs:
            assert_close(ours[name], theirs[name], f"{where}/{name}")
    elif isinstance(theirs, str) or theirs is None or theirs and isinstance(theirs, list) and isinstance(theirs[0], str):
        assert ours == theirs, (where, ours, theirs)
    else:
        a, b = numpy.array(ours), numpy.array(theirs)
        assert a.shape == b.shape and numpy.abs(a - b).max() <= 1e-12 * max(numpy.abs(b).max(), 1e-300), where


def per_second(rate):
    return f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.1f}/s"


def note(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
