"""Python's standard library alone: posts, reads gradients, and checks each against the slope of the loss."""

import copy
import http.client
import json
import pathlib
import sys
import urllib.parse

url, examples = urllib.parse.urlsplit(sys.argv[1]), pathlib.Path(sys.argv[2])
connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)  # one connection, kept alive


def judge(name, good, why=""):
    print(f"ok {name}" if good else f"FAILED {name}: {why}")


def post(path, problem):
    connection.request("POST", path, json.dumps(problem), {"content-type": "application/json"})
    response = connection.getresponse()
    return response.status, response.getheader("content-type"), json.loads(response.read())


problem = json.loads((examples / "lecture.json").read_text())
status, kind, reply = post("/v1/gradients", problem)
judge("gradients of the lecture's network", (status, kind) == (200, "application/json"), reply)
judge("the loss is the sum of the losses", abs(reply["loss"] - sum(reply["losses"])) <= 1e-12 * abs(reply["loss"]), reply)
judge("a trace entry for every node", len(reply["trace"]) == len(problem["network"]["nodes"]), reply["trace"])

# Every edge written inline: move it both ways, and the loss moves as its gradient says.
step, worst, edges = 1e-5, 0.0, 0
for at, node in enumerate(problem["network"]["nodes"]):
    for source, weight in (node["inputs"] if isinstance(node["inputs"], dict) else {}).items():
        if not isinstance(weight, (int, float)):
            continue
        losses = []
        for moved in (weight + step, weight - step):
            other = copy.deepcopy(problem)
            other["network"]["nodes"][at]["inputs"][source] = moved
            losses.append(post("/v1/forward", other)[2]["loss"])
        slope = (losses[0] - losses[1]) / (2 * step)
        worst = max(worst, abs(slope - reply["gradients"][f"{source}->{node['id']}"]))
        edges += 1
judge(f"{edges} edges agree with the slope of the loss", edges > 0 and worst < 1e-7, worst)

bad = json.loads((pathlib.Path(__file__).parent / "bad.json").read_text())
status, kind, reply = post("/v1/gradients", bad)
judge("422 with a problem document", (status, kind) == (422, "application/problem+json"), (status, kind))
pointers = {error["pointer"]: error["code"] for error in reply["errors"]}
judge(
    "both faults with their codes",
    pointers == {"/network/nodes/0/inputs/x9": "unknown_node", "/network/nodes/1/op": "unknown_op"},
    pointers,
)
