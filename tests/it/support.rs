//! A service under test, on a port of its own: in this process, with the real analyses or with jobs that do what a test says; or
//! the binary, as its users start it. All end with their test.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::{env, fs};

use dedz::analysis::{self, Cost, Failure, Form, Guard, Prepared, Question, Reply, Request, Stop};
use dedz::config::{Admission, Config, Limits};
use dedz::http;
use dedz::pool::Prepare;
use reqwest::{Body, Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A service in this process.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<io::Result<()>>,
}

impl Service {
    /// As `dedz serve` would be, with two workers.
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    /// Configured; two workers if it does not say how many.
    pub(crate) async fn with(config: Config) -> Self {
        Self::answering(config, Arc::new(analysis::prepare)).await
    }

    /// With other analyses.
    pub(crate) async fn answering(mut config: Config, prepare: Arc<Prepare>) -> Self {
        config.workers = config.workers.or(std::num::NonZeroUsize::new(2));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it listens");
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            // A test that ends without a word ends the service too.
            let _ = stopped.await;
        };
        let serving = tokio::spawn(http::run_with(listener, config, prepare, shutdown));
        // A connection for each request: one that is kept may be closed by a draining service just when it is used again.
        let client = Client::builder().pool_max_idle_per_host(0).build().expect("a client");
        Self { address, client, stop: Some(stop), serving }
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    pub(crate) fn send(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub(crate) fn post(&self, path: &str, content_type: &str, body: impl Into<Body>) -> RequestBuilder {
        self.client.post(self.url(path)).header("content-type", content_type).body(body)
    }

    /// Post a problem as JSON.
    pub(crate) fn ask(&self, analysis: &str, problem: &Value) -> RequestBuilder {
        self.post(&format!("/v1/{analysis}"), "application/json", problem.to_string())
    }

    /// The reply to a problem, which must have one.
    pub(crate) async fn reply(&self, analysis: &str, problem: &Value) -> Value {
        let response = self.ask(analysis, problem).send().await.expect("the service answers");
        let status = response.status();
        let body: Value = response.json().await.expect("replies are JSON");
        assert_eq!(status, 200, "{body}");
        body
    }

    /// The value of a figure of `/metrics`, with its labels.
    pub(crate) async fn figure(&self, name: &str) -> Option<f64> {
        let text = self.get("/metrics").send().await.expect("an answer").text().await.expect("text");
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// Ask until a figure of `/metrics` is this. Where a test must know that the service has seen something, there is no
    /// other sign.
    pub(crate) async fn until(&self, name: &str, value: f64) {
        for _ in 0..20_000 {
            if self.figure(name).await == Some(value) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{name} never was {value}");
    }

    /// Begin the shutdown, as SIGTERM would.
    pub(crate) fn stop(&mut self) {
        let stop = self.stop.take().expect("it is stopped once");
        stop.send(()).expect("it was running");
    }

    /// Wait for its end.
    pub(crate) async fn ended(self) {
        self.serving.await.expect("it does not panic").expect("it ends well");
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A header's value; empty where it is absent.
pub(crate) fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map_or("", |value| value.to_str().expect("headers are text")).to_owned()
}

/// The problem document of a response, after a look at what every problem document must be.
pub(crate) async fn problem(response: Response, status: u16, kind: &str) -> Value {
    let (found, media_type, id) = (response.status(), header(&response, "content-type"), header(&response, "x-request-id"));
    let length = response.content_length();
    let text = response.text().await.expect("a body");
    assert_eq!(found, status, "{text}");
    assert_eq!(media_type, "application/problem+json", "{text}");
    assert_eq!(length, Some(text.len() as u64));
    let document: Value = serde_json::from_str(&text).expect("problem documents are JSON");
    assert_eq!(document["type"], format!("/problems/{kind}"), "{text}");
    assert_eq!(document["status"], json!(status));
    assert_eq!(document["instance"], json!(id));
    for words in ["title", "detail"] {
        assert!(document[words].as_str().is_some_and(|words| !words.is_empty()), "{text}");
    }
    document
}

/// The examples, name and text: all files of `openapi/examples`, in order.
pub(crate) fn examples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/examples");
    let entries = fs::read_dir(folder).expect("the folder of examples");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a directory entry").path()).collect();
    // A folder holds the examples of one analysis.
    paths.retain(|path| path.is_file());
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        (name, fs::read_to_string(path).expect("examples are text"))
    };
    paths.into_iter().map(read).collect()
}

/// One of [`examples`], to be changed.
pub(crate) fn example(name: &str) -> Value {
    let (_, text) = examples().into_iter().find(|(known, _)| known == name).expect("an example of this name");
    serde_json::from_str(&text).expect("examples are JSON")
}

type Script = Box<dyn FnOnce(Guard<'_>) -> Result<Reply, Failure> + Send>;

/// A service whose jobs do what a test says: the body of a request is the number of its script.
pub(crate) struct Stage {
    pub(crate) service: Service,
    scripts: Arc<Mutex<Vec<Option<(u64, Script)>>>>,
}

/// A price above which a job of a [`Stage`] goes to the long lane.
pub(crate) const LONG: u64 = 1_000;

struct Scripted(u64, Script);

impl Prepared for Scripted {
    fn cost(&self) -> Cost {
        Cost { flops: self.0, bytes: 0 }
    }

    fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure> {
        (self.1)(guard)
    }
}

impl Stage {
    /// So many workers, and these bounds; nothing is answered without a worker.
    pub(crate) async fn start(workers: usize, admission: Admission) -> Self {
        Self::with(workers, Admission { tiny_bytes: 0, ..admission }, Limits::default()).await
    }

    pub(crate) async fn with(workers: usize, admission: Admission, limits: Limits) -> Self {
        let scripts: Arc<Mutex<Vec<Option<(u64, Script)>>>> = Arc::default();
        let acts = Arc::clone(&scripts);
        let prepare = move |_: Question, request: Request<'_>, _: Form, _: &Limits| {
            let number = std::str::from_utf8(request.problem).ok().and_then(|text| text.trim().parse::<usize>().ok());
            let number = number.expect("the body is the number of a script");
            let (flops, script) = acts.lock().expect("no test panics here")[number].take().expect("a script is run once");
            Ok(Box::new(Scripted(flops, script)) as Box<dyn Prepared>)
        };
        let admission = Admission { short_flops: LONG - 1, ..admission };
        let config = Config { workers: std::num::NonZeroUsize::new(workers), limits, admission, ..Config::default() };
        Self { service: Service::answering(config, Arc::new(prepare)).await, scripts }
    }

    /// A request whose job costs `flops` and does `script`.
    pub(crate) fn request(
        &self,
        flops: u64,
        script: impl FnOnce(Guard<'_>) -> Result<Reply, Failure> + Send + 'static,
    ) -> RequestBuilder {
        let mut scripts = self.scripts.lock().expect("no script panics here");
        scripts.push(Some((flops, Box::new(script))));
        self.service.post("/v1/forward", "application/json", (scripts.len() - 1).to_string())
    }

    /// A request that is answered with this text.
    pub(crate) fn answering(&self, flops: u64, text: &'static str) -> RequestBuilder {
        self.request(flops, move |_| Ok(reply(text)))
    }

    /// A request whose job says when it begins and ends, with the text "released", when told to, deaf to deadlines meanwhile.
    pub(crate) fn blocking(&self, flops: u64) -> (RequestBuilder, oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (begin, begun) = oneshot::channel();
        let (release, released) = oneshot::channel::<()>();
        let request = self.request(flops, move |_| {
            let _ = begin.send(());
            let _ = released.blocking_recv();
            Ok(reply("released"))
        });
        (request, begun, release)
    }

    /// A request whose job says when it begins, goes on until it is stopped, and says why.
    pub(crate) fn endless(&self) -> (RequestBuilder, oneshot::Receiver<()>, oneshot::Receiver<Stop>) {
        let (begin, begun) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let request = self.request(1, move |guard| {
            let _ = begin.send(());
            loop {
                if let Err(why) = guard() {
                    let _ = stop.send(why);
                    return Err(Failure::Stopped(why));
                }
                std::thread::yield_now();
            }
        });
        (request, begun, stopped)
    }
}

fn reply(text: &str) -> Reply {
    Reply { content_type: "text/plain", body: text.into() }
}

/// Send a request without waiting for its answer.
pub(crate) fn sent(request: RequestBuilder) -> JoinHandle<reqwest::Result<Response>> {
    tokio::spawn(request.send())
}

/// The status and the text of what [`sent`] got.
pub(crate) async fn got(sent: JoinHandle<reqwest::Result<Response>>) -> (u16, String) {
    let response = sent.await.expect("the task ends").expect("the service answers");
    (response.status().as_u16(), response.text().await.expect("a body"))
}

/// `dedz` with these arguments, without what the caller's environment says of it.
pub(crate) fn dedz(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dedz"));
    command.args(arguments);
    without_settings(&mut command);
    command
}

/// Take what the environment says of dedz, and of colours, from a command.
pub(crate) fn without_settings(command: &mut Command) {
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DEDZ_")) {
        command.env_remove(name);
    }
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
}

/// `dedz serve`, in a process of its own.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Served {
    /// On a free port, which its log names.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = dedz(&["serve", "--addr", "127.0.0.1:0"]);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the service starts");
        let mut log = BufReader::new(child.stderr.take().expect("it was piped")).lines();
        let address = log.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("127.0.0.1:")?;
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            Some(format!("127.0.0.1:{port}"))
        });
        // Its log is read to the end, so that it never waits for a reader.
        std::thread::spawn(move || log.map_while(Result::ok).for_each(drop));
        Self { child, address: address.expect("the service logs its address") }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // A failure to end it is a failure to find it, and the test's verdict stands.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
