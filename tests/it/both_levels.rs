//! Both levels of network: a layered net and its neuron-by-neuron spelling are one function, so loss, outputs and gradients agree;
//! and so do mixtures of the two, skip edges, and shared weights.

use dedz::analysis::{Form, GRADIENTS, Request, prepare};
use dedz::config::Limits;
use serde_json::{Map, Value, json};

/// Steele, Lea, Flood 2014: a stream of numbers from a seed.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// From -1 to 1.
    fn number(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    fn matrix(&mut self, rows: usize, columns: usize) -> Vec<Vec<f64>> {
        (0..rows).map(|_| (0..columns).map(|_| self.number()).collect()).collect()
    }

    fn of<'w>(&mut self, words: &[&'w str]) -> &'w str {
        words[self.below(words.len())]
    }
}

/// One layer of a random net: `activation(W x + b)`.
struct Layer {
    weight: Vec<Vec<f64>>,
    bias: Option<Vec<f64>>,
    activation: Option<&'static str>,
}

/// A random net, a minibatch and a loss.
struct Net {
    inputs: usize,
    layers: Vec<Layer>,
    batch: Value,
    loss: Map<String, Value>,
}

const ACTIVATIONS: &[&str] = &["tanh", "sigmoid", "relu", "gelu", "silu", "softplus", "elu", "sin", "leaky_relu", "selu"];

impl Net {
    fn random(seed: u64) -> Self {
        let r = &mut SplitMix(seed);
        let samples = 1 + r.below(6);
        let depth = 1 + r.below(4);
        let sizes: Vec<_> = (0..=depth).map(|_| 1 + r.below(6)).collect();
        let layer = |pair: &[usize], r: &mut SplitMix| Layer {
            weight: r.matrix(pair[1], pair[0]),
            bias: (r.below(4) > 0).then(|| r.matrix(1, pair[1]).swap_remove(0)),
            activation: (r.below(5) > 0).then(|| r.of(ACTIVATIONS)),
        };
        let layers: Vec<_> = sizes.windows(2).map(|pair| layer(pair, r)).collect();
        let outputs = sizes[depth];
        let op = r.of(&["cross_entropy", "squared_error", "mse", "l1", "smooth_l1", "huber", "bce_with_logits", "sum"]);
        let mut batch = json!({"inputs": {"x": r.matrix(samples, sizes[0])}});
        match op {
            "sum" => {}
            "cross_entropy" => batch["targets"] = json!((0..samples).map(|_| r.below(outputs)).collect::<Vec<_>>()),
            _ => batch["targets"] = json!(r.matrix(samples, outputs)),
        }
        if r.below(3) == 0 {
            batch["weights"] = json!((0..samples).map(|_| r.number().abs() + 0.1).collect::<Vec<_>>());
        }
        let loss = json!({"op": op, "reduction": r.of(&["sum", "mean"])});
        Self { inputs: sizes[0], layers, batch, loss: loss.as_object().expect("an object").clone() }
    }

    /// The names of the values that enter layer `k`, one number each, where it is spelled in neurons.
    fn entering(&self, k: usize) -> Vec<String> {
        match k {
            0 => (0..self.inputs).map(|i| format!("x_{i}")).collect(),
            _ => (0..self.layers[k - 1].weight.len()).map(|i| format!("l{}_{i}", k - 1)).collect(),
        }
    }

    /// The request, with those layers spelled as neurons that `as_neurons` says; ids of layers are `l0`, `l1`, ….
    fn request(&self, as_neurons: impl Fn(usize) -> bool) -> Value {
        let (mut nodes, mut parameters) = (Vec::new(), Map::new());
        // Each value exists as a vector, as single numbers, or as both.
        let split = |nodes: &mut Vec<Value>, vector: &str, names: &[String]| {
            for (index, name) in names.iter().enumerate() {
                nodes.push(json!({"id": name, "op": "select", "inputs": [vector], "index": index}));
            }
        };
        let mut in_numbers = false;
        let mut vector = "x".to_owned();
        for (k, layer) in self.layers.iter().enumerate() {
            let names = self.entering(k);
            let id = format!("l{k}");
            if as_neurons(k) {
                if !in_numbers {
                    split(&mut nodes, &vector, &names);
                }
                for (i, row) in layer.weight.iter().enumerate() {
                    let inputs: Map<_, _> = names.iter().cloned().zip(row.iter().map(|w| json!(w))).collect();
                    let mut node = json!({"id": format!("{id}_{i}"), "op": "neuron", "inputs": inputs});
                    if let Some(bias) = &layer.bias {
                        node["bias"] = json!(bias[i]);
                    }
                    if let Some(activation) = layer.activation {
                        node["activation"] = json!(activation);
                    }
                    nodes.push(node);
                }
                in_numbers = true;
            } else {
                if in_numbers {
                    nodes.push(json!({"id": format!("{id}_in"), "op": "stack", "inputs": names}));
                    vector = format!("{id}_in");
                }
                let mut node = json!({"id": id, "op": "linear", "inputs": [vector], "out_features": layer.weight.len()});
                parameters.insert(format!("{id}.weight"), json!(layer.weight));
                match &layer.bias {
                    Some(bias) => drop(parameters.insert(format!("{id}.bias"), json!(bias))),
                    None => node["bias"] = json!(false),
                }
                if let Some(activation) = layer.activation {
                    node["activation"] = json!(activation);
                }
                nodes.push(node);
                (in_numbers, vector) = (false, id);
            }
        }
        let mut loss = self.loss.clone();
        loss.insert("of".to_owned(), if in_numbers { json!(self.entering(self.layers.len())) } else { json!(vector) });
        json!({
            "network": {"inputs": {"x": [self.inputs]}, "nodes": nodes},
            "parameters": parameters,
            "batch": self.batch,
            "loss": loss,
            "options": {"wrt": ["*", "inputs"]},
        })
    }
}

