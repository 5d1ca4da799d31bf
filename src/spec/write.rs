//! JSON text, appended to one buffer.

use super::problem::Encoding;
use crate::tensor::decimal::{Decimal, Printer, ROOM, printer_pays};
use crate::tensor::{Float, LittleEndian, Shape, base64};

/// Numbers that are written together.
const BLOCK: usize = 64;

/// Bytes of room that are made beyond a text while its numbers are written.
pub const AHEAD: usize = BLOCK * (LONGEST + 1) + ROOM;

/// Bytes of the longest number, `-2.2250738585072014e-308`.
pub const LONGEST: usize = 24;

/// A number type that stands on the wire.
pub trait Wire: Float + Decimal + LittleEndian {
    /// Its name in `dtype`.
    const DTYPE: &'static str;
    /// Its name in safetensors.
    const SAFETENSORS: &'static str;
    /// Append the shortest decimal that reads back the same; what JSON cannot say as a string.
    fn write(self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + LONGEST, 0);
        let length = self.put(&mut out[start..]);
        out.truncate(start + length);
    }
    /// As [`Wire::write`], at the start of a slice of at least [`LONGEST`] bytes; how many it took.
    fn put(self, out: &mut [u8]) -> usize;
}

macro_rules! impl_wire {
    ($t:ty, $dtype:literal, $safetensors:literal) => {
        impl Wire for $t {
            const DTYPE: &'static str = $dtype;
            const SAFETENSORS: &'static str = $safetensors;

            #[inline]
            fn put(self, out: &mut [u8]) -> usize {
                if self.is_finite() {
                    put(zmij::Buffer::new().format_finite(self).as_bytes(), out)
                } else if self.is_nan() {
                    put(b"\"NaN\"", out)
                } else if self > 0.0 {
                    put(b"\"Infinity\"", out)
                } else {
                    put(b"\"-Infinity\"", out)
                }
            }
        }
    };
}

impl_wire!(f32, "f32", "F32");
impl_wire!(f64, "f64", "F64");

impl Encoding {
    /// Bytes of text that these numbers take, or very little more: of many, some are written to see how long they are.
    pub fn text_bytes<T: Wire>(self, shape: Shape, data: &[T]) -> usize {
        const SAMPLES: usize = 256;
        if self == Self::Base64 {
            return size_of_val(data).div_ceil(3) * 4;
        }
        let rows = match *shape.dims() {
            [.., _, row] => data.len() / row.max(1),
            _ => 1,
        };
        let mut text = [0; LONGEST];
        let mut length = |x: &T| x.put(&mut text) + 1;
        let numbers = if data.len() <= 2 * SAMPLES {
            data.len() * (LONGEST + 1)
        } else {
            // A mean of so many is good to half a per cent; three times that is added.
            let sampled = data.iter().step_by(data.len().div_ceil(SAMPLES));
            let (count, total) = sampled.fold((0, 0), |(count, total), x| (count + 1, total + length(x)));
            data.len() * total / count * 65 / 64
        };
        numbers + 3 * rows
    }
}

/// JSON under way. Commas are put where they belong.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    /// Whether a value would follow another in the same array or object.
    follows: bool,
}

impl Writer {
    /// An empty text.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty text in the memory of a buffer, whose content is forgotten.
    pub fn over(mut room: Vec<u8>) -> Self {
        room.clear();
        Self { out: room, follows: false }
    }

