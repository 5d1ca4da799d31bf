//! Tensors as clients write them: a number, nested arrays, `{shape, data}`, `{shape, dtype, base64}`, or an initialiser.

use std::sync::Arc;

use super::decode::Fields;
use super::fault::{At, Code, Faults};
use super::json::{Json, Numbers};
use crate::config::Limits;
use crate::tensor::{Dims, all_finite, base64};

/// A tensor, or how to make one.
#[derive(Debug, Clone, PartialEq)]
pub enum TensorSpec {
    /// Numbers in row-major order.
    Values {
        /// Sizes of the axes; their product is the number of elements.
        shape: Vec<usize>,
        /// The elements; shared, for a stored network lends its parameters to every request that names it.
        data: Arc<Vec<f64>>,
    },
    /// An initialiser.
    Init(InitSpec),
}

impl TensorSpec {
    /// Numbers in row-major order.
    pub fn values(shape: Vec<usize>, data: Vec<f64>) -> Self {
        Self::Values { shape, data: Arc::new(data) }
    }
}

/// One of PyTorch's initialisers, with the seed of its stream.
#[derive(Debug, Clone, PartialEq)]
pub struct InitSpec {
    /// PyTorch's name, without the underscore at its end.
    pub init: String,
    /// The seed as text; numbers and strings of the same text are the same seed.
    pub seed: String,
    /// PyTorch's arguments that were given, numbers by name.
    pub numbers: Vec<(&'static str, f64)>,
    /// `fan_in` or `fan_out`, where given.
    pub mode: Option<String>,
    /// The nonlinearity that kaiming's gain is for, where given.
    pub nonlinearity: Option<String>,
}

/// The numeric arguments of initialisers.
pub const INIT_NUMBERS: &[&str] = &["gain", "a", "b", "mean", "std", "val"];

/// What reading a tensor depends on.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'l> {
    /// Bounds.
    pub limits: &'l Limits,
    /// Whether the strings "NaN", "Infinity" and "-Infinity" are numbers.
    pub allow_non_finite: bool,
    /// Whether an initialiser may stand here.
    pub allow_init: bool,
}

/// Read a tensor; faults are reported and nothing is returned.
pub fn decode(json: Json<'_>, at: At<'_>, reading: Reading<'_>, faults: &mut Faults) -> Option<TensorSpec> {
    match json {
        Json::Number(number) => Some(TensorSpec::values(Vec::new(), vec![number.value])),
        Json::Numbers(Numbers { shape, data }) => {
            rank(&shape, at, reading, faults)?;
            finite(&data, at, reading, faults)?;
            Some(TensorSpec::values(shape, data))
        }
        Json::String(text) => {
            let value = non_finite(&text, at, reading, faults)?;
            Some(TensorSpec::values(Vec::new(), vec![value]))
        }
        Json::Array(_) => {
            let mut data = Vec::new();
            let shape = nested(&json, at, reading, &mut data, faults)?;
            rank(&shape, at, reading, faults)?;
            Some(TensorSpec::values(shape, data))
        }
        Json::Object(_) => object(json, at, reading, faults),
        other => {
            faults.push(
                at,
                Code::WrongType,
                format!("expected a tensor (a number, nested arrays, or an object with \"shape\"), found {}", other.describe()),
            );
            None
        }
    }
}

/// As [`decode`], at a place that is known as the steps of its pointer.
pub fn decode_below(
    json: Json<'_>,
    at: At<'_>,
    steps: &[String],
    reading: Reading<'_>,
    faults: &mut Faults,
) -> Option<TensorSpec> {
    match steps.split_first() {
        Some((step, rest)) => decode_below(json, at.name(step), rest, reading, faults),
        None => decode(json, at, reading, faults),
    }
}

/// The shape that a tensor is written with, without reading it.
pub fn written_shape(json: &Json<'_>) -> Option<Vec<usize>> {
    match json {
        Json::Number(_) => Some(Vec::new()),
        Json::Numbers(numbers) => Some(numbers.shape.clone()),
        Json::Object(object) => match object.get("shape")? {
            Json::Numbers(numbers) => numbers.data.iter().map(|&x| size(x)).collect(),
            _ => None,
        },
        _ => None,
    }
}

