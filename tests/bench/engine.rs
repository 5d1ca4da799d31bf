//! The engine alone, forward and backward on one thread, beside PyTorch eager in the same run: both sides alternate, medians.
//!
//! `PYTHON=python3 cargo bench --bench engine [-- CASE …]` (PyTorch's side: `tests/bench/peers/engine_torch.py`).
//!
//! To add a case: a row in [`CASES`], and a function of the same name on PyTorch's side; both tell how many parameters they
//! have, and must agree.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64_simd::STANDARD;
use dedz::analysis::{Form, GRADIENTS, prepare};
use dedz::config::{Admission, Limits};
use dedz::graph::{NodeId, Plan};
use dedz::lower::{Leaf, Lowered, Need, lower, random};
use dedz::ops::Scalar;
use dedz::pool::{Budget, Job, Parts, Pool};
use dedz::spec::fault::Faults;
use dedz::spec::{json, problem};
use dedz::tape::{Backprop, Tape};
use dedz::tensor::{Matrix, Tensor};

/// The allocator that the service has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is measured: a name that both sides know, the request without parameters, and the ratio of our time to PyTorch's that
/// is the goal.
struct Case {
    name: &'static str,
    request: fn() -> String,
    goal: f64,
    /// What PyTorch's time is multiplied with, where it runs a smaller cut.
    peer_scale: f64,
}

const CASES: &[Case] = &[
    Case { name: "lecture_b4", request: lecture, goal: 1.0 / 50.0, peer_scale: 1.0 },
    Case { name: "mlp_4_16_3_b32", request: || mlp(&[4, 16, 3], "tanh", 32), goal: 1.0, peer_scale: 1.0 },
    Case { name: "mlp_784_256_128_10_b32", request: || mlp(&[784, 256, 128, 10], "relu", 32), goal: 1.0, peer_scale: 1.0 },
    Case { name: "mlp_784_512_512_10_b256", request: || mlp(&[784, 512, 512, 10], "relu", 256), goal: 1.0, peer_scale: 1.0 },
    Case { name: "lenet5_b64", request: lenet5, goal: 1.0, peer_scale: 1.0 },
    Case { name: "transformer_l32_b16_ff2048", request: || transformer(2048), goal: 1.0, peer_scale: 1.0 },
    Case { name: "transformer_l32_b16_ff512", request: || transformer(512), goal: 1.0, peer_scale: 1.0 },
    Case { name: "lstm_32_64_t50_b32", request: lstm, goal: 1.0, peer_scale: 1.0 },
    // PyTorch needs seconds for 100,000 edges as scalars: it runs 2,000, and its time is scaled to as many.
    Case { name: "graph_2k_100k_b32", request: || graph(2_000, 50, 32), goal: 1.0 / 50.0, peer_scale: 50.0 },
];

fn main() {
    let chosen: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|part| name.contains(part.as_str()));
    let cases: Vec<_> = CASES.iter().filter(|case| wanted(case.name)).collect();
    if !cases.is_empty() {
        against_peers(&cases);
    }
    if wanted("wide") {
        wide::<f64>("f64");
        wide::<f32>("f32");
    }
    if wanted("edges") {
        edges();
    }
    if wanted("threads") {
        threads();
    }
}

/// Time cases on both sides. PyTorch's has ended when this returns: while it starts it takes a processor from what runs beside it.
fn against_peers(cases: &[&Case]) {
    let mut peer = Peer::start();
    println!("{:<28}{:>6}{:>12}{:>12}{:>9}{:>9}  verdict", "case", "dtype", "dedz ms", "torch ms", "ratio", "goal");
    for case in cases {
        let lowered = lowered(&(case.request)());
        against_peer::<f64>(case, "f64", &lowered, &mut peer);
        against_peer::<f32>(case, "f32", &lowered, &mut peer);
    }
}

