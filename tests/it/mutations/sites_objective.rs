//! Mistakes in the loss and its penalty, in derivatives and in signs.

use std::collections::HashSet;
use std::f64::consts::{LN_2, LN_10};

use serde_json::json;

use super::exercise::{Activation, Op};
use super::sites::Sites;
use super::slip::{Samples, Slip, Slope};

impl Sites<'_> {
    /// A factor in the gradients alone, and in the loss as well.
    fn scaled(&mut self, mistake: &'static str, by: f64) {
        self.add(mistake, &json!({}), Slip::Scale { gradients: by, loss: 1.0 });
        self.add(mistake, &json!({}), Slip::Scale { gradients: by, loss: by });
    }

    pub(super) fn of_the_objective(&mut self) {
        let (e, everywhere) = (self.e, json!({}));
        let (samples, elements, whole) = (e.samples() as f64, e.outputs.len() as f64, e.denominator());
        if whole > 1.0 {
            if e.mean {
                self.scaled("sum_instead_of_mean", whole);
            } else {
                self.scaled("mean_instead_of_sum", 1.0 / whole);
            }
        }
        if e.mean && samples > 1.0 {
            self.add("divided_twice", &everywhere, Slip::ScaleParameters(1.0 / samples));
            self.add("divided_twice", &everywhere, Slip::Scale { gradients: 1.0 / samples, loss: 1.0 });
        }
        if elements > 1.0 {
            match (e.mean, whole > samples) {
                (false, _) => self.scaled("mean_over_elements", 1.0 / elements),
                (true, false) => {
                    self.scaled("mean_over_elements", 1.0 / elements);
                    self.scaled("mean_over_elements", samples / elements);
                }
                // The mean is over elements already: over them alone.
                (true, true) => self.scaled("mean_over_elements", samples),
            }
        }
        if e.loss.squared() {
            self.scaled("loss_factor", 2.0);
            self.scaled("loss_factor", 0.5);
            self.add("output_delta_shortcut", &everywhere, Slip::Shortcut);
        } else {
            for by in [1.0 / LN_10, 1.0 / LN_2] {
                self.add("log_base", &everywhere, Slip::Scale { gradients: by, loss: by });
                self.add("log_base", &everywhere, Slip::Scale { gradients: 1.0, loss: by });
            }
            self.add("output_delta_shortcut", &everywhere, Slip::ExtraSlope);
        }
        if e.loss.classes() && elements > 1.0 {
            self.add("label_off_by_one", &everywhere, Slip::Labels(1));
            self.add("label_off_by_one", &everywhere, Slip::Labels(e.outputs.len() - 1));
            self.add("double_softmax", &everywhere, Slip::DoubleSoftmax);
            self.add("softmax_diagonal_only", &everywhere, Slip::DiagonalSoftmax);
            if samples > 1.0 {
                for shortcut in [false, true] {
                    self.add("softmax_wrong_axis", &everywhere, Slip::BatchSoftmax { shortcut });
                }
            }
        }
        if samples > 1.0 {
            let biases = self.biases();
            for samples in [Samples::First, Samples::Last, Samples::Mean, Samples::Apart] {
                if !biases.is_empty() {
                    self.add("bias_not_summed", &everywhere, Slip::Biases { parameters: biases.clone(), samples });
                }
                for &index in &biases {
                    self.add("bias_not_summed", &self.parameter(index), Slip::Biases { parameters: vec![index], samples });
                }
            }
        }
    }

    pub(super) fn of_the_penalty(&mut self) {
        let (e, everywhere) = (self.e, json!({}));
        if e.penalty.is_none() {
            return;
        }
        let all: Vec<usize> = (0..e.parameters.len()).filter(|&index| e.parameters[index].regularized).collect();
        let of =
            |parameters: &[usize], gradients: f64, loss: f64| Slip::Penalty { parameters: parameters.to_vec(), gradients, loss };
        self.add("regularization_missing", &everywhere, of(&all, 0.0, 1.0));
        self.add("regularization_missing", &everywhere, of(&all, 0.0, 0.0));
        for &index in &all {
            self.add("regularization_missing", &self.parameter(index), of(&[index], 0.0, 1.0));
        }
        let samples = e.samples() as f64;
        for by in [0.5, 2.0, 1.0 / samples, samples] {
            self.add("regularization_factor", &everywhere, of(&all, by, 1.0));
            self.add("regularization_factor", &everywhere, of(&all, by, by));
        }
        if !self.biases().is_empty() {
            self.add("bias_regularized", &everywhere, Slip::PenalizeBiases { loss: false });
            self.add("bias_regularized", &everywhere, Slip::PenalizeBiases { loss: true });
        }
    }

    pub(super) fn of_derivatives(&mut self) {
        use Activation::{Identity, Relu, Sigmoid, Softplus, Tanh};
        let mut slopes = vec![
            ("activation_derivative_missing", Slope::Missing, vec![Sigmoid, Tanh, Relu, Softplus]),
            ("derivative_at_pre_activation", Slope::FormulaAtPreActivation, vec![Sigmoid, Tanh]),
            ("derivative_at_output", Slope::AtOutput, vec![Sigmoid, Tanh, Softplus]),
        ];
        for other in [Sigmoid, Tanh, Relu] {
            let rest: Vec<Activation> = [Sigmoid, Tanh, Relu, Softplus].into_iter().filter(|&own| own != other).collect();
            slopes.push(("wrong_activation_derivative", Slope::Of(other), rest.clone()));
            if other != Relu {
                slopes.push(("wrong_activation_derivative", Slope::FormulaOf(other), rest));
            }
        }
        for (mistake, slope, of) in slopes {
            let activation = |node: usize| self.activation(node);
            for region in self.regions(|node| activation(node) != Identity && of.contains(&activation(node))) {
                self.add(mistake, &region.place, Slip::Derivative { units: region.units, slope });
            }
        }
    }

    pub(super) fn of_signs(&mut self) {
        let everywhere = json!({});
        self.add("sign_flipped", &everywhere, Slip::Scale { gradients: -1.0, loss: 1.0 });
        for region in self.regions(|_| true).into_iter().skip(1) {
            self.add("sign_flipped", &region.place, Slip::NegateDz(region.units));
        }
        let active = |node: usize| self.activation(node) != Activation::Identity;
        for region in self.regions(active).into_iter().skip(1) {
            self.add("sign_flipped", &region.place, Slip::NegateDa(region.units));
        }
        let hidden: Vec<usize> = self.nodes().into_iter().filter(|&node| !self.e.is_output(node)).collect();
        if !hidden.is_empty() {
            self.add("sign_flipped", &self.named(&hidden), Slip::NegateNodes(hidden.into_iter().collect()));
        }
        for index in 0..self.e.parameters.len() {
            self.add("sign_flipped", &self.parameter(index), Slip::NegateParameters(vec![index]));
        }
    }

    /// Mistakes in what is handed in.
    pub(super) fn of_reports(&mut self) {
        let (e, everywhere) = (self.e, json!({}));
        let traced =
            |node: usize| self.activation(node) != Activation::Identity && matches!(e.nodes[node].op, Op::Neuron | Op::Linear);
        for region in self.regions(traced) {
            let nodes: HashSet<usize> = region.units.iter().map(|&unit| e.units[unit].node).collect();
            self.add("pre_activation_gradient_given", &region.place, Slip::DaGiven(nodes.clone()));
            self.add("pre_activation_gradient_given", &region.place, Slip::DzGiven(nodes));
        }
        let all: Vec<usize> = (0..e.parameters.len()).collect();
        let mut lists = vec![(everywhere.clone(), all.clone())];
        lists.extend(all.iter().map(|&index| (self.parameter(index), vec![index])));
        for (place, parameters) in lists {
            self.add("updated_weight_given", &place, Slip::Updated(parameters.clone()));
            for by in [e.learning_rate, -e.learning_rate] {
                self.add("step_given", &place, Slip::Step { parameters: parameters.clone(), by });
            }
        }
        for figures in [2, 3] {
            self.add("rounded", &everywhere, Slip::Round(figures));
        }
        self.found.push(super::sites::Case {
            mistake: "float32",
            place: everywhere,
            slips: Vec::new(),
            rounding: super::slip::Rounding::Single,
        });
        // Neighbours in the list of parameters that are alike, and each neuron's weights moved on by one.
        for pair in all.windows(2) {
            if e.parameters[pair[0]].shape == e.parameters[pair[1]].shape {
                let place = json!({ "parameters": [e.parameters[pair[0]].name, e.parameters[pair[1]].name] });
                self.add("permuted", &place, Slip::Permute(vec![(pair[0], pair[1]), (pair[1], pair[0])]));
            }
        }
        let matrices: Vec<usize> = all.iter().copied().filter(|&index| e.parameters[index].shape.len() == 2).collect();
        let mut lists: Vec<_> = matrices.iter().map(|&index| (self.parameter(index), vec![index])).collect();
        if matrices.len() > 1 {
            lists.push((json!({}), matrices));
        }
        for (place, parameters) in lists {
            self.add("transposed", &place, Slip::Transpose(parameters.clone()));
            self.add("permuted", &place, Slip::ColumnMajor(parameters));
        }
    }
}