fn rank(shape: &[usize], at: At<'_>, reading: Reading<'_>, faults: &mut Faults) -> Option<()> {
    if shape.len() > reading.limits.rank {
        let detail = format!("a tensor of {} axes; the limit is {}", shape.len(), reading.limits.rank);
        faults.push(at, Code::LimitExceeded, detail);
        return None;
    }
    Some(())
}

/// Nested arrays that are not rectangular arrays of plain numbers: they hold strings, or something is wrong.
fn nested(json: &Json<'_>, at: At<'_>, reading: Reading<'_>, data: &mut Vec<f64>, faults: &mut Faults) -> Option<Vec<usize>> {
    match json {
        Json::Number(number) => {
            data.push(number.value);
            Some(Vec::new())
        }
        Json::Numbers(numbers) => {
            finite(&numbers.data, at, reading, faults)?;
            data.extend_from_slice(&numbers.data);
            Some(numbers.shape.clone())
        }
        Json::String(text) => {
            data.push(non_finite(text, at, reading, faults)?);
            Some(Vec::new())
        }
        Json::Array(rows) => {
            let mut first: Option<Vec<usize>> = None;
            let mut ok = true;
            for (i, row) in rows.iter().enumerate() {
                let Some(shape) = nested(row, at.index(i), reading, data, faults) else {
                    ok = false;
                    continue;
                };
                match &first {
                    None => first = Some(shape),
                    Some(first) if *first == shape => {}
                    Some(first) => {
                        let detail =
                            format!("this element is {}, element 0 is {}; all must have one shape", words(&shape), words(first));
                        faults.push(at.index(i), Code::RaggedArray, detail);
                        return None;
                    }
                }
            }
            let mut shape = vec![rows.len()];
            shape.extend(first.unwrap_or_default());
            ok.then_some(shape)
        }
        other => {
            faults.push(at, Code::WrongType, format!("expected a number, found {}", other.describe()));
            None
        }
    }
}

fn words(shape: &[usize]) -> String {
    match shape {
        [] => "a number".to_owned(),
        [n] => format!("a row of {n}"),
        _ => format!("an array of shape {}", Dims(shape)),
    }
}

fn non_finite(text: &str, at: At<'_>, reading: Reading<'_>, faults: &mut Faults) -> Option<f64> {
    let value = match text {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ => {
            let hint = if text.parse::<f64>().is_ok() { "; remove the quotes" } else { "" };
            faults.push(at, Code::WrongType, format!("expected a number, found the string \"{}\"{hint}", shortened(text)));
            return None;
        }
    };
    if !reading.allow_non_finite {
        faults.push(at, Code::NonFinite, format!("\"{text}\" is accepted only with \"options\": {{\"allow_non_finite\": true}}"));
        return None;
    }
    Some(value)
}

fn shortened(text: &str) -> String {
    if text.chars().count() > 40 { text.chars().take(40).chain("…".chars()).collect() } else { text.to_owned() }
}

fn size(x: f64) -> Option<usize> {
    (x >= 0.0 && x.fract() == 0.0 && x <= (1_u64 << 53) as f64).then_some(x as usize)
}

fn object(json: Json<'_>, at: At<'_>, reading: Reading<'_>, faults: &mut Faults) -> Option<TensorSpec> {
    let mut fields = Fields::of(json, at, faults)?;
    if let Some(init) = fields.string("init", faults) {
        return initialiser(init.into_owned(), fields, at, reading, faults);
    }
    let shape = fields.require("shape", faults);
    let data = fields.take("data");
    let base64 = fields.string("base64", faults);
    let before = faults.count();
    let dtype =
        fields.word("dtype", &[("f64", Dtype::F64), ("f32", Dtype::F32), ("i64", Dtype::I64), ("i32", Dtype::I32)], faults);
    let dtype_known = faults.count() == before;
    fields.finish(faults);
    let shape = sizes(shape?, at.name("shape"), reading, faults)?;
    let count = shape.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
    let Some(count) = count.filter(|&count| isize::try_from(count.saturating_mul(16)).is_ok()) else {
        faults.push(
            at.name("shape"),
            Code::LimitExceeded,
            format!("shape {} has more elements than any memory holds", Dims(&shape)),
        );
        return None;
    };
    let data = match (data, base64) {
        (Some(data), None) => {
            let at = at.name("data");
            match decode(data, at, Reading { allow_init: false, ..reading }, faults)? {
                TensorSpec::Values { shape, data } if shape.len() == 1 => Arc::unwrap_or_clone(data),
                TensorSpec::Values { shape, .. } => {
                    faults.push(
                        at,
                        Code::WrongType,
                        format!("\"data\" is flat, in row-major order; found shape {}", Dims(&shape)),
                    );
                    return None;
                }
                TensorSpec::Init(_) => return None,
            }
        }
        (None, Some(_)) if !dtype_known => return None,
        (None, Some(text)) => bytes(&text, dtype.unwrap_or(Dtype::F64), at.name("base64"), reading, faults)?,
        _ => {
            faults.push(at, Code::MissingField, "a tensor object has \"data\" or \"base64\", one of them");
            return None;
        }
    };
    if data.len() != count {
        let detail = format!("shape {} has {count} elements, found {}", Dims(&shape), data.len());
        faults.push(at, Code::ShapeMismatch, detail);
        return None;
    }
    Some(TensorSpec::values(shape, data))
}