/// Time one case on both sides, by turns.
fn against_peer<S: Scalar>(case: &Case, dtype: &str, lowered: &Lowered, peer: &mut Peer) {
    const ROUNDS: usize = 9;
    let mut run = Run::<S>::new(lowered);
    let count = run.repeats(0.05);
    let (peer_parameters, first) = peer.run(case.name, dtype, 3);
    let peer_count = ((0.05 / first[2]) as usize).clamp(1, 400);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.extend((0..count).map(|_| run.time()));
        theirs.extend(peer.run(case.name, dtype, peer_count).1);
    }
    if case.peer_scale == 1.0 {
        let parameters: usize = lowered.parameters.iter().map(|parameter| parameter.shape.size()).sum();
        assert_eq!(parameters, peer_parameters, "parameters of {}", case.name);
    }
    let (ours, theirs) = (median(ours), median(theirs) * case.peer_scale);
    let ratio = ours / theirs;
    println!(
        "{:<28}{dtype:>6}{:>12.4}{:>12.4}{ratio:>9.3}{:>9.3}  {}",
        case.name,
        ours * 1e3,
        theirs * 1e3,
        case.goal,
        verdict(ratio <= case.goal)
    );
}

/// A 1024-wide network beside the matrix product's own peak, by turns.
fn wide<S: Scalar>(dtype: &str) {
    const SIZE: usize = 1024;
    const BATCH: usize = 1024;
    const ROUNDS: usize = 9;
    let lowered = lowered(&mlp(&[SIZE; 5], "relu", BATCH));
    let mut run = Run::<S>::new(&lowered);
    // Four layers, three products each but for the first, whose input needs no gradient.
    let flops = (4 * 3 - 1) as f64 * 2.0 * (BATCH * SIZE * SIZE) as f64;
    let fill = |salt: u64| -> Vec<S> { numbers(SIZE * SIZE, salt).map(S::from_f64).collect() };
    let (a, b, mut c) = (fill(1), fill(2), fill(3));
    let product = 2.0 * (SIZE * SIZE * SIZE) as f64;
    let (mut whole, mut peak) = (Vec::new(), Vec::new());
    run.time();
    for _ in 0..ROUNDS {
        whole.push(flops / run.time() / 1e9);
        for _ in 0..3 {
            let started = Instant::now();
            S::gemm(Matrix::new(&a, SIZE, SIZE), Matrix::new(&b, SIZE, SIZE), black_box(&mut c), false);
            peak.push(product / started.elapsed().as_secs_f64() / 1e9);
        }
    }
    let (whole, peak) = (median(whole), median(peak));
    let share = whole / peak;
    println!(
        "wide 1024, {dtype}: {whole:.1} GFLOP/s of {peak:.1} that the matrix product alone reaches: {:.0} %, goal 85 %: {}",
        share * 100.0,
        verdict(share >= 0.85)
    );
}

/// Random graphs of growing size: the time of an edge.
fn edges() {
    for (neurons, fan_in) in [(10, 10), (100, 10), (1_000, 10), (10_000, 10), (20_000, 50)] {
        let lowered = lowered(&graph(neurons, fan_in, 32));
        let mut run = Run::<f64>::new(&lowered);
        let count = run.repeats(0.2);
        let time = median((0..count).map(|_| run.time()).collect());
        let edges = neurons * fan_in;
        println!("edges {edges:>9}: {:>10.4} ms, {:>7.1} ns an edge", time * 1e3, time * 1e9 / edges as f64);
    }
}

