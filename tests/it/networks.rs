//! Stored networks over HTTP: put, used, overridden, unknown, put out, shared by two services, broken in the store.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use dedz::analysis::{FORWARD, Form, GRADIENTS, Library, Question, Request, VALIDATE, prepare};
use dedz::config::{Config, Limits, Networks};
use dedz::http::{self, openapi};
use dedz::store::Store;
use reqwest::blocking::{Client, RequestBuilder};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// A service of this process on a free port, and who asks it.
struct Service {
    url: String,
    client: Client,
    _runtime: Runtime,
}

struct Answer {
    status: u16,
    location: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}", self.body))
    }

    /// The status and, of every fault, pointer and code.
    fn faults(&self) -> (u16, Vec<(String, String)>) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = self.json()["errors"].as_array().cloned().unwrap_or_default();
        (self.status, list.iter().map(|fault| (text(&fault["pointer"]), text(&fault["code"]))).collect())
    }
}

impl Service {
    fn start(networks: Networks) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let config = Config { networks, ..Config::default() };
        runtime.spawn(http::run(listener, config, std::future::pending()));
        Self { url, client: Client::builder().timeout(None).build().expect("a client"), _runtime: runtime }
    }

    fn plain() -> Self {
        Self::start(Networks::default())
    }

    fn sharing(folder: &Folder) -> Self {
        Self::start(Networks { store: Some(folder.store()), ..Networks::default() })
    }

    fn send(request: RequestBuilder) -> Answer {
        let response = request.send().expect("the service answers");
        let location = response.headers().get("location").map(|value| value.to_str().expect("text").to_owned());
        Answer {
            status: response.status().as_u16(),
            location: location.unwrap_or_default(),
            body: response.text().expect("a whole body"),
        }
    }

    fn put(&self, body: &str) -> Answer {
        let request = self.client.put(format!("{}/v1/networks", self.url));
        Self::send(request.header("content-type", "application/json").body(body.to_owned()))
    }

    /// The ref of a network that is new here, or not.
    fn name(&self, body: &str, status: u16) -> String {
        let answer = self.put(body);
        assert_eq!(answer.status, status, "{}", answer.body);
        answer.json()["ref"].as_str().expect("a ref").to_owned()
    }

    fn ask(&self, question: &str, problem: &Value) -> Answer {
        let request = self.client.post(format!("{}/v1/{question}", self.url));
        Self::send(request.header("content-type", "application/json").body(problem.to_string()))
    }

    fn get(&self, path: &str) -> Answer {
        Self::send(self.client.get(format!("{}{path}", self.url)))
    }

    fn delete(&self, name: &str) -> u16 {
        Self::send(self.client.delete(format!("{}/v1/networks/{name}", self.url))).status
    }

    fn figure(&self, name: &str) -> f64 {
        let metrics = self.get("/metrics").body;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{metrics}")).parse().expect("a number")
    }
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("networks-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    fn url(&self) -> String {
        format!("file://{}", self.0.display())
    }

    fn store(&self) -> Store {
        Store::open(&self.url()).expect("a folder is a store")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name.replace(':', "-"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A problem as the network that is kept of it, and the problem that names it.
fn parted(problem: &Value) -> (String, impl Fn(&str) -> Value) {
    let mut rest = problem.as_object().expect("an object").clone();
    let mut kept = Map::new();
    for member in ["network", "parameters"] {
        kept.extend(rest.remove(member).map(|value| (member.to_owned(), value)));
    }
    let naming = move |name: &str| {
        let mut problem = rest.clone();
        problem.insert("network".to_owned(), json!({ "ref": name }));
        Value::Object(problem)
    };
    (Value::Object(kept).to_string(), naming)
}

fn example(name: &str) -> Value {
    let path = format!("{}/openapi/examples/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&fs::read(path).expect("an example")).expect("an example is JSON")
}

/// A reply without the name of its request.
fn told(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let (before, rest) = answer.body.split_once("\"request_hash\":\"").expect("a reply names its request");
    format!("{before}{}", rest.split_once('"').expect("a string ends").1)
}

/// `f` of one input by one weight.
fn line(weight: f64) -> String {
    json!({ "network": { "inputs": ["x"], "nodes": [{ "id": "f", "op": "neuron", "inputs": { "x": weight } }] } }).to_string()
}

fn naming(name: &str) -> Value {
    json!({ "network": { "ref": name }, "batch": { "inputs": [2.0] }, "loss": { "op": "sum", "of": "f" } })
}

#[test]
fn a_named_network_is_answered_as_if_it_were_there() {
    let service = Service::plain();
    let names = openapi::EXAMPLES.iter().map(|(name, ..)| *name).chain(["digits_mlp", "lenet"]);
    for name in names {
        let problem = example(name);
        let (kept, naming) = parted(&problem);
        let put = service.put(&kept);
        assert_eq!(put.status, 201, "{name}: {}", put.body);
        let stored = put.json()["ref"].as_str().expect("a ref").to_owned();
        for question in ["gradients", "forward", "validate"] {
            let carried = service.ask(question, &problem);
            let named = service.ask(question, &naming(&stored));
            assert_eq!(told(&carried), told(&named), "{name} {question}");
            assert_eq!(named.body, service.ask(question, &naming(&stored)).body, "equal requests, equal bytes");
        }
    }
}

#[test]
fn putting_is_idempotent_and_the_ref_is_the_digest_of_the_body() {
    let service = Service::plain();
    let body = line(0.5);
    let first = service.put(&body);
    let digest: String = Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("sha256:{digest}");
    assert_eq!((first.status, first.json()["ref"].as_str()), (201, Some(name.as_str())));
    assert_eq!(first.location, format!("/v1/networks/{name}"));
    assert_eq!(first.json()["parameters"], json!([{ "name": "x->f", "shape": [], "trained": true, "given": true }]));
    let second = service.put(&body);
    assert_eq!((second.status, &second.body), (200, &first.body));
    let got = service.get(&first.location);
    assert_eq!((got.status, &got.body), (200, &first.body));
    assert_eq!(service.delete(&name), 204);
    assert_eq!(service.delete(&name), 404);
    let gone = vec![("/network/ref".to_owned(), "unknown_network".to_owned())];
    assert_eq!(service.get(&first.location).faults(), (404, gone.clone()));
    let asked = service.ask("gradients", &naming(&name));
    assert_eq!(asked.faults(), (404, gone));
    assert_eq!(asked.json()["type"], "/problems/unknown-network");
    assert_eq!(service.get("/problems/unknown-network").status, 200);
    assert_eq!(service.put(&body).status, 201);
    assert_eq!(service.ask("gradients", &naming(&name)).json()["loss"], 1.0);
}

#[test]
fn a_problem_overrides_parameters_wherever_they_were_written() {
    let service = Service::plain();
    // Neurons' own weights, a layer's inline weight, and an entry of `parameters`.
    let problem = json!({
        "network": { "inputs": { "x": [2] }, "nodes": [
            { "id": "a", "op": "linear", "inputs": ["x"], "weight": [[1, 2], [3, 4]], "bias": [0.5, -0.5], "activation": "tanh" },
            { "id": "b", "op": "linear", "inputs": ["a"], "out_features": 2 },
            { "id": "c", "op": "select", "inputs": ["b"], "index": 0 },
            { "id": "d", "op": "neuron", "inputs": { "c": 0.25 }, "bias": -1 },
            { "id": "e", "op": "neuron", "inputs": { "d": "shared", "c": "shared" } }
        ] },
        "parameters": { "b.weight": [[1, 0], [0, 1]], "b.bias": [0, 0], "shared": 2 },
        "batch": { "inputs": [[0.1, -0.2], [0.3, 0.4]] },
        "loss": { "op": "squared_error", "of": "e" }
    });
    let mut problem = problem;
    problem["batch"]["targets"] = json!([0, 1]);
    let (kept, naming) = parted(&problem);
    let name = service.name(&kept, 201);
    for (parameter, pointer, value) in [
        ("a.weight", "/network/nodes/0/weight", json!([[0.5, 0.25], [-1, 7]])),
        ("a.bias", "/network/nodes/0/bias", json!([3, 4])),
        ("b.weight", "/parameters/b.weight", json!([[2, 1], [1, 2]])),
        ("c->d", "/network/nodes/3/inputs/c", json!(-0.75)),
        ("d.bias", "/network/nodes/3/bias", json!(1e-3)),
        ("shared", "/parameters/shared", json!(0.5)),
    ] {
        let mut carried = problem.clone();
        *carried.pointer_mut(pointer).expect("a place of the problem") = value.clone();
        let mut named = naming(&name);
        named["parameters"] = json!({ parameter: value });
        assert_eq!(told(&service.ask("gradients", &carried)), told(&service.ask("gradients", &named)), "{parameter}");
    }
    // What was put is as it was.
    assert_eq!(told(&service.ask("gradients", &problem)), told(&service.ask("gradients", &naming(&name))));
}

#[test]
fn a_network_without_values_takes_them_from_every_problem() {
    let service = Service::plain();
    let problem = example("digits_mlp");
    let name = service.name(&json!({ "network": problem["network"] }).to_string(), 201);
    let mut named = problem.clone();
    named["network"] = json!({ "ref": name });
    assert_eq!(told(&service.ask("gradients", &problem)), told(&service.ask("gradients", &named)));
    named["parameters"].as_object_mut().expect("values").remove("fc1.bias");
    let (status, faults) = service.ask("gradients", &named).faults();
    assert_eq!((status, faults[0].1.as_str()), (422, "missing_parameter"));
}

#[test]
fn bad_input_is_told() {
    let service = Service::plain();
    let name = service.name(&line(0.5), 201);
    let check = |problem: Value, status: u16, faults: &[(&str, &str)]| {
        let answer = service.ask("gradients", &problem);
        let expect = faults.iter().map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned())).collect();
        assert_eq!(answer.faults(), (status, expect), "{problem}: {}", answer.body);
    };
    let with = |member: &str, value: Value| {
        let mut problem = naming(&name);
        problem[member] = value;
        problem
    };
    let unknown = format!("sha256:{}", "0".repeat(64));
    check(naming(&unknown), 404, &[("/network/ref", "unknown_network")]);
    check(with("network", json!({ "ref": "sha256:0" })), 422, &[("/network/ref", "invalid_value")]);
    check(with("network", json!({ "ref": name.to_uppercase() })), 422, &[("/network/ref", "invalid_value")]);
    check(with("network", json!({ "ref": "../../etc/passwd" })), 422, &[("/network/ref", "invalid_value")]);
    check(with("network", json!({ "ref": 7 })), 422, &[("/network/ref", "wrong_type")]);
    check(with("network", json!({ "ref": name, "nodes": [] })), 422, &[("/network/nodes", "unknown_field")]);
    check(with("parameters", json!({ "x->g": 1 })), 422, &[("/parameters/x->g", "surplus_parameter")]);
    check(with("parameters", json!({ "x->f": [1] })), 422, &[("/parameters/x->f", "shape_mismatch")]);
    check(with("parameters", json!({ "x->f": "1" })), 422, &[("/parameters/x->f", "wrong_type")]);
    check(with("loss", json!({ "op": "sum", "of": "g" })), 422, &[("/loss/of", "unknown_node")]);

    let check = |body: &str, status: u16, faults: &[(&str, &str)]| {
        let answer = service.put(body);
        let expect = faults.iter().map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned())).collect();
        assert_eq!(answer.faults(), (status, expect), "{body}: {}", answer.body);
    };
    check("{", 400, &[("", "malformed_json")]);
    check("[]", 422, &[("", "wrong_type")]);
    check("{}", 422, &[("", "missing_field")]);
    check(
        &naming(&name).to_string(),
        422,
        &[("/network/ref", "invalid_value"), ("/batch", "unknown_field"), ("/loss", "unknown_field")],
    );
    check(
        r#"{"network":{"inputs":["x"],"nodes":[{"id":"f","op":"neuron","inputs":{"y":1}},{"id":"g","op":"tanhh","inputs":["x"]}]},"parameters":{"w":1}}"#,
        422,
        &[
            ("/network/nodes/0/inputs/y", "unknown_node"),
            ("/network/nodes/1/op", "unknown_op"),
            ("/parameters/w", "surplus_parameter"),
        ],
    );
    check(
        r#"{"network":{"inputs":["x"],"nodes":[{"id":"f","op":"neuron","inputs":{"x":null},"bias":null}]},"parameters":{"x->f":1}}"#,
        422,
        &[("/network/nodes/0/bias", "missing_parameter")],
    );
    let huge = r#"{"network":{"inputs":{"x":[1000000]},"layers":[{"op":"linear","out_features":100000000}]}}"#;
    let (status, faults) = service.put(huge).faults();
    assert_eq!((status, faults[0].1.as_str()), (422, "limit_exceeded"));

    let put = |kind: &str, body: &str| {
        let request = service.client.put(format!("{}/v1/networks", service.url)).body(body.to_owned());
        Service::send(request.header("content-type", kind)).status
    };
    assert_eq!(put("application/x-ndjson", &line(1.0)), 415);
    assert_eq!(put("text/plain", &line(1.0)), 415);
    let parts = "--B\r\ncontent-disposition: form-data; name=\"problem\"\r\n\r\n{}\r\n--B\r\ncontent-disposition: form-data; name=\"inputs\"\r\n\r\n\r\n--B--";
    assert_eq!(put("multipart/form-data; boundary=B", parts), 400);
    assert_eq!(service.get("/v1/networks/nonsense").status, 404);
    assert_eq!(service.delete("..%2F..%2Fetc"), 404);
}