fn sizes(json: Json<'_>, at: At<'_>, reading: Reading<'_>, faults: &mut Faults) -> Option<Vec<usize>> {
    let found = json.describe();
    let shape = match json {
        Json::Numbers(numbers) if numbers.shape.len() == 1 => numbers.data.iter().map(|&x| size(x)).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    let Some(shape) = shape else {
        faults.push(at, Code::WrongType, format!("expected a list of sizes, whole numbers from 0 on; found {found}"));
        return None;
    };
    rank(&shape, at, reading, faults)?;
    Some(shape)
}

/// A shape as it stands in `network.inputs`.
pub fn shape(json: Json<'_>, at: At<'_>, limits: &Limits, faults: &mut Faults) -> Option<Vec<usize>> {
    sizes(json, at, Reading { limits, allow_non_finite: false, allow_init: false }, faults)
}

/// Element types of binary tensors, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE double.
    F64,
    /// IEEE single.
    F32,
    /// Signed 64-bit.
    I64,
    /// Signed 32-bit.
    I32,
}

impl Dtype {
    /// Bytes of an element.
    pub fn width(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
        }
    }

    /// The elements that `bytes` hold, as doubles.
    pub fn read(self, bytes: &[u8], at: At<'_>, reading: Reading<'_>, faults: &mut Faults) -> Option<Vec<f64>> {
        let mut data = Vec::with_capacity(bytes.len() / self.width());
        let all_finite = bytes.chunks(PIECE).fold(true, |all, piece| all & self.append(piece, &mut data));
        (all_finite || finite(&data, at, reading, faults).is_some()).then_some(data)
    }

    /// Append the elements that `bytes` hold; whether all of them are finite.
    fn append(self, bytes: &[u8], data: &mut Vec<f64>) -> bool {
        let start = data.len();
        match self {
            Self::F64 => data.extend(bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b))),
            Self::F32 => data.extend(bytes.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b)))),
            Self::I64 => data.extend(bytes.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f64)),
            Self::I32 => data.extend(bytes.as_chunks().0.iter().map(|&b| f64::from(i32::from_le_bytes(b)))),
        }
        all_finite(&data[start..])
    }
}

/// Bytes that are read at once, whole elements of any type: few enough to stay near the processor until all is done with them.
const PIECE: usize = 6 << 10;

fn bytes(text: &str, dtype: Dtype, at: At<'_>, reading: Reading<'_>, faults: &mut Faults) -> Option<Vec<f64>> {
    let mut data = Vec::with_capacity(text.len() / 4 * 3 / dtype.width());
    let mut bytes = Vec::with_capacity(PIECE);
    let (mut count, mut all_finite) = (0_usize, true);
    for piece in text.as_bytes().chunks(PIECE / 3 * 4) {
        // Padding stands only at the end: what is not the last piece is full.
        let padded = !count.is_multiple_of(PIECE);
        bytes.clear();
        if padded || base64::decode(piece, &mut bytes).is_err() {
            faults.push(at, Code::InvalidValue, "not base64 (standard alphabet, padded)");
            return None;
        }
        count += bytes.len();
        all_finite &= dtype.append(&bytes, &mut data);
    }
    if !count.is_multiple_of(dtype.width()) {
        let detail = format!("{count} bytes are no whole number of {}-byte elements", dtype.width());
        faults.push(at, Code::InvalidValue, detail);
        return None;
    }
    if !all_finite {
        finite(&data, at, reading, faults)?;
    }
    Some(data)
}