/// One large job in a pool of one worker and of two, by turns: the time of its run, and whether the bytes are equal.
fn threads() {
    let batch = numbers(1024 * 784, 5).flat_map(f64::to_le_bytes).collect::<Vec<_>>();
    let tensor = format!("{{\"shape\": [1024, 784], \"dtype\": \"f64\", \"base64\": \"{}\"}}", STANDARD.encode_to_string(batch));
    let request = mlp(&[784, 1024, 1024, 10], "relu", 1024);
    let (before, rest) = request.split_once("\"inputs\": {\"shape\"").expect("a batch");
    let (_, after) = rest.split_once("}, \"targets\"").expect("targets");
    let request = format!("{before}\"inputs\": {tensor}, \"targets\"{after}");
    let options = r#""options": {"trace": false, "encoding": "base64"}, "loss""#;
    let request = with_parameters(&request).replacen("\"loss\"", options, 1);
    let pools = [1, 2].map(|workers| Pool::start(workers, &Admission::default(), Limits::default(), Arc::new(prepare)));
    let run = |pool: &Pool| {
        let parts = Parts { problem: request.clone().into(), ..Parts::default() };
        let (deadline, hold) = (Instant::now() + Duration::from_secs(60), Budget::new(1 << 30).hold());
        let job = Job { question: &GRADIENTS, form: Form::Json, parts, deadline, hold, listener: None };
        let answer = pool.submit(job).expect("there is room").blocking_recv().expect("an answer");
        (answer.times.run.as_secs_f64(), answer.outcome.expect("a reply").body)
    };
    let mut times = [Vec::new(), Vec::new()];
    let (_, body) = run(&pools[0]);
    for _ in 0..9 {
        for (pool, times) in pools.iter().zip(&mut times) {
            let (time, reply) = run(pool);
            assert!(reply == body, "the bytes depend on the number of workers");
            times.push(time);
        }
    }
    let [one, two] = times.map(median);
    let gain = one / two;
    println!(
        "threads, 784-1024-1024-10 b1024 f64: {:.1} ms by one worker, {:.1} ms by two, same bytes: {gain:.2} times, goal 1.8: {}",
        one * 1e3,
        two * 1e3,
        verdict(gain >= 1.8)
    );
}

/// A lowered problem with its leaves made, to be swept over and over.
struct Run<'l, S> {
    lowered: &'l Lowered,
    plan: Plan,
    /// By their nodes' places.
    leaves: Vec<Option<Tensor<S>>>,
}

impl<'l, S: Scalar> Run<'l, S> {
    fn new(lowered: &'l Lowered) -> Self {
        let objective = [lowered.objective.as_ref().expect("a loss").losses];
        let parameters: Vec<_> = lowered.parameters.iter().map(|parameter| parameter.leaf).collect();
        let plan = Plan::new(&lowered.graph, &[], &objective, &parameters);
        let mut leaves = vec![None; lowered.graph.nodes().len()];
        for (id, leaf) in &lowered.leaves {
            let shape = lowered.graph.shape(*id);
            let data = match leaf {
                Leaf::Values(data) => data.clone(),
                Leaf::Init(init, name) => random::initialise(init, shape, name).expect("a right initialiser").into(),
                _ => panic!("benchmarks have no other leaves"),
            };
            leaves[id.index()] = Some(Tensor::shared(shape, S::from_doubles(&data)));
        }
        Self { lowered, plan, leaves }
    }

    /// Seconds of one forward and one backward sweep.
    fn time(&mut self) -> f64 {
        let started = Instant::now();
        let objective = self.lowered.objective.as_ref().expect("a loss");
        let on = || Ok::<_, ()>(());
        let leaf = |id: NodeId| self.leaves[id.index()].clone().expect("every leaf is listed");
        let tape = Tape::forward(&self.lowered.graph, &self.plan, leaf, on).expect("nothing stops it");
        let shape = self.lowered.graph.shape(objective.losses);
        let seed = Tensor::new(shape, objective.factors.iter().map(|&factor| S::from_f64(factor)).collect());
        let sweep = tape.backward([(objective.losses, seed)], &Backprop, on).expect("nothing stops it");
        black_box(&sweep);
        drop((sweep, tape));
        started.elapsed().as_secs_f64()
    }

    /// How many runs take about so many seconds.
    fn repeats(&mut self, seconds: f64) -> usize {
        let warm = (0..3).map(|_| self.time()).fold(f64::INFINITY, f64::min);
        ((seconds / warm) as usize).clamp(1, 20_000)
    }
}