#[test]
fn parameters_may_come_as_safetensors() {
    let service = Service::plain();
    let numbers: Vec<u8> = [0.5_f64, -0.25].iter().flat_map(|x| x.to_le_bytes()).collect();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F64, vec![1, 2], &numbers).expect("a tensor");
    let file = safetensors::serialize([("fc.weight", view)], None).expect("a file");
    let problem = r#"{"network":{"inputs":{"x":[2]},"layers":[{"id":"fc","op":"linear","out_features":1,"bias":false}]}}"#;
    let mut body = format!("--B\r\ncontent-disposition: form-data; name=\"problem\"\r\n\r\n{problem}\r\n--B\r\ncontent-disposition: form-data; name=\"parameters\"\r\n\r\n").into_bytes();
    body.extend_from_slice(&file);
    body.extend_from_slice(b"\r\n--B--\r\n");
    let request = service.client.put(format!("{}/v1/networks", service.url)).body(body);
    let put = Service::send(request.header("content-type", "multipart/form-data; boundary=B"));
    assert_eq!(put.status, 201, "{}", put.body);
    let name = put.json()["ref"].as_str().expect("a ref").to_owned();
    let problem = json!({ "network": { "ref": name }, "batch": { "inputs": [[2, 4]] }, "loss": { "op": "sum", "of": "fc" } });
    let answer = service.ask("gradients", &problem).json();
    assert_eq!((&answer["loss"], &answer["gradients"]["fc.weight"]), (&json!(0.0), &json!([[2.0, 4.0]])));
}