/// Binary numbers may hold what JSON cannot.
pub fn finite(data: &[f64], at: At<'_>, reading: Reading<'_>, faults: &mut Faults) -> Option<()> {
    if !reading.allow_non_finite
        && !all_finite(data)
        && let Some(i) = data.iter().position(|x| !x.is_finite())
    {
        let detail = format!("element {i} is {}, accepted only with \"options\": {{\"allow_non_finite\": true}}", data[i]);
        faults.push(at, Code::NonFinite, detail);
        return None;
    }
    Some(())
}

fn initialiser(
    init: String,
    mut fields: Fields<'_, '_>,
    at: At<'_>,
    reading: Reading<'_>,
    faults: &mut Faults,
) -> Option<TensorSpec> {
    if !reading.allow_init {
        faults.push(at, Code::WrongType, "an initialiser may stand only for a parameter; give numbers here");
        return None;
    }
    let seed = match fields.take("seed") {
        None => Some("0".to_owned()),
        Some(Json::String(seed)) => Some(seed.into_owned()),
        Some(Json::Number(number)) if number.text.parse::<u64>().is_ok() => Some(number.text.to_owned()),
        Some(other) => {
            let detail = format!("expected a whole number from 0 to 2^64-1, or a string; found {}", other.describe());
            faults.push(at.name("seed"), Code::WrongType, detail);
            None
        }
    };
    let mut numbers = Vec::new();
    for &name in INIT_NUMBERS {
        numbers.extend(fields.number(name, faults).map(|value| (name, value)));
    }
    let mode = fields.string("mode", faults).map(std::borrow::Cow::into_owned);
    let nonlinearity = fields.string("nonlinearity", faults).map(std::borrow::Cow::into_owned);
    fields.finish(faults);
    Some(TensorSpec::Init(InitSpec { init, seed: seed?, numbers, mode, nonlinearity }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, dtype: Dtype) -> Result<Vec<f64>, String> {
        let (limits, mut faults) = (Limits::default(), Faults::new(9));
        let reading = Reading { limits: &limits, allow_non_finite: false, allow_init: false };
        let data = bytes(text, dtype, At::ROOT, reading, &mut faults);
        data.ok_or_else(|| faults.listed().iter().map(|fault| fault.detail.clone()).collect())
    }

    #[test]
    fn base64_of_any_length_is_read() {
        for count in [0, 1, 2, 3, PIECE / 8 - 1, PIECE / 8, PIECE / 8 + 1, PIECE / 4, PIECE / 4 + 1, 5000] {
            let doubles: Vec<f64> = (0..count).map(|i| (i as f64).sqrt() - 9.0).collect();
            let text = base64_simd::STANDARD.encode_to_string(doubles.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>());
            assert_eq!(read(&text, Dtype::F64), Ok(doubles.clone()));
            let bytes = doubles.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect::<Vec<_>>();
            let text = base64_simd::STANDARD.encode_to_string(bytes);
            assert_eq!(read(&text, Dtype::F32), Ok(doubles.iter().map(|&x| f64::from(x as f32)).collect()));
        }
    }

    #[test]
    fn what_is_no_base64_is_told() {
        let piece = "AAAA".repeat(PIECE / 3);
        let padded = format!("{}AA==", &piece[4..]);
        for text in [format!("{padded}{piece}"), format!("{piece}{padded}AAAA"), format!("{piece}A"), format!("{piece}AAA?")] {
            assert!(read(&text, Dtype::F64).is_err_and(|detail| detail.starts_with("not base64")), "{}", text.len());
        }
        assert!(read(&padded, Dtype::F64).is_err_and(|detail| detail.contains("6142 bytes are no whole number of 8-byte")));
        assert!(read(&format!("{piece}AAAA"), Dtype::I64).is_err_and(|detail| detail.starts_with("6147 bytes")));
    }

    #[test]
    fn numbers_that_are_not_finite_are_found() {
        for at in [0, 767, 768, 4000] {
            let mut doubles = vec![1.0; 4001];
            doubles[at] = f64::NAN;
            let text = base64_simd::STANDARD.encode_to_string(doubles.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>());
            assert!(read(&text, Dtype::F64).is_err_and(|detail| detail.starts_with(&format!("element {at} is NaN"))));
        }
    }
}
