//! What a student says of an exercise, as it was written. Nothing that a student writes is an error of the request: what cannot be
//! read, has another shape, or names nothing becomes a verdict.

use std::collections::HashSet;

use super::parts::{Part, Parts};
use crate::lower::hint;
use crate::spec::json::Json;
use crate::tensor::{Dims, Shape, Tensor};

/// How flat lists of numbers run through a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// The last index fastest, as in C and NumPy.
    #[default]
    RowMajor,
    /// The first index fastest, as in Fortran, MATLAB and R.
    ColumnMajor,
}

/// All claims of one submission.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims {
    /// Of known parts, in the order of the exercise's parts.
    pub list: Vec<Claim>,
    /// Names that are no part, each with what is wrong.
    pub extra: Vec<(String, String)>,
    /// What could not be read, each with the pointer below the claims; nothing can be graded while there is any.
    pub malformed: Vec<(String, String)>,
}

/// A claim of one part.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The part's place.
    pub part: usize,
    /// The shape that was written.
    pub dims: Vec<usize>,
    /// The numbers in row-major order.
    pub data: Vec<f64>,
    /// The value of one unit of the last digit that was written of each number, where it was written as a string.
    pub units: Option<Vec<Option<f64>>>,
    /// The same as a value of the part's shape; nothing where the shape is another.
    pub tensor: Option<Tensor<f64>>,
}

impl Claim {
    /// Whether every number is finite.
    pub fn is_finite(&self) -> bool {
        self.data.iter().all(|x| x.is_finite())
    }

    /// The claim as a value that can be compared: of the part's shape, and finite.
    pub fn usable(&self) -> Option<&Tensor<f64>> {
        self.tensor.as_ref().filter(|_| self.is_finite())
    }

    /// The value of one unit of the last digit of a number, of a string as written, of a number in its shortest form.
    pub fn unit(&self, at: usize) -> f64 {
        let written = self.units.as_ref().and_then(|units| units[at]);
        written.or_else(|| last_unit(&format!("{:e}", self.data[at]))).unwrap_or(0.0)
    }
}

impl Claims {
    /// Read `claims`. `layout` says how flat lists of numbers run.
    pub fn read(json: Json<'_>, parts: &Parts, layout: Layout) -> Self {
        let mut claims = Self::default();
        let Json::Object(object) = json else {
            claims.malformed.push((String::new(), format!("claims are an object from name to value, found {}", json.describe())));
            return claims;
        };
        let mut reader = Reader { parts, layout, claims, seen: HashSet::new() };
        for (name, json) in object.into_members() {
            match (&*name, json) {
                (_, Json::Null) => {}
                ("loss" | "losses", json) => reader.claim(name.to_string(), json),
                ("outputs" | "gradients" | "input_gradients", json) => {
                    reader.group(&name, json, Reader::claim);
                }
                ("trace", json) => reader.trace(json),
                (_, json) => {
                    // A part's whole name is as good as the groups that lead to it.
                    let known = parts.find(&name).is_some();
                    if known {
                        reader.claim(name.to_string(), json);
                    } else {
                        let groups = ["loss", "losses", "outputs", "gradients", "input_gradients", "trace"];
                        let detail = format!("nothing is named \"{}\"{}", short(&name), hint(&name, groups));
                        reader.claims.extra.push((short(&name), detail));
                    }
                }
            }
        }
        let mut claims = reader.claims;
        claims.list.sort_by_key(|claim| claim.part);
        claims
    }

    /// The claim of a part.
    pub fn of(&self, part: usize) -> Option<&Claim> {
        self.list.binary_search_by_key(&part, |claim| claim.part).ok().map(|i| &self.list[i])
    }
}

struct Reader<'e> {
    parts: &'e Parts,
    layout: Layout,
    claims: Claims,
    seen: HashSet<usize>,
}

