//! JSON text, appended to one buffer.

use super::problem::Encoding;
use crate::tensor::{Float, Shape};

/// A number type that stands on the wire.
pub trait Wire: Float {
    /// Its name in `dtype`.
    const DTYPE: &'static str;
    /// Its name in safetensors.
    const SAFETENSORS: &'static str;
    /// Append the shortest decimal that reads back the same; what JSON cannot say as a string.
    fn write(self, out: &mut Vec<u8>);
    /// Append little-endian bytes.
    fn write_bytes(data: &[Self], out: &mut Vec<u8>);
}

macro_rules! impl_wire {
    ($t:ty, $dtype:literal, $safetensors:literal) => {
        impl Wire for $t {
            const DTYPE: &'static str = $dtype;
            const SAFETENSORS: &'static str = $safetensors;

            fn write(self, out: &mut Vec<u8>) {
                if self.is_finite() {
                    out.extend_from_slice(zmij::Buffer::new().format_finite(self).as_bytes());
                } else if self.is_nan() {
                    out.extend_from_slice(b"\"NaN\"");
                } else if self > 0.0 {
                    out.extend_from_slice(b"\"Infinity\"");
                } else {
                    out.extend_from_slice(b"\"-Infinity\"");
                }
            }

            fn write_bytes(data: &[Self], out: &mut Vec<u8>) {
                out.reserve(size_of_val(data));
                for x in data {
                    out.extend_from_slice(&x.to_le_bytes());
                }
            }
        }
    };
}

impl_wire!(f32, "f32", "F32");
impl_wire!(f64, "f64", "F64");

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
                let mut bytes = Vec::new();
                T::write_bytes(data, &mut bytes);
                w.key("base64").string(&base64_simd::STANDARD.encode_to_string(bytes));
            }),
        }
    }

    fn nested<T: Wire>(&mut self, dims: &[usize], data: &[T]) {
        match dims {
            [] => self.number(data[0]),
            [_] => {
                self.separate();
                self.out.push(b'[');
                self.out.reserve(data.len() * 20);
                for (i, x) in data.iter().enumerate() {
                    if i > 0 {
                        self.out.push(b',');
                    }
                    x.write(&mut self.out);
                }
                self.out.push(b']');
            }
            [rows, inner @ ..] => {
                let size: usize = inner.iter().product();
                self.array(|w| (0..*rows).for_each(|row| w.nested(inner, &data[row * size..(row + 1) * size])));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