fn answer(request: &Value) -> Value {
    let body = request.to_string();
    let reply = prepare(&GRADIENTS, Request { problem: body.as_bytes(), ..Request::default() }, Form::Json, &Limits::default())
        .and_then(|ready| ready.run(&|| Ok(())));
    match reply {
        Ok(reply) => serde_json::from_slice(&reply.body).expect("replies are JSON"),
        Err(failure) => panic!("{failure:?} of {body}"),
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))],
    }
}

/// Equal to 1e-12, relative to the largest magnitude of the two.
fn assert_close(a: &[f64], b: &[f64], what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    let scale = a.iter().chain(b).fold(0.0_f64, |scale, x| scale.max(x.abs()));
    for (x, y) in a.iter().zip(b) {
        assert!((x - y).abs() <= 1e-12 * scale, "{what}: {x} and {y}");
    }
}

/// The gradient of layer `k`'s weights and bias, row by row, from either spelling.
fn layer_gradient(net: &Net, reply: &Value, k: usize, as_neurons: bool) -> Vec<f64> {
    let (layer, gradients) = (&net.layers[k], &reply["gradients"]);
    let mut all = Vec::new();
    for i in 0..layer.weight.len() {
        if as_neurons {
            let edges = net.entering(k).into_iter().map(|source| format!("{source}->l{k}_{i}"));
            all.extend(edges.map(|edge| gradients[&edge].as_f64().unwrap_or_else(|| panic!("{edge} has no gradient"))));
        } else {
            all.extend(numbers(&gradients[format!("l{k}.weight")][i]));
        }
    }
    for i in (0..layer.weight.len()).filter(|_| layer.bias.is_some()) {
        all.extend(numbers(if as_neurons { &gradients[format!("l{k}_{i}.bias")] } else { &gradients[format!("l{k}.bias")][i] }));
    }
    all
}

/// The outputs as columns, from either spelling.
fn outputs(net: &Net, reply: &Value, as_neurons: bool) -> Vec<f64> {
    let last = net.layers.len();
    if !as_neurons {
        return numbers(&reply["outputs"][format!("l{}", last - 1)]);
    }
    let columns: Vec<_> = net.entering(last).iter().map(|name| numbers(&reply["outputs"][name])).collect();
    (0..columns[0].len()).flat_map(|sample| columns.iter().map(move |column| column[sample])).collect()
}

fn compare(net: &Net, seed: u64, as_neurons: impl Fn(usize) -> bool) {
    let (layered, other) = (answer(&net.request(|_| false)), answer(&net.request(&as_neurons)));
    let last = net.layers.len() - 1;
    for place in ["loss", "losses"] {
        assert_close(&numbers(&layered[place]), &numbers(&other[place]), &format!("{place} of net {seed}"));
    }
    let place = format!("outputs of net {seed}");
    assert_close(&outputs(net, &layered, false), &outputs(net, &other, as_neurons(last)), &place);
    for k in 0..=last {
        let place = format!("gradient of layer {k} of net {seed}");
        assert_close(&layer_gradient(net, &layered, k, false), &layer_gradient(net, &other, k, as_neurons(k)), &place);
    }
    let place = format!("input gradient of net {seed}");
    assert_close(&numbers(&layered["input_gradients"]["x"]), &numbers(&other["input_gradients"]["x"]), &place);
}

#[test]
fn layers_and_neurons_agree() {
    for seed in 0..200 {
        compare(&Net::random(seed), seed, |_| true);
    }
}

#[test]
fn mixtures_agree() {
    for seed in 200..400 {
        let pattern = SplitMix(!seed).next();
        compare(&Net::random(seed), seed, |k| pattern >> k & 1 == 1);
    }
}