impl Reader<'_> {
    fn group(&mut self, group: &str, json: Json<'_>, mut read: impl FnMut(&mut Self, String, Json<'_>)) {
        match json {
            Json::Object(object) => {
                for (name, json) in object.into_members().into_iter().filter(|(_, json)| *json != Json::Null) {
                    read(self, format!("{group}/{name}"), json);
                }
            }
            other => {
                let detail = format!("expected an object from name to claim, found {}", other.describe());
                self.claims.malformed.push((format!("/{group}"), detail));
            }
        }
    }

    fn trace(&mut self, json: Json<'_>) {
        match json {
            Json::Object(object) => {
                for (id, json) in object.into_members().into_iter().filter(|(_, json)| *json != Json::Null) {
                    self.group(&format!("trace/{id}"), json, Reader::claim);
                }
            }
            // As in the reply of gradients: a list of nodes, each with its id.
            Json::Array(list) => {
                for (i, entry) in list.into_iter().enumerate() {
                    self.entry(i, entry);
                }
            }
            other => {
                let detail = format!("expected an object from node to its values, found {}", other.describe());
                self.claims.malformed.push(("/trace".to_owned(), detail));
            }
        }
    }

    fn entry(&mut self, at: usize, json: Json<'_>) {
        let id = if let Json::Object(object) = &json { object.get("id").cloned() } else { None };
        let (Json::Object(object), Some(Json::String(id))) = (json, id) else {
            let detail = "an entry of the trace is an object with the \"id\" of its node".to_owned();
            return self.claims.malformed.push((format!("/trace/{at}"), detail));
        };
        for (name, json) in object.into_members() {
            if ["a", "z", "dE_da", "dE_dz"].contains(&&*name) && json != Json::Null {
                self.claim(format!("trace/{id}/{name}"), json);
            }
        }
    }

    fn claim(&mut self, name: String, json: Json<'_>) {
        let parts = self.parts;
        let Some(at) = parts.find(&name) else {
            let group = name.split('/').next().unwrap_or_default().to_owned();
            let near = parts.list().iter().map(|part| part.name.as_str()).filter(|known| known.starts_with(&group));
            let detail = format!("the exercise has no \"{}\"{}", short(&name), hint(&name, near));
            return self.claims.extra.push((short(&name), detail));
        };
        if !self.seen.insert(at) {
            return self.claims.malformed.push((format!("/{name}"), "claimed twice".to_owned()));
        }
        match Numbers::read(json, self.layout) {
            Ok(numbers) => self.claims.list.push(numbers.of_part(at, &parts.list()[at], self.layout)),
            Err(detail) => self.claims.malformed.push((format!("/{name}"), detail)),
        }
    }
}

/// Numbers with the shape that they were written in.
#[derive(Debug, Default)]
struct Numbers {
    dims: Vec<usize>,
    data: Vec<f64>,
    units: Option<Vec<Option<f64>>>,
    /// Whether the order of the numbers was settled by nesting or by a shape.
    settled: bool,
}

impl Numbers {
    fn read(json: Json<'_>, layout: Layout) -> Result<Self, String> {
        match json {
            Json::Object(mut object) => {
                let (shape, data) = (object.take("shape"), object.take("data"));
                let (Some(Json::Numbers(shape)), Some(data), true) = (shape, data, object.is_empty()) else {
                    return Err("expected {\"shape\": […], \"data\": […]}".to_owned());
                };
                let size = |&x: &f64| (x >= 0.0 && x.fract() == 0.0 && x < 1e9).then_some(x as usize);
                let dims: Option<Vec<usize>> = shape.data.iter().map(size).collect();
                let dims = dims.filter(|_| shape.shape.len() == 1 && shape.data.len() <= crate::tensor::MAX_RANK);
                let dims = dims.ok_or("\"shape\" is a list of sizes")?;
                let mut numbers = Self::read_nested(data)?;
                let size = dims.iter().try_fold(1_usize, |size, &dim| size.checked_mul(dim));
                if numbers.dims.len() != 1 || size != Some(numbers.data.len()) {
                    return Err(format!(
                        "\"data\" is no flat list of the {} numbers of shape {}",
                        size.unwrap_or(0),
                        Dims(&dims)
                    ));
                }
                if layout == Layout::ColumnMajor {
                    numbers.transpose_order(&dims);
                }
                Ok(Self { dims, settled: true, ..numbers })
            }
            json => Self::read_nested(json),
        }
    }

    /// Numbers, strings, and nested arrays of them; the arrays' depth is bounded by the reader of JSON.
    fn read_nested(json: Json<'_>) -> Result<Self, String> {
        match json {
            Json::Number(number) => Ok(Self { data: vec![number.value], ..Self::default() }),
            Json::Numbers(numbers) => Ok(Self { dims: numbers.shape, data: numbers.data, ..Self::default() }),
            Json::String(text) => {
                let (value, unit) = decimal(&text)?;
                Ok(Self { data: vec![value], units: Some(vec![unit]), ..Self::default() })
            }
            Json::Array(rows) => Self::rows(rows),
            other => Err(format!("expected a number, a decimal string or nested arrays of them, found {}", other.describe())),
        }
    }

    fn rows(rows: Vec<Json<'_>>) -> Result<Self, String> {
        let mut all = Self { dims: vec![rows.len()], ..Self::default() };
        let mut units: Vec<Option<f64>> = Vec::new();
        let mut inner: Option<Vec<usize>> = None;
        for (i, row) in rows.into_iter().enumerate() {
            let row = Self::read_nested(row).map_err(|detail| format!("element {i}: {detail}"))?;
            if inner.get_or_insert_with(|| row.dims.clone()) != &row.dims {
                return Err(format!("ragged: element {i} has another shape than element 0"));
            }
            units.extend(row.units.unwrap_or_else(|| vec![None; row.data.len()]));
            all.data.extend(row.data);
        }
        all.dims.extend(inner.unwrap_or_default());
        all.units = units.iter().any(Option::is_some).then_some(units);
        Ok(all)
    }

