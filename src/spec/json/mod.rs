//! JSON text to values, with no tree for numbers: a rectangular array of numbers, however nested, becomes one flat vector.
//!
//! Strict (RFC 8259): UTF-8 without a byte order mark, no repeated keys, no number that rounds to infinity. Arrays of numbers are
//! read in the hope that they are rectangular; where one is not, what was read of it becomes rows and the rest follows element by
//! element. Every byte is read a bounded number of times, and nothing is allocated but in proportion to what was read.

mod complaint;
mod extent;
mod number;
mod reader;
mod string;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use extent::{compact, member, members, skip_space, string_end, value_end};
pub use reader::{member_at, parse};

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number outside arrays of numbers.
    Number(Number<'a>),
    /// A string.
    String(Cow<'a, str>),
    /// An array that holds nothing but numbers and, at the same depth throughout, arrays of them, all of one length. `[]` is one.
    Numbers(Numbers),
    /// Any other array; a ragged array of numbers is an array of its rows.
    Array(Vec<Json<'a>>),
    /// An object.
    Object(Object<'a>),
}

/// A number and how it was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number<'a> {
    /// The nearest double.
    pub value: f64,
    /// Its text, which keeps all digits of an integer and the precision that was written.
    pub text: &'a str,
}

/// A rectangular array of numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Numbers {
    /// Its lengths from the outermost array to the innermost. A shape that ends in 0 has no elements at all.
    pub shape: Vec<usize>,
    /// Its elements, row-major. JSON has no NaN and no infinities: where one stands here, the client wrote the string `"NaN"`,
    /// `"Infinity"` or `"-Infinity"`.
    pub data: Vec<f64>,
}

impl Numbers {
    /// Its elements as values of their own: numbers, or the arrays one level down.
    pub fn into_elements<'a>(self) -> Vec<Json<'a>> {
        let Some((&length, inner)) = self.shape.split_first() else {
            return self.data.into_iter().map(Json::from).collect();
        };
        if inner.is_empty() {
            return self.data.into_iter().map(Json::from).collect();
        }
        let size = inner.iter().product::<usize>();
        (0..length)
            .map(|row| Json::Numbers(Self { shape: inner.to_vec(), data: self.data[row * size..(row + 1) * size].to_vec() }))
            .collect()
    }
}

impl From<f64> for Json<'_> {
    /// A number without its text, or the string that stands for it where JSON has no such number.
    fn from(value: f64) -> Self {
        match non_finite_name(value) {
            Some(name) => Self::String(Cow::Borrowed(name)),
            None => Self::Number(Number { value, text: "" }),
        }
    }
}

/// The strings that stand for what JSON's numbers cannot be.
pub const NON_FINITE: [(&str, f64); 3] = [("NaN", f64::NAN), ("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)];

/// The string that stands for a number which JSON does not have.
pub fn non_finite_name(value: f64) -> Option<&'static str> {
    if value.is_finite() {
        None
    } else if value.is_nan() {
        Some("NaN")
    } else if value > 0.0 {
        Some("Infinity")
    } else {
        Some("-Infinity")
    }
}

/// An object: its members in order, no name twice.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Object<'a> {
    members: Vec<(Cow<'a, str>, Json<'a>)>,
}

impl<'a> Object<'a> {
    /// The value of a member. Walks the members: for objects whose names the reader knows, not for maps.
    pub fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Take a member out; `null` counts as left out.
    pub fn take(&mut self, name: &str) -> Option<Json<'a>> {
        let at = self.members.iter().position(|(key, _)| key == name)?;
        match self.members.remove(at).1 {
            Json::Null => None,
            json => Some(json),
        }
    }

    /// Members in the order written.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Json<'a>)> {
        self.members.iter().map(|(key, value)| (key.as_ref(), value))
    }

    /// Members in the order written, their values to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Json<'a>)> {
        self.members.iter_mut().map(|(key, value)| (&**key, value))
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members themselves.
    pub fn into_members(self) -> Vec<(Cow<'a, str>, Json<'a>)> {
        self.members
    }
}