    /// The text.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    fn separate(&mut self) {
        if self.follows {
            self.out.push(b',');
        }
        self.follows = true;
    }

    /// An object with the members that `members` writes, each a [`Writer::key`] and a value.
    pub fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.wrap([b'{', b'}'], members);
    }

    /// An array of the values that `elements` writes.
    pub fn array(&mut self, elements: impl FnOnce(&mut Self)) {
        self.wrap([b'[', b']'], elements);
    }

    fn wrap(&mut self, [open, close]: [u8; 2], inside: impl FnOnce(&mut Self)) {
        self.separate();
        self.out.push(open);
        self.follows = false;
        inside(self);
        self.out.push(close);
        self.follows = true;
    }

    /// A member's name; its value follows.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.string(name);
        self.out.push(b':');
        self.follows = false;
        self
    }

    /// A string.
    pub fn string(&mut self, text: &str) {
        self.separate();
        self.out.push(b'"');
        // Nearly all are names, without a byte that needs more.
        if text.bytes().fold(0, |any, byte| any | u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\')) == 0 {
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
            return;
        }
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape: &[u8] = match byte {
                b'"' => b"\\\"",
                b'\\' => b"\\\\",
                b'\n' => b"\\n",
                b'\r' => b"\\r",
                b'\t' => b"\\t",
                0..0x20 => {
                    self.out.extend_from_slice(&text.as_bytes()[plain..at]);
                    self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                    plain = at + 1;
                    continue;
                }
                _ => continue,
            };
            self.out.extend_from_slice(&text.as_bytes()[plain..at]);
            self.out.extend_from_slice(escape);
            plain = at + 1;
        }
        self.out.extend_from_slice(&text.as_bytes()[plain..]);
        self.out.push(b'"');
    }

    /// A number.
    pub fn number(&mut self, x: impl Wire) {
        self.separate();
        x.write(&mut self.out);
    }

    /// A whole number.
    pub fn integer(&mut self, n: u64) {
        self.separate();
        self.out.extend_from_slice(n.to_string().as_bytes());
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, truth: bool) {
        self.separate();
        self.out.extend_from_slice(if truth { b"true" } else { b"false" });
    }

    /// `null`.
    pub fn null(&mut self) {
        self.separate();
        self.out.extend_from_slice(b"null");
    }

    /// A list of sizes.
    pub fn sizes(&mut self, dims: &[usize]) {
        self.array(|w| dims.iter().for_each(|&dim| w.integer(dim as u64)));
    }

    /// A list of strings.
    pub fn strings<'s>(&mut self, list: impl IntoIterator<Item = &'s str>) {
        self.array(|w| list.into_iter().for_each(|text| w.string(text)));
    }

    /// JSON that is already text.
    pub fn raw(&mut self, json: &[u8]) {
        self.separate();
        self.out.extend_from_slice(json);
    }

    /// Part of a text that was written before: all up to the next value.
    pub fn piece(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
        self.follows = false;
    }

    /// A tensor.
    pub fn tensor<T: Wire>(&mut self, shape: Shape, data: &[T], encoding: Encoding) {
        match encoding {
            Encoding::Nested => self.nested(shape.dims(), data),
            Encoding::Flat => self.object(|w| {
                w.key("shape").sizes(shape.dims());
                w.key("data").nested(&[data.len()], data);
            }),
            Encoding::Base64 => self.object(|w| {
                w.key("shape").sizes(shape.dims());
                w.key("dtype").string(T::DTYPE);
                w.key("base64").base64(data);
            }),
        }
    }

    /// Little-endian bytes in base64, a piece at a time: what is copied of them where memory holds others is short.
    fn base64<T: Wire>(&mut self, data: &[T]) {
        /// Numbers a piece: whole groups of three bytes, so that padding stands only at the end.
        const PIECE: usize = 3 * 4096;
        self.separate();
        self.out.push(b'"');
        self.out.reserve(size_of_val(data).div_ceil(3) * 4 + 1);
        for piece in data.chunks(PIECE) {
            base64::encode(&T::bytes(piece), &mut self.out);
        }
        self.out.push(b'"');
    }

    /// An array of numbers.
    fn row<T: Wire>(&mut self, data: &[T]) {
        let mut numbers = data.iter();
        self.printed(data.len(), |out, count| {
            let mut end = 0;
            for x in numbers.by_ref().take(count) {
                end += x.put(&mut out[end..]);
                out[end] = b',';
                end += 1;
            }
            end
        });
    }

    /// So many numbers in brackets, a block at a time: room is made for the longest texts, `put` fills it with as many as it is asked
    /// for, each with a comma after it, and it is cut to what they took.
    fn printed(&mut self, numbers: usize, mut put: impl FnMut(&mut [u8], usize) -> usize) {
        self.separate();
        self.out.push(b'[');
        let mut left = numbers;
        while left > 0 {
            let some = left.min(BLOCK);
            let start = self.out.len();
            self.out.resize(start + some * (LONGEST + 1) + ROOM, 0);
            let length = put(&mut self.out[start..], some);
            self.out.truncate(start + length);
            left -= some;
        }
        if numbers > 0 {
            self.out.pop();
        }
        self.out.push(b']');
    }

    /// The next number of a printer.
    pub fn next_number<T: Wire>(&mut self, printer: &mut Printer<'_, T>) {
        self.separate();
        let start = self.out.len();
        self.out.resize(start + ROOM, 0);
        let room = self.out[start..].first_chunk_mut().expect("room was made");
        let length = printer.put(room, T::put);
        self.out.truncate(start + length);
    }

    /// A tensor as nested arrays, its numbers the next of a printer: those of many small tensors are written faster together.
    pub fn next_tensor<T: Wire>(&mut self, shape: Shape, data: &[T], printer: &mut Printer<'_, T>) {
        match shape.dims() {
            [] => self.next_number(printer),
            dims => self.rows(dims, data, &mut |w, numbers, _| w.printed(numbers, |out, count| printer.row(out, count, T::put))),
        }
    }

    fn nested<T: Wire>(&mut self, dims: &[usize], data: &[T]) {
        /// Fewer are written one by one.
        const MANY: usize = 16;
        if data.len() < MANY || !printer_pays() {
            return self.rows(dims, data, &mut |w, _, row| w.row(row));
        }
        let mut printer = Printer::new(data);
        self.rows(dims, data, &mut |w, numbers, _| w.printed(numbers, |out, count| printer.row(out, count, T::put)));
    }

    /// Nested arrays, the innermost by `row`, which is told how many numbers, and which.
    fn rows<T: Wire>(&mut self, dims: &[usize], data: &[T], row: &mut dyn FnMut(&mut Self, usize, &[T])) {
        match dims {
            [] => self.number(data[0]),
            [numbers] => row(self, *numbers, data),
            [rows, inner @ ..] => {
                let size: usize = inner.iter().product();
                self.array(|w| (0..*rows).for_each(|i| w.rows(inner, &data[i * size..(i + 1) * size], row)));
            }
        }
    }
}