    /// Column-major numbers in row-major order.
    fn transpose_order(&mut self, dims: &[usize]) {
        let order = column_major(dims);
        self.data = order.iter().map(|&at| self.data[at]).collect();
        self.units = self.units.as_ref().map(|units| order.iter().map(|&at| units[at]).collect());
    }

    /// The claim of a part: flat lists take its shape, and axes of length 1 are nothing that can be confused.
    fn of_part(mut self, at: usize, part: &Part, layout: Layout) -> Claim {
        let dims = part.shape.dims();
        let without_ones = |dims: &[usize]| dims.iter().copied().filter(|&dim| dim != 1).collect::<Vec<_>>();
        let flat = self.dims.len() <= 1 && self.data.len() == part.shape.size();
        let same = flat || without_ones(&self.dims) == without_ones(dims);
        if flat && dims.len() > 1 && layout == Layout::ColumnMajor && !self.settled {
            self.transpose_order(dims);
        }
        let tensor = same.then(|| Tensor::new(part.shape, self.data.clone()));
        let dims = if same { dims.to_vec() } else { self.dims };
        Claim { part: at, dims, data: self.data, units: self.units, tensor }
    }
}

/// For each place of a row-major array, where its number stands in a column-major one.
fn column_major(dims: &[usize]) -> Vec<usize> {
    let size = dims.iter().product();
    let mut order = Vec::with_capacity(size);
    let mut index = vec![0; dims.len()];
    for _ in 0..size {
        let mut stride = 1;
        let mut at = 0;
        for (&i, &dim) in index.iter().zip(dims) {
            at += i * stride;
            stride *= dim;
        }
        order.push(at);
        for (i, &dim) in index.iter_mut().zip(dims).rev() {
            *i += 1;
            if *i < dim {
                break;
            }
            *i = 0;
        }
    }
    order
}

/// A decimal string: its value, and one unit of its last digit.
fn decimal(text: &str) -> Result<(f64, Option<f64>), String> {
    let text = text.trim();
    if let Some((_, value)) = crate::spec::json::NON_FINITE.iter().find(|(name, _)| *name == text) {
        return Ok((*value, None));
    }
    let plain = text.replace('\u{2212}', "-");
    let readable = plain.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    match plain.parse::<f64>() {
        Ok(value) if readable => Ok((value, last_unit(&plain))),
        _ => Err(format!("\"{}\" is no decimal number", short(text))),
    }
}

/// One unit of the last digit of a decimal number as written: 0.001 for `0.298`, 100 for `1.5e3`.
fn last_unit(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let places = mantissa.split_once('.').map_or(0, |(_, places)| places.len());
    Some(10_f64.powi(exponent.saturating_sub(i32::try_from(places).ok()?)))
}

/// A name of the student's, cut to a length that can be shown.
fn short(name: &str) -> String {
    const SHOWN: usize = 80;
    if name.chars().count() > SHOWN { name.chars().take(SHOWN).chain("…".chars()).collect() } else { name.to_owned() }
}

/// A claim that says exactly this of a part.
pub fn exact(part: usize, shape: Shape, data: Vec<f64>) -> Claim {
    Claim { part, dims: shape.dims().to_vec(), tensor: Some(Tensor::new(shape, data.clone())), data, units: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_keeps_the_precision_that_was_written() {
        for (text, value, unit) in [
            ("0.2984", 0.2984, 1e-4),
            ("-1.50", -1.5, 1e-2),
            ("\u{2212}2", -2.0, 1.0),
            ("1.5e3", 1500.0, 1e2),
            ("12e-4", 12e-4, 1e-4),
        ] {
            let (found, last) = decimal(text).unwrap();
            assert_eq!(found, value, "{text}");
            assert!((last.unwrap() / unit - 1.0).abs() < 1e-12, "{text} {last:?}");
        }
        for wrong in ["", "a", "inf", "0x1", "1.2.3", "1,5", "1 2", "nan"] {
            assert!(decimal(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn columns_come_first_where_the_client_says_so() {
        // [[1, 2, 3], [4, 5, 6]] column by column is 1, 4, 2, 5, 3, 6.
        let mut numbers = Numbers { data: vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0], ..Numbers::default() };
        numbers.transpose_order(&[2, 3]);
        assert_eq!(numbers.data, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }
}
