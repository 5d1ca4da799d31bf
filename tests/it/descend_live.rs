//! The event stream of `descend` over a real socket: live, whole, and ended by either side.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dedz::config::{Config, Limits};
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Longer than any of this takes on the slowest machine.
const AGES: Duration = Duration::from_secs(60);

/// A service on a free port, which ends with it.
struct Service {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    fn start() -> Self {
        let (tell, told) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                tell.send(listener.local_addr().expect("an address")).expect("somebody waits");
                let shutdown = async {
                    let _ = stopped.await;
                };
                // A deadline would end what only the client's going may end.
                let limits = Limits { deadline_ms: 3_600_000, ..Limits::default() };
                dedz::http::run(listener, Config { limits, ..Config::default() }, shutdown).await.expect("it serves");
            });
        });
        Self { address: told.recv().expect("it starts"), stop: Some(stop), thread: Some(thread) }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn post(&self, accept: &str, content_type: &str, body: String) -> Response {
        let client = Client::builder().timeout(AGES).build().expect("a client");
        let request = client.post(format!("{}/v1/descend", self.url())).header("accept", accept);
        request.header("content-type", content_type).body(body).send().expect("an answer")
    }

    fn stream(&self, problem: &Value) -> Response {
        self.post("text/event-stream", "application/json", problem.to_string())
    }

    fn metric(&self, name: &str) -> u64 {
        let text = reqwest::blocking::get(format!("{}/metrics", self.url())).and_then(Response::text).expect("figures");
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(' ').next()).and_then(|figure| figure.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn mazur(descend: &Value) -> Value {
    let text = include_str!("../../openapi/examples/mazur.json");
    let mut problem: Value = serde_json::from_str(text).expect("JSON");
    problem["descend"] = descend.clone();
    problem
}

/// So many steps that they outlast the test, unless somebody stops them.
fn endless(report_every: u64) -> Value {
    mazur(&json!({"steps": 200_000_000, "report_every": report_every, "optimizer": {"op": "sgd", "lr": 0.5}}))
}

/// The events of a stream as names and data.
fn events(text: &str) -> Vec<(String, Value)> {
    let blocks = text.split("\n\n").filter(|block| !block.is_empty() && !block.starts_with(':'));
    let field = |block: &str, name: &str| {
        let value = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("no {name} in {block:?}")).to_owned()
    };
    blocks.map(|block| (field(block, "event"), serde_json::from_str(&field(block, "data")).expect("JSON"))).collect()
}

#[test]
fn a_stream_tells_every_step_and_ends_with_the_reply() {
    let service = Service::start();
    // A tiny one, which is answered where it arrives, and one that a worker computes.
    for steps in [3_u64, 20_000] {
        let problem = mazur(&json!({"steps": steps, "report_every": steps.div_ceil(5), "optimizer": {"op": "sgd", "lr": 0.5}}));
        let response = service.stream(&problem);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let events = events(&response.text().expect("text"));
        let (last, steps) = events.split_last().expect("events");
        let reply: Value = serde_json::from_str(
            &service.post("application/json", "application/json", problem.to_string()).text().expect("text"),
        )
        .expect("JSON");
        assert_eq!(last, &("done".to_owned(), reply.clone()), "what it ends with is the reply");
        let told: Vec<_> = steps.iter().map(|(name, data)| (name.as_str(), data["step"].clone(), data["loss"].clone())).collect();
        let expected: Vec<_> =
            (0..steps.len()).map(|i| ("step", reply["steps"][i].clone(), reply["losses"][i].clone())).collect();
        assert_eq!(told, expected);
        assert_eq!(json!(steps.len()), json!(reply["losses"].as_array().map(Vec::len)));
    }
}