fn read(text: &str, need: Need) -> Lowered {
    let limits = Limits { edges: 4_000_000, body_bytes: 1 << 30, ..Limits::default() };
    let mut faults = Faults::new(10);
    let json = json::parse(text.as_bytes(), &limits).expect("it is JSON");
    let lowered = lower(problem::decode(json, &limits, &[], &mut faults), need, &limits, &mut faults);
    assert!(faults.is_empty(), "{faults:?}");
    lowered.expect("a right problem")
}

/// Read and lower a request; every parameter that it leaves open is drawn.
fn lowered(request: &str) -> Lowered {
    read(&with_parameters(request), Need::Loss)
}

/// A request with initialisers for all parameters that it leaves open.
fn with_parameters(request: &str) -> String {
    let open = read(&request.replace("PARAMETERS", ""), Need::Shapes);
    let shared: Vec<_> = open.parameters.iter().filter(|parameter| parameter.element.is_none()).collect();
    let draw = |name: &str| format!("\"{name}\": {{\"init\": \"uniform\", \"seed\": 7, \"a\": -0.05, \"b\": 0.05}}");
    let drawn: Vec<_> = shared.iter().map(|parameter| draw(&parameter.name)).collect();
    let parameters = if drawn.is_empty() { String::new() } else { format!("\"parameters\": {{{}}},", drawn.join(",")) };
    request.replace("PARAMETERS", &parameters)
}

fn lecture() -> String {
    let text = include_str!("../../openapi/examples/lecture.json");
    let batch = r#""batch": {"inputs": [[1.0, 0.5], [-0.5, 1.5], [0.25, -1.0], [0.75, 0.5]], "targets": [0, 1, 2, 0]}"#;
    let (before, rest) = text.split_once("\"batch\"").expect("it has a batch");
    let (_, after) = rest.split_once("},\n").expect("members stand in lines");
    format!("{before}{batch},\n{after}")
}

/// Fully connected layers with an activation between them, a batch, and cross-entropy.
fn mlp(sizes: &[usize], activation: &str, batch: usize) -> String {
    let last = sizes.len() - 2;
    let layer = |(i, size): (usize, &[usize])| {
        let activation = if i < last { format!(", \"activation\": \"{activation}\"") } else { String::new() };
        let id = if i < last { format!("fc{i}") } else { "out".to_owned() };
        format!("{{\"id\": \"{id}\", \"op\": \"linear\", \"out_features\": {}{activation}}}", size[1])
    };
    let layers: Vec<_> = sizes.windows(2).enumerate().map(layer).collect();
    classifier(&format!("[{}]", sizes[0]), &layers.join(","), batch, sizes[0], sizes[last + 1])
}

fn lenet5() -> String {
    let layers = r#"
        {"op": "conv2d", "out_channels": 6, "kernel_size": 5, "padding": 2, "activation": "tanh"},
        {"op": "avg_pool2d", "kernel_size": 2},
        {"op": "conv2d", "out_channels": 16, "kernel_size": 5, "activation": "tanh"},
        {"op": "avg_pool2d", "kernel_size": 2}, {"op": "flatten"},
        {"op": "linear", "out_features": 120, "activation": "tanh"},
        {"op": "linear", "out_features": 84, "activation": "tanh"},
        {"id": "out", "op": "linear", "out_features": 10}"#;
    classifier("[1, 28, 28]", layers, 64, 784, 10)
}

/// One encoder layer over 16 sequences of 32 steps of 128 features, 4 heads; the mean over steps is classified. PyTorch's default
/// is a feed-forward part of 2048.
fn transformer(feed_forward: usize) -> String {
    let layers = format!(
        r#"{{"op": "transformer_encoder_layer", "nhead": 4, "dim_feedforward": {feed_forward}, "dropout": 0}},
           {{"id": "out", "op": "mean", "dim": 1}}"#
    );
    classifier("[32, 128]", &layers, 16, 32 * 128, 128)
}

/// 32 sequences of 50 steps of 32 features, 64 hidden; the mean over steps is classified.
fn lstm() -> String {
    let layers = r#"{"op": "lstm", "hidden_size": 64}, {"id": "out", "op": "mean", "dim": 1}"#;
    classifier("[50, 32]", layers, 32, 50 * 32, 64)
}

