// Node's own fetch.
import { readFile } from "node:fs/promises";

const [url, examples] = process.argv.slice(2);
const judge = (name, good, why) => console.log(good ? `ok ${name}` : `FAILED ${name}: ${JSON.stringify(why)}`);
const post = (path, problem) =>
  fetch(url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(problem) });

const problem = JSON.parse(await readFile(`${examples}/lecture.json`, "utf8"));
let response = await post("/v1/gradients", problem);
judge("gradients of the lecture's network", response.status === 200, response.status);
const reply = await response.json();
judge("finite gradients only", Object.values(reply.gradients).flat(Infinity).every(Number.isFinite), reply.gradients);
judge("a trace in topological order", reply.trace.every((entry, at) =>
  entry.inputs.every((source) => !reply.trace.slice(at).some((later) => later.id === source))), reply.trace);

// JSON numbers are exact: what was sent and read back again gives the same bytes.
const text = await (await post("/v1/gradients", problem)).text();
judge("numbers as JavaScript writes them", JSON.stringify(JSON.parse(text).losses) === JSON.stringify(reply.losses), text);

response = await post("/v1/gradients", JSON.parse(await readFile(new URL("bad.json", import.meta.url), "utf8")));
judge("422 with a problem document",
  response.status === 422 && response.headers.get("content-type") === "application/problem+json", response.status);
const pointers = (await response.json()).errors.map((error) => error.pointer);
judge("both pointers",
  pointers.includes("/network/nodes/0/inputs/x9") && pointers.includes("/network/nodes/1/op"), pointers);

// Twenty at once, each with its own answer.
const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => post("/v1/gradients", {
  network: { inputs: ["x"], nodes: [{ id: "y", op: "mul", inputs: ["x", "x"] }] },
  batch: { inputs: [at] },
  loss: { op: "sum", of: "y" },
  options: { wrt: ["inputs"] },
}).then((one) => one.json())));
judge("twenty at once: d(x²)/dx = 2x", answers.every((one, at) => one.input_gradients?.x?.[0] === 2 * at), answers);