#[test]
fn what_was_used_longest_ago_goes_out() {
    let bytes = Service::plain().put(&line(0.5)).json()["bytes"].as_u64().expect("a number") as usize;
    let service = Service::start(Networks { stored_bytes: 2 * bytes + bytes / 2, store: None });
    let names: Vec<_> = [0.5, 1.5, 2.5].iter().map(|&weight| service.name(&line(weight), 201)).collect();
    let status = |i: usize| service.ask("forward", &naming(&names[i])).status;
    assert_eq!([status(0), status(1), status(2)], [404, 200, 200]);
    // The client puts it again; now the second is the one used longest ago.
    assert_eq!(service.put(&line(0.5)).status, 201);
    assert_eq!([status(0), status(2), status(1)], [200, 200, 404]);
    let figures =
        ["networks", "hits_total", "misses_total", "evicted_total"].map(|name| service.figure(&format!("dedz_stored_{name}")));
    assert_eq!(figures, [2.0, 4.0, 2.0, 2.0]);
    assert_eq!(service.figure("dedz_stored_bytes") as usize, 2 * bytes);
    let info = service.get("/v1/info").json();
    assert_eq!(info["networks"], json!({ "stored_bytes": 2 * bytes + bytes / 2, "shared": false }));

    let (large, _) = parted(&example("digits_mlp"));
    let answer = service.put(&large);
    assert_eq!(answer.faults(), (422, vec![(String::new(), "limit_exceeded".to_owned())]), "{}", answer.body);
    assert_eq!(service.figure("dedz_stored_networks"), 2.0);
}

