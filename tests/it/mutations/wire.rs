//! An exercise as the service is asked about it.

use serde_json::{Map, Value, json};

use super::exercise::{Activation, Exercise, Kind, Loss, Node, Op};

impl Exercise {
    /// The problem, `{"network", "parameters", "batch", "loss", …}`.
    pub(super) fn problem(&self) -> Value {
        let inputs = self.nodes.iter().filter(|node| node.op == Op::Input);
        let scalar = self.nodes.iter().any(|node| node.op == Op::Neuron);
        let inputs: Value = if scalar {
            inputs.map(|node| json!(node.id)).collect()
        } else {
            Value::Object(inputs.map(|node| (node.id.clone(), json!([node.units.len()]))).collect())
        };
        let nodes: Vec<Value> = self.nodes.iter().filter(|node| node.op != Op::Input).map(|node| self.written(node)).collect();
        let list = if self.sequence { "layers" } else { "nodes" };
        let parameters: Map<String, Value> = self
            .parameters
            .iter()
            .map(|parameter| (parameter.name.clone(), nested(&self.theta[parameter.entries.clone()], &parameter.shape)))
            .collect();
        let mut problem = json!({
            "network": { "inputs": inputs, list: nodes },
            "parameters": parameters,
            "batch": { "inputs": self.inputs, "targets": self.written_targets() },
            "loss": self.written_loss(scalar),
        });
        if let Some(penalty) = self.penalty {
            let names: Vec<&str> = self
                .parameters
                .iter()
                .filter(|parameter| parameter.regularized)
                .map(|parameter| parameter.name.as_str())
                .collect();
            problem["regularization"] = json!([{ "l2": penalty.l2, "factor": penalty.factor, "parameters": names }]);
        }
        problem
    }

    fn parameter_of(&self, entry: usize) -> &str {
        let owner = self.parameters.iter().find(|parameter| parameter.entries.contains(&entry));
        &owner.expect("every entry has a parameter").name
    }

    fn written(&self, node: &Node) -> Value {
        let sources: Vec<&str> = node.sources.iter().map(|&source| self.id(source)).collect();
        let unit = &self.units[node.units.start];
        let (activation, op) = (unit.activation(), node.op);
        let mut written = match op {
            Op::Neuron => {
                let mut weights = Map::new();
                for term in unit.terms() {
                    let source = self.id(self.units[term.source].node);
                    let name = self.parameter_of(term.weight.expect("a neuron's edges have weights"));
                    let own = name == format!("{source}->{}", node.id);
                    weights.insert(source.to_owned(), if own { Value::Null } else { json!(name) });
                }
                json!({ "id": node.id, "op": "neuron", "inputs": weights })
            }
            Op::Linear => {
                let mut layer = json!({ "id": node.id, "op": "linear", "out_features": node.units.len() });
                let weight = self.parameter_of(unit.terms()[0].weight.expect("a layer has weights"));
                if weight != format!("{}.weight", node.id) {
                    layer["weight"] = json!(weight);
                }
                layer
            }
            Op::Add => json!({ "id": node.id, "op": "add" }),
            Op::Act => json!({ "id": node.id, "op": activation.name() }),
            Op::Softmax => json!({ "id": node.id, "op": "softmax" }),
            Op::Input => unreachable!("inputs are no nodes of the wire"),
        };
        if op != Op::Neuron && !self.sequence {
            written["inputs"] = json!(sources);
        }
        if matches!(op, Op::Neuron | Op::Linear) && activation != Activation::Identity {
            written["activation"] = json!(activation.name());
        }
        if let Kind::Affine { bias, .. } = unit.kind {
            match (op, bias) {
                (Op::Neuron, Some(entry)) => {
                    let name = self.parameter_of(entry);
                    let own = name == format!("{}.bias", node.id);
                    written["bias"] = if own { Value::Null } else { json!(name) };
                }
                (Op::Linear, None) => written["bias"] = json!(false),
                _ => {}
            }
        }
        written
    }

    fn written_targets(&self) -> Value {
        if self.loss.classes() {
            let class = |row: &Vec<f64>| row.iter().position(|&t| t == 1.0).expect("one-hot");
            return self.targets.iter().map(|row| json!(class(row))).collect();
        }
        json!(self.targets)
    }

    fn written_loss(&self, scalar: bool) -> Value {
        let mut nodes: Vec<&str> = self.outputs.iter().map(|&unit| self.id(self.units[unit].node)).collect();
        nodes.dedup();
        let of = if scalar { json!(nodes) } else { json!(nodes[0]) };
        let mut loss = match self.loss {
            Loss::SquaredError(factor) => json!({ "op": "squared_error", "factor": factor }),
            Loss::Mse => json!({ "op": "mse" }),
            Loss::CrossEntropy => json!({ "op": "cross_entropy" }),
            Loss::CrossEntropyOfProbabilities => json!({ "op": "cross_entropy", "from": "probabilities" }),
            Loss::Bce => json!({ "op": "bce" }),
            Loss::BceWithLogits => json!({ "op": "bce_with_logits" }),
        };
        loss["of"] = of;
        loss["reduction"] = json!(if self.mean { "mean" } else { "sum" });
        loss
    }
}

/// Numbers in row-major order as nested arrays of a shape.
pub(super) fn nested(data: &[f64], shape: &[usize]) -> Value {
    match shape {
        [] => json!(data[0]),
        [_] => json!(data),
        [first, rest @ ..] => data.chunks(data.len() / first).map(|part| nested(part, rest)).collect(),
    }
}