/// Layers, the last called "out", over an input of a shape; numbers for it, and cross-entropy over classes.
fn classifier(shape: &str, layers: &str, batch: usize, features: usize, classes: usize) -> String {
    let inputs = tensor(shape, batch, numbers(batch * features, 5));
    let targets: Vec<_> = (0..batch).map(|n| (n % classes).to_string()).collect();
    format!(
        r#"{{"network": {{"inputs": {{"x": {shape}}}, "layers": [{layers}]}}, PARAMETERS
            "batch": {{"inputs": {inputs}, "targets": [{}]}}, "loss": {{"op": "cross_entropy", "of": "out"}}}}"#,
        targets.join(",")
    )
}

/// A random graph of neurons, each with `fan_in` inputs among all that come before it; tanh everywhere. As many inputs as a
/// neuron has, so that the first one finds enough.
fn graph(neurons: usize, fan_in: usize, batch: usize) -> String {
    let mut random = numbers(neurons * fan_in * 2, 9).map(|x| x + 0.5);
    let mut next = move || random.next().expect("two numbers an edge");
    let name = |i: usize| if i < fan_in { format!("x{i}") } else { format!("z{}", i - fan_in) };
    let mut nodes = String::new();
    for neuron in 0..neurons {
        let _ = write!(nodes, "{}{{\"id\": \"z{neuron}\", \"op\": \"neuron\", \"inputs\": {{", if neuron > 0 { "," } else { "" });
        let mut sources = std::collections::BTreeSet::new();
        while sources.len() < fan_in {
            // Distinct sources: the next free one after a random place.
            let mut source = (next() * (neuron + fan_in) as f64) as usize;
            while !sources.insert(source) {
                source = (source + 1) % (neuron + fan_in);
            }
        }
        for (i, source) in sources.into_iter().enumerate() {
            let _ = write!(nodes, "{}\"{}\": {}", if i > 0 { "," } else { "" }, name(source), (next() - 0.5) * 0.2);
        }
        nodes.push_str("}, \"activation\": \"tanh\"}");
    }
    let inputs: Vec<_> = (0..fan_in).map(|i| format!("\"x{i}\"")).collect();
    format!(
        r#"{{"network": {{"inputs": [{}], "nodes": [{nodes}]}}, PARAMETERS "batch": {{"inputs": {}}},
            "loss": {{"op": "sum", "of": "z{}"}}}}"#,
        inputs.join(","),
        tensor(&format!("[{fan_in}]"), batch, numbers(batch * fan_in, 3)),
        neurons - 1
    )
}

/// A batch of tensors, flat.
fn tensor(shape: &str, batch: usize, data: impl Iterator<Item = f64>) -> String {
    let data: Vec<_> = data.map(|x| x.to_string()).collect();
    format!("{{\"shape\": [{batch},{}, \"data\": [{}]}}", &shape[1..], data.join(","))
}

/// A fixed sequence between -0.5 and 0.5.
fn numbers(count: usize, seed: u64) -> impl Iterator<Item = f64> {
    let mut state = 0x0139_408d_cbbf_7a44_u64 ^ (seed << 32);
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    })
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "missed" }
}

/// PyTorch in a process of its own, one thread, asked for so many runs of a case.
struct Peer {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start() -> Self {
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/peers/engine_torch.py");
        let spawned = Command::new(&python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{python} does not start: {error}; set PYTHON"));
        let (ask, answers) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Self { child, ask, answers: BufReader::new(answers) }
    }

    /// The number of parameters, and the seconds that each run took.
    fn run(&mut self, case: &str, dtype: &str, count: usize) -> (usize, Vec<f64>) {
        writeln!(self.ask, "{case} {dtype} {count}").expect("PyTorch's side listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("PyTorch's side answers");
        let mut words = line.split_whitespace();
        let parameters = words.next().and_then(|word| word.parse().ok()).expect("PyTorch's side answers: is torch installed?");
        (parameters, words.map(|word| word.parse().expect("a time")).collect())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