#[test]
fn steps_arrive_while_it_runs_and_it_ends_when_the_client_goes() {
    let service = Service::start();
    let response = service.stream(&endless(1000));
    let mut lines = BufReader::new(response).lines();
    let first: Vec<String> = lines.by_ref().take(3 * 5).map(|line| line.expect("a line")).collect();
    assert_eq!(first[0], "event: step");
    assert!(first[1].starts_with("data: {\"step\":0,\"loss\":0.2983711087600027,"), "{}", first[1]);
    assert_eq!(service.metric("dedz_jobs_abandoned_total"), 0);
    drop(lines);
    let begun = Instant::now();
    while service.metric("dedz_jobs_abandoned_total") == 0 {
        assert!(begun.elapsed() < AGES, "the job goes on without its client");
    }
}

#[test]
fn a_client_that_goes_in_the_silence_between_two_steps_is_noticed() {
    let service = Service::start();
    let body = endless(100_000_000).to_string();
    let mut stream = TcpStream::connect(service.address).expect("a connection");
    let head = format!(
        "POST /v1/descend HTTP/1.1\r\nHost: dedz\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).expect("it is read");
    let mut some = [0; 64];
    let count = stream.read(&mut some).expect("a head comes with the first step");
    assert!(some[..count].starts_with(b"HTTP/1.1 200"));
    drop(stream);
    let begun = Instant::now();
    while service.metric("dedz_jobs_abandoned_total") == 0 {
        assert!(begun.elapsed() < AGES, "the job goes on without its client");
    }
}

#[test]
fn what_fails_before_it_begins_has_its_status_and_what_fails_later_is_an_event() {
    let service = Service::start();
    let refused = service.stream(&mazur(&json!({"steps": 0, "optimizer": {"op": "adma"}})));
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["content-type"]),
        (422, &"application/problem+json".parse().expect("a value"))
    );
    let problem: Value = serde_json::from_str(&refused.text().expect("text")).expect("JSON");
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(2), "{problem}");

    let client = Client::builder().timeout(AGES).build().expect("a client");
    let late = client.post(format!("{}/v1/descend", service.url())).header("accept", "text/event-stream");
    let late = late.header("content-type", "application/json").header("deadline-ms", "2000").body(endless(1_000_000).to_string());
    let late = late.header("x-request-id", "late-1").send().expect("an answer");
    assert_eq!(late.status(), 200);
    let events = events(&late.text().expect("text"));
    let (name, data) = events.last().expect("events");
    assert_eq!(
        (name.as_str(), &data["status"], &data["type"], &data["instance"]),
        ("error", &json!(504), &json!("/problems/deadline-exceeded"), &json!("late-1"))
    );
    assert!(events.len() >= 2 && events[0].0 == "step");
}

#[test]
fn lines_are_answered_in_order() {
    let service = Service::start();
    let line = |steps: i64| mazur(&json!({"steps": steps, "optimizer": {"op": "sgd", "lr": 0.5}})).to_string();
    let response = service.post("application/x-ndjson", "application/x-ndjson", [line(1), line(0), line(2)].join("\n"));
    let text = response.text().expect("text");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let statuses: Vec<_> = lines.iter().map(|line| line["status"].clone()).collect();
    assert_eq!(json!(statuses), json!([200, 422, 200]));
    assert_eq!(lines[2]["body"]["losses"].as_array().map(Vec::len), Some(2));
}

#[test]
fn the_command_follows_a_service_and_prints_what_it_would_compute() {
    let service = Service::start();
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dedz"));
        command.args(["descend", "openapi/examples/descend/mazur.json"]).args(more).current_dir(env!("CARGO_MANIFEST_DIR"));
        command.stdin(Stdio::null()).output().expect("the command ends")
    };
    let (here, there) = (run(&[]), run(&["--url", &service.url()]));
    assert!(here.status.success() && there.status.success(), "{there:?}");
    assert_eq!(here.stdout, there.stdout);
    assert_eq!((here.stderr.len(), there.stderr.len()), (0, 0), "quiet where nobody looks on");
}