/// `y = tanh(W x) + x` and its neurons, whose skip edges are weights of one.
#[test]
fn skip_edges_agree() {
    for seed in 400..430 {
        let r = &mut SplitMix(seed);
        let (width, samples) = (1 + r.below(5), 1 + r.below(6));
        let (weight, x, targets) = (r.matrix(width, width), r.matrix(samples, width), r.matrix(samples, width));
        let layered = answer(&json!({
            "network": {"inputs": {"x": [width]}, "nodes": [
                {"id": "h", "op": "linear", "inputs": ["x"], "weight": weight, "bias": false, "activation": "tanh"},
                {"id": "y", "op": "add", "inputs": ["h", "x"]}
            ]},
            "batch": {"inputs": x, "targets": targets},
            "loss": {"op": "squared_error", "of": "y", "factor": 0.5},
        }));
        let xs: Vec<_> = (0..width).map(|i| format!("x{i}")).collect();
        let hidden = (0..width).map(|i| {
            let inputs: Map<_, _> = xs.iter().cloned().zip(weight[i].iter().map(|w| json!(w))).collect();
            json!({"id": format!("h{i}"), "op": "neuron", "inputs": inputs, "activation": "tanh"})
        });
        let top = (0..width)
            .map(|i| json!({"id": format!("y{i}"), "op": "neuron", "inputs": {format!("h{i}"): 1, format!("x{i}"): 1}}));
        let single = answer(&json!({
            "network": {"inputs": xs, "nodes": top.chain(hidden).collect::<Vec<_>>()},
            "batch": {"inputs": if width == 1 { json!({"x0": x.iter().map(|row| row[0]).collect::<Vec<_>>()}) } else { json!(x) }, "targets": targets},
            "loss": {"op": "squared_error", "of": (0..width).map(|i| format!("y{i}")).collect::<Vec<_>>(), "factor": 0.5},
        }));
        assert_close(&numbers(&layered["loss"]), &numbers(&single["loss"]), &format!("loss of net {seed}"));
        let edges = (0..width).flat_map(|i| xs.iter().map(move |x| format!("{x}->h{i}")));
        let gradients: Vec<_> = edges.map(|edge| single["gradients"][edge].as_f64().expect("an edge has a gradient")).collect();
        assert_close(&numbers(&layered["gradients"]["h.weight"]), &gradients, &format!("gradient of net {seed}"));
    }
}

/// A parameter that several places share has the sum of the gradients that copies of it would have.
#[test]
fn a_shared_weight_has_the_sum_of_its_copies_gradients() {
    let layer =
        |id: &str, input: &str| json!({"id": id, "op": "linear", "inputs": [input], "out_features": 3, "activation": "tanh"});
    for seed in 430..460 {
        let r = &mut SplitMix(seed);
        let (weight, bias, x, w) = (r.matrix(3, 3), r.matrix(1, 3).swap_remove(0), r.matrix(2, 3), r.number());
        let neuron = |id: &str, input: &str, weight: &Value| json!({"id": id, "op": "neuron", "inputs": {input: weight}, "activation": "sigmoid"});
        let problem = |share: bool| {
            let mut nodes =
                vec![layer("a", "x"), layer("b", "a"), layer("c", "b"), json!({"id": "s", "op": "sum", "inputs": ["c"]})];
            let mut parameters = Map::new();
            for node in &mut nodes[..3] {
                let id = node["id"].as_str().expect("an id").to_owned();
                if share {
                    (node["weight"], node["bias"]) = (json!("W"), json!("v"));
                } else {
                    parameters.insert(format!("{id}.weight"), json!(weight));
                    parameters.insert(format!("{id}.bias"), json!(bias));
                }
            }
            let edge = if share { json!("w") } else { json!(w) };
            nodes.extend([neuron("p", "s", &edge), neuron("q", "p", &edge)]);
            if share {
                parameters = json!({"W": weight, "v": bias, "w": w}).as_object().expect("an object").clone();
            }
            json!({
                "network": {"inputs": {"x": [3]}, "nodes": nodes},
                "parameters": parameters,
                "batch": {"inputs": x},
                "loss": {"op": "sum", "of": "q"},
            })
        };
        let (shared, copies) = (answer(&problem(true)), answer(&problem(false)));
        assert_close(&numbers(&shared["loss"]), &numbers(&copies["loss"]), "loss");
        for (name, parts) in
            [("W", &["a.weight", "b.weight", "c.weight"][..]), ("v", &["a.bias", "b.bias", "c.bias"]), ("w", &["s->p", "p->q"])]
        {
            let mut sum = vec![0.0; numbers(&shared["gradients"][name]).len()];
            for part in parts {
                sum.iter_mut().zip(numbers(&copies["gradients"][part])).for_each(|(sum, g)| *sum += g);
            }
            assert_close(&numbers(&shared["gradients"][name]), &sum, &format!("{name} of net {seed}"));
        }
    }
}