#[test]
fn two_services_share_a_folder() {
    let folder = Folder::new();
    let (one, two) = (Service::sharing(&folder), Service::sharing(&folder));
    let problem = example("digits_mlp");
    let (kept, naming_digits) = parted(&problem);
    let digits = one.name(&kept, 201);
    let small = one.name(&line(0.5), 201);
    assert_eq!(told(&two.ask("gradients", &problem)), told(&two.ask("gradients", &naming_digits(&digits))));
    assert_eq!(two.put(&line(0.5)).status, 200, "it was stored by the other");
    assert_eq!(two.get(&format!("/v1/networks/{small}")).json()["ref"], json!(small));
    assert_eq!(two.get("/v1/info").json()["networks"]["shared"], json!(true));

    // A line at a time, by a third that has none of them in memory.
    let three = Service::sharing(&folder);
    let unknown = format!("sha256:{}", "0".repeat(64));
    let lines =
        [&small, &unknown, &digits].map(|name| if name == &digits { naming_digits(name) } else { naming(name) }.to_string());
    let request = three.client.post(format!("{}/v1/forward", three.url)).header("content-type", "application/x-ndjson");
    let answer = Service::send(request.body(lines.join("\n")));
    let statuses: Vec<_> = answer.body.lines().map(|line| line[..13].to_owned()).collect();
    assert_eq!(statuses, [r#"{"status":200"#, r#"{"status":404"#, r#"{"status":200"#]);

    assert_eq!(one.delete(&small), 204);
    assert_eq!(one.ask("forward", &naming(&small)).status, 404);
    assert!(!folder.file(&small).exists());
}

#[test]
fn a_broken_object_is_no_answer() {
    let folder = Folder::new();
    let name = Service::sharing(&folder).name(&line(0.5), 201);
    let other = Service::sharing(&folder).name(&line(0.75), 201);
    let file = folder.file(&name);
    let whole = fs::read(&file).expect("the object");
    let mut flipped = whole.clone();
    let digit = flipped.iter().rposition(|&byte| byte == b'5').expect("the weight");
    flipped[digit] = b'6';
    let another = fs::read(folder.file(&other)).expect("the other object");
    for broken in [&b"garbage"[..], b"", &flipped, &another, &whole[..whole.len() - 1], b"dedz-network 1 2 -\n{}"] {
        fs::write(&file, broken).expect("the object can be written");
        let service = Service::sharing(&folder);
        let (status, faults) = service.ask("gradients", &naming(&name)).faults();
        assert_eq!((status, faults[0].1.as_str()), (404, "unknown_network"), "{}", String::from_utf8_lossy(broken));
        assert_eq!(service.get(&format!("/v1/networks/{name}")).status, 404);
        // Putting it again mends it, for all.
        service.put(&line(0.5));
        assert_eq!(fs::read(&file).expect("the object"), whole);
        assert_eq!(Service::sharing(&folder).ask("gradients", &naming(&name)).json()["loss"], 1.0);
    }
}

#[test]
fn a_store_that_does_not_answer_is_told_apart() {
    let service =
        Service::start(Networks { store: Some(Store::open("file:///dev/null/x").expect("a URL")), ..Networks::default() });
    let answer = service.put(&line(0.5));
    assert_eq!((answer.status, answer.json()["type"].as_str()), (503, Some("/problems/store-unavailable")), "{}", answer.body);
    assert_eq!(service.ask("gradients", &example("lecture")).status, 200, "a problem that carries its network needs no store");
}

#[test]
fn many_may_put_at_once() {
    let folder = Folder::new();
    let service = Service::sharing(&folder);
    let (digits, _) = parted(&example("digits_mlp"));
    let put = |i: u32| if i.is_multiple_of(2) { service.put(&line(f64::from(i / 4))) } else { service.put(&digits) };
    let answers: Vec<_> = thread::scope(|scope| {
        let all: Vec<_> = (0..16).map(|i| scope.spawn(move || put(i))).collect();
        all.into_iter().map(|one| one.join().expect("no panic")).collect()
    });
    for (i, answer) in answers.iter().enumerate() {
        assert!([200, 201].contains(&answer.status), "{}", answer.body);
        assert_eq!(
            answer.json()["ref"],
            service.put(&if i % 2 == 0 { line((i / 4) as f64) } else { digits.clone() }).json()["ref"]
        );
    }
    assert_eq!(service.figure("dedz_stored_networks"), 5.0);
    assert_eq!(fs::read_dir(&folder.0).expect("the folder").count(), 5, "nothing half written is left");
}

#[test]
fn the_command_line_reads_the_store_too() {
    let folder = Folder::new();
    let service = Service::sharing(&folder);
    let name = service.name(&line(0.5), 201);
    let file = folder.0.join("problem.json");
    fs::write(&file, naming(&name).to_string()).expect("a file");
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dedz"));
        let output = command.arg("forward").arg(&file).args(more).env_remove("DEDZ_STORE").output().expect("it runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (here, there) = (run(&["--store", &folder.url()]), run(&["--url", &service.url]));
    assert_eq!(here.0, Some(0), "{}", here.2);
    assert!(here.1.starts_with(r#"{"loss":1.0,"#) && here == there, "{here:?} {there:?}");
    let (code, _, told) = run(&[]);
    assert!(code == Some(1) && told.contains("unknown_network") && told.contains("--store"), "{told}");
    let empty = Folder::new();
    let (code, _, told) = run(&["--store", &empty.url()]);
    assert!(code == Some(1) && told.contains("unknown_network"), "{told}");
    assert_eq!(run(&["--store", "nonsense"]).0, Some(2));
}

/// A problem, what is made of it by taking each of its values away or putting another in its place, and other minibatches.
fn variants(problem: &Value) -> Vec<Value> {
    let mut pointers = vec![String::new()];
    let mut at = 0;
    while at < pointers.len() {
        let here = pointers[at].clone();
        at += 1;
        // Below two levels of the minibatch there is nothing but numbers.
        let deep = here.matches('/').count() > 4;
        match problem.pointer(&here).expect("a place of the problem") {
            Value::Object(members) if !deep => {
                pointers.extend(members.keys().map(|name| format!("{here}/{}", name.replace('~', "~0").replace('/', "~1"))));
            }
            Value::Array(list) if !deep => pointers.extend((0..list.len().min(3)).map(|i| format!("{here}/{i}"))),
            _ => {}
        }
    }
    let mut all = vec![problem.clone()];
    for pointer in &pointers[1..] {
        for value in [Value::Null, json!("x1"), json!(-1.5), json!([]), json!({}), json!([[1, 2], [0.5, 3]])] {
            let mut variant = problem.clone();
            *variant.pointer_mut(pointer).expect("a place of the problem") = value;
            all.push(variant);
        }
    }
    for options in [
        json!({ "trace": false }),
        json!({ "dtype": "f32", "wrt": ["*", "inputs"], "per_sample": true }),
        json!({ "allow_non_finite": true, "encoding": "base64" }),
        json!({ "wrt": "nothing" }),
        json!({ "trace": ["nothing"] }),
    ] {
        let mut variant = problem.clone();
        variant["options"] = options;
        all.push(variant);
    }
    let mut more = problem.clone();
    for part in ["inputs", "targets"] {
        if let Some(list) = more["batch"][part].as_array_mut() {
            list.extend(list.clone());
        }
    }
    let mut penalised = more.clone();
    penalised["regularization"] = json!([{ "l2": 0.1, "parameters": ["*"] }, { "l1": 0.2, "parameters": ["z*", "nothing"] }]);
    let mut given = more.clone();
    given["parameters"] = json!({ "z1.bias": 1 });
    all.extend([more, penalised, given]);
    all
}

/// The same problem with other numbers in its minibatch and its parameters: as many of both, but for its last forms.
fn renumbered(problem: &Value) -> Vec<Value> {
    fn change(value: &mut Value, by: f64) {
        match value {
            // Whole numbers may be classes or tokens.
            Value::Number(x) if x.is_f64() => *value = json!(x.as_f64().expect("a double") * by),
            Value::Array(list) => list.iter_mut().for_each(|value| change(value, by)),
            Value::Object(members) => members.values_mut().for_each(|value| change(value, by)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    for n in 1..=6 {
        let mut other = problem.clone();
        for part in ["/batch/inputs", "/parameters"] {
            other.pointer_mut(part).into_iter().for_each(|value| change(value, 1.0 - f64::from(n) / 8.0));
        }
        if let Some(Value::Array(targets)) = other.pointer_mut("/batch/targets") {
            targets.rotate_left(1);
            let weights: Vec<_> = (0..targets.len()).map(|i| (i + 1) as f64 / 4.0).collect();
            if n % 2 == 0 {
                other["batch"]["weights"] = json!(weights);
            }
        }
        all.push(other);
    }
    let mut empty = problem.clone();
    for part in ["inputs", "targets"] {
        if let Some(list) = empty["batch"][part].as_array_mut() {
            list.clear();
        }
    }
    all.push(empty);
    let Some(parameters) = problem["parameters"].as_object() else { return all };
    let mut with = |parameters: Value| {
        let mut other = problem.clone();
        other["parameters"] = parameters;
        all.push(other);
    };
    with(parameters.iter().rev().map(|(name, value)| (name.clone(), value.clone())).collect());
    for (name, value) in parameters {
        let one = |value: Value| {
            let mut one = parameters.clone();
            one.insert(name.clone(), value);
            Value::Object(one)
        };
        with(parameters.iter().filter(|(other, _)| *other != name).map(|(name, value)| (name.clone(), value.clone())).collect());
        with(one(json!({ "init": "zeros" })));
        with(one(json!([value])));
        with(one(json!("NaN")));
    }
    all
}

/// A problem whose parameters stand apart from its network: of layers, shared, of single edges, trained and not.
fn parted_problem() -> Value {
    json!({
        "network": { "inputs": { "x": [2], "u": [] }, "nodes": [
            { "id": "fc", "op": "linear", "inputs": ["x"] },
            { "id": "bn", "op": "batch_norm1d", "inputs": ["fc"], "training": false, "activation": "tanh" },
            { "id": "h", "op": "select", "inputs": ["bn"], "dim": 1, "index": 0 },
            { "id": "z1", "op": "neuron", "inputs": { "h": null, "u": 0.25 }, "bias": null, "activation": "tanh" },
            { "id": "z2", "op": "neuron", "inputs": { "z1": "w", "u": "w" }, "bias": null }] },
        "parameters": {
            "fc.weight": [[0.1, -0.2], [0.3, 0.4], [0.5, 0.6]], "fc.bias": [0.01, 0.02, 0.03],
            "bn.weight": [1.5, 0.5, 0.75], "bn.bias": [0.0625, 0.1, 0.2], "bn.running_mean": [0.1, 0.1, 0.1],
            "bn.running_var": [0.9, 1.1, 1.2], "h->z1": 0.7, "z1.bias": -0.3, "w": 0.35, "z2.bias": 0.15 },
        "batch": { "inputs": { "x": [[0.5, 1.5], [-0.5, 0.25]], "u": [0.125, -0.75] }, "targets": [[0.5], [-1.5]] },
        "loss": { "op": "mse", "of": "z2", "reduction": "mean" },
        "regularization": [{ "l2": 0.1, "parameters": ["*.weight", "w", "h->z1"] }]
    })
}

#[test]
fn a_network_that_was_lowered_before_is_answered_the_same() {
    let limits = Limits::default();
    let library = Library::new(1 << 20);
    let ask = |question: Question, text: &str, library: Option<&Library>| {
        let request = Request { problem: text.as_bytes(), library, ..Request::default() };
        let ran = prepare(question, request, Form::Json, &limits).and_then(|ready| ready.run(&|| Ok(())));
        ran.map(|reply| String::from_utf8(reply.body).expect("JSON is text")).map_err(|failure| format!("{failure:?}"))
    };
    let examples = openapi::EXAMPLES.iter().map(|(name, ..)| (*name, example(name)));
    for (name, problem) in examples.chain([("parted", parted_problem())]) {
        // Twice: what comes once is not kept.
        for _ in 0..3 {
            ask(&GRADIENTS, &problem.to_string(), Some(&library)).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        }
        let known = library.remembered().hits;
        let variants = renumbered(&problem).into_iter().chain(variants(&problem));
        for variant in variants {
            for text in [variant.to_string(), format!("{variant:#}")] {
                for question in [&GRADIENTS, &FORWARD, &VALIDATE] {
                    let (long, short) = (ask(question, &text, None), ask(question, &text, Some(&library)));
                    assert!(long == short, "{name}, {}: {text}\n{long:?}\n{short:?}", question.name);
                }
            }
        }
        // What is lowered of indices depends on which they are.
        let indices = problem["network"]["inputs"].to_string().contains("i64");
        let hits = library.remembered().hits - known;
        assert!(if indices { hits == 0 } else { hits >= 12 }, "{name}: {hits}");
    }
    let remembered = library.remembered();
    assert!(remembered.hits > 200 && remembered.misses > 100 && remembered.bytes > 0, "{remembered:?}");
    assert!(remembered.bytes <= 16 << 20, "{remembered:?}");
}

#[test]
fn what_lowered_networks_are_worth_is_counted() {
    let service = Service::plain();
    let mut problem = example("lecture");
    let asked: Vec<_> = (0..5)
        .map(|i| {
            problem["batch"]["inputs"][0][0] = json!(i);
            told(&service.ask("gradients", &problem))
        })
        .collect();
    assert!(asked.windows(2).all(|pair| pair[0] != pair[1]));
    // The first is new, the second is kept, the others are by then known.
    let figures = ["hits_total", "misses_total"].map(|name| service.figure(&format!("dedz_lowered_{name}")));
    assert_eq!(figures, [3.0, 2.0]);
    assert!(service.figure("dedz_lowered_bytes") > 0.0);
}