/// Write a short text at the start of `out`; its length. Most numbers have at least 16 digits, and copies of fixed length cost
/// a nanosecond less than one of any length (27 against 28 a number).
#[inline]
fn put(text: &[u8], out: &mut [u8]) -> usize {
    let length = text.len();
    if let (Some(head), Some(tail)) = (text.first_chunk::<16>(), text.last_chunk::<8>()) {
        out[..16].copy_from_slice(head);
        out[length - 8..length].copy_from_slice(tail);
    } else {
        out[..length].copy_from_slice(text);
    }
    length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fault::{At, Faults};
    use super::super::json::{Json, parse};
    use super::super::tensor::{Reading, TensorSpec, decode};
    use super::*;
    use crate::config::Limits;

    fn written(write: impl FnOnce(&mut Writer)) -> String {
        let mut w = Writer::new();
        write(&mut w);
        String::from_utf8(w.into_bytes()).expect("JSON is UTF-8")
    }

    fn parsed(text: &str) -> Json<'_> {
        parse(text.as_bytes(), &Limits::default()).unwrap_or_else(|faults| panic!("{text}: {faults:?}"))
    }

    #[test]
    fn text_is_json() {
        let mut w = Writer::new();
        w.object(|w| {
            w.key("a\"\\\n\u{1}é").number(0.1_f64);
            w.key("b").array(|w| {
                w.number(f64::NAN);
                w.number(-f32::INFINITY);
                w.object(|_| {});
                w.null();
            });
            w.key("t").tensor(Shape::new(&[2, 0]).expect("small"), &[] as &[f64], Encoding::Nested);
            w.key("f").tensor(Shape::SCALAR, &[0.1_f32], Encoding::Flat);
        });
        let text = String::from_utf8(w.into_bytes()).expect("JSON is UTF-8");
        let expected = r#"{"a\"\\\n\u0001é":0.1,"b":["NaN","-Infinity",{},null],"t":[[],[]],"f":{"shape":[],"data":[0.1]}}"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn numbers_are_the_shortest_that_read_back() {
        let check = |write: fn(&mut Writer), expected: &str| assert_eq!(written(write), expected);
        check(|w| w.number(0.1), "0.1");
        check(|w| w.number(0.1_f32), "0.1");
        check(|w| w.number(f64::from(0.1_f32)), "0.10000000149011612");
        check(|w| w.number(-0.0), "-0.0");
        check(|w| w.number(1.0), "1.0");
        check(|w| w.number(5e-324), "5e-324");
        check(|w| w.number(f64::MAX), "1.7976931348623157e+308");
        check(|w| w.number(f32::MIN_POSITIVE), "1.1754944e-38");
        check(|w| w.number(f32::NAN), "\"NaN\"");
        check(|w| w.number(f64::INFINITY), "\"Infinity\"");
        check(|w| w.integer(u64::MAX), "18446744073709551615");
    }

    #[test]
    fn tensors_have_three_forms() {
        let shape = Shape::new(&[2, 3]).expect("small");
        let data = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.5];
        let check = |encoding, expected: &str| assert_eq!(written(|w| w.tensor(shape, &data, encoding)), expected);
        check(Encoding::Nested, "[[1.0,2.0,3.0],[4.0,5.0,6.5]]");
        check(Encoding::Flat, "{\"shape\":[2,3],\"data\":[1.0,2.0,3.0,4.0,5.0,6.5]}");
        check(Encoding::Base64, "{\"shape\":[2,3],\"dtype\":\"f32\",\"base64\":\"AACAPwAAAEAAAEBAAACAQAAAoEAAANBA\"}");
    }

    proptest! {
        #[test]
        fn every_number_reads_back(bits in any::<u64>()) {
            let check = |text: String, x: f64| match parsed(&text) {
                Json::Number(number) => number.value.to_bits() == x.to_bits(),
                Json::String(name) => name == super::super::json::non_finite_name(x).unwrap_or_default(),
                _ => false,
            };
            let (double, single) = (f64::from_bits(bits), f32::from_bits(bits as u32));
            prop_assert!(check(written(|w| w.number(double)), double));
            let text = written(|w| w.number(single));
            prop_assert!(single.is_nan() || text.trim_matches('"').parse::<f32>().is_ok_and(|x| x.to_bits() == single.to_bits()));
        }

        #[test]
        fn every_string_reads_back(text in "(?s).{0,40}") {
            let json = written(|w| w.string(&text));
            prop_assert_eq!(parsed(&json), Json::String(text.into()));
        }

        #[test]
        fn every_tensor_reads_back(dims in prop::collection::vec(0..4_usize, 0..4), bits in prop::collection::vec(any::<u64>(), 27), long in 0..2000_usize) {
            let reading = Reading { limits: &Limits::default(), allow_non_finite: true, allow_init: false };
            let check = |dims: &[usize], data: &[f64]| {
                for encoding in [Encoding::Nested, Encoding::Flat, Encoding::Base64] {
                    let text = written(|w| w.tensor(Shape::new(dims).expect("small"), data, encoding));
                    let mut faults = Faults::new(9);
                    let tensor = decode(parsed(&text), At::ROOT, reading, &mut faults);
                    let Some(TensorSpec::Values { shape, data: read }) = tensor else { panic!("{text}: {faults:?}") };
                    // Nested arrays end their shape at its first 0.
                    assert!(shape == dims || encoding == Encoding::Nested && dims.starts_with(&shape) && shape.ends_with(&[0]), "{text}");
                    let same = |a: &f64, b: &f64| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
                    assert!(read.len() == data.len() && read.iter().zip(data).all(|(a, b)| same(a, b)), "{text}");
                }
            };
            let data: Vec<f64> = bits.iter().map(|&bits| f64::from_bits(bits)).collect();
            check(&dims, &data[..dims.iter().product()]);
            check(&[long], &(0..long).map(|i| (i as f64).sqrt()).collect::<Vec<_>>());
        }
    }
}
