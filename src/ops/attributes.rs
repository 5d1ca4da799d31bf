//! Attributes of ops, layers and losses: one table each says names, kinds, defaults and meaning. The reader of requests, the
//! catalogue and the OpenAPI document all follow the table.

/// One attribute.
#[derive(Debug, Clone, Copy)]
pub struct Attribute {
    /// PyTorch's name.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// What it is when left out.
    pub default: Default,
    /// One sentence: meaning, unit, bounds.
    pub doc: &'static str,
}

impl Attribute {
    /// An attribute; for tables.
    pub const fn new(name: &'static str, kind: Kind, default: Default, doc: &'static str) -> Self {
        Self { name, kind, default, doc }
    }
}

/// What values an attribute takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A finite number.
    Number,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// One of these words.
    Word(&'static [&'static str]),
    /// So many numbers.
    Numbers(usize),
    /// A whole number, or a list of them.
    Integers,
    /// A whole number, a list of them, or one of these words.
    IntegersOrWord(&'static [&'static str]),
    /// A tensor in any of its wire forms.
    Tensor,
    /// What is added to attention's scores: a tensor; or booleans, true for minus infinity and false for 0.
    Mask,
    /// As [`Kind::Mask`], or the name of an input of the network, which is then a [`Value::Word`].
    MaskOrInput,
    /// A seed: a whole number from 0 to 2⁶⁴−1, or any string.
    Seed,
}

/// What an attribute is when left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Default {
    /// It may not be left out.
    Required,
    /// Left out is a value of its own (PyTorch's `None`), or inferred; `null` says the same.
    Absent,
    /// This number.
    Number(f64),
    /// This whole number.
    Integer(i64),
    /// This truth value.
    Boolean(bool),
    /// This word.
    Word(&'static str),
    /// These whole numbers.
    Integers(&'static [i64]),
    /// These numbers.
    Numbers(&'static [f64]),
}

/// The value of one attribute, of its table's kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Left out, with no default.
    Absent,
    /// A number.
    Number(f64),
    /// A whole number.
    Integer(i64),
    /// A truth value.
    Boolean(bool),
    /// A word.
    Word(String),
    /// Whole numbers; a lone one is a list of one.
    Integers(Vec<i64>),
    /// Numbers.
    Numbers(Vec<f64>),
    /// A tensor.
    Tensor {
        /// Its shape.
        shape: Vec<usize>,
        /// Its elements, row-major.
        data: Vec<f64>,
    },
    /// A seed, numbers and strings alike as text.
    Seed(String),
}

impl From<Default> for Value {
    fn from(default: Default) -> Self {
        match default {
            Default::Required | Default::Absent => Self::Absent,
            Default::Number(x) => Self::Number(x),
            Default::Integer(n) => Self::Integer(n),
            Default::Boolean(b) => Self::Boolean(b),
            Default::Word(w) => Self::Word(w.to_owned()),
            Default::Integers(n) => Self::Integers(n.to_vec()),
            Default::Numbers(x) => Self::Numbers(x.to_vec()),
        }
    }
}

/// An attribute's value that the table admits and the op does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Whose value it is.
    pub attribute: &'static str,
    /// What was found and what was expected, lower case.
    pub detail: String,
}

impl Invalid {
    /// `detail` about `attribute`.
    pub fn new(attribute: &'static str, detail: impl Into<String>) -> Self {
        Self { attribute, detail: detail.into() }
    }
}

/// Attribute values, complete and of the kinds of their table: every attribute of the table is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    entries: Vec<(&'static str, Value)>,
}

impl Values {
    /// The table's defaults; a required attribute is [`Value::Absent`] until set.
    pub fn defaults(table: &[Attribute]) -> Self {
        Self { entries: table.iter().map(|a| (a.name, Value::from(a.default))).collect() }
    }

    /// Set one, which must be in the table.
    pub fn set(&mut self, name: &str, value: Value) {
        let entry = self.entries.iter_mut().find(|(known, _)| *known == name).expect("an attribute of the table");
        entry.1 = value;
    }

    /// All of them, in the table's order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.entries.iter().map(|(name, value)| (*name, value))
    }

    /// One value, which must be in the table.
    pub fn get(&self, name: &str) -> &Value {
        &self.entries.iter().find(|(known, _)| *known == name).expect("an attribute of the table").1
    }

    /// A number; a whole number counts.
    pub fn number(&self, name: &str) -> f64 {
        self.number_or_absent(name).expect("a number with a default, or required")
    }

    /// A number, or nothing.
    pub fn number_or_absent(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Value::Number(x) => Some(*x),
            Value::Integer(n) => Some(*n as f64),
            _ => None,
        }
    }

    /// A whole number.
    pub fn integer(&self, name: &str) -> i64 {
        self.integer_or_absent(name).expect("a whole number with a default, or required")
    }

    /// A whole number, or nothing.
    pub fn integer_or_absent(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Value::Integer(n) => Some(*n),
            _ => None,
        }
    }

    /// A truth value.
    pub fn boolean(&self, name: &str) -> bool {
        matches!(self.get(name), Value::Boolean(true))
    }

    /// A word, or nothing.
    pub fn word(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Value::Word(word) => Some(word),
            _ => None,
        }
    }

    /// Whole numbers, or nothing.
    pub fn integers(&self, name: &str) -> Option<&[i64]> {
        match self.get(name) {
            Value::Integers(list) => Some(list),
            _ => None,
        }
    }

    /// Numbers, or nothing.
    pub fn numbers(&self, name: &str) -> Option<&[f64]> {
        match self.get(name) {
            Value::Numbers(list) => Some(list),
            _ => None,
        }
    }

    /// A tensor's shape and elements, or nothing.
    pub fn tensor(&self, name: &str) -> Option<(&[usize], &[f64])> {
        match self.get(name) {
            Value::Tensor { shape, data } => Some((shape, data)),
            _ => None,
        }
    }

    /// A seed, or nothing.
    pub fn seed(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Value::Seed(seed) => Some(seed),
            _ => None,
        }
    }

    /// A size: a whole number of at least `least`.
    ///
    /// # Errors
    /// It is smaller.
    pub fn size(&self, name: &'static str, least: usize) -> Result<usize, Invalid> {
        positive(name, self.integer(name), least)
    }

    /// As [`Values::size`], or nothing where left out.
    ///
    /// # Errors
    /// It is smaller.
    pub fn size_or_absent(&self, name: &'static str, least: usize) -> Result<Option<usize>, Invalid> {
        self.integer_or_absent(name).map(|n| positive(name, n, least)).transpose()
    }

    /// A pair of sizes, height and width; one number stands for both.
    ///
    /// # Errors
    /// Not one or two numbers, or one is smaller than `least`.
    pub fn pair(&self, name: &'static str, least: usize) -> Result<Option<[usize; 2]>, Invalid> {
        let Some(list) = self.integers(name) else { return Ok(None) };
        match *list {
            [both] => positive(name, both, least).map(|n| Some([n, n])),
            [h, w] => Ok(Some([positive(name, h, least)?, positive(name, w, least)?])),
            _ => Err(Invalid::new(name, format!("expected one number or two (height, width), found {}", list.len()))),
        }
    }
}

fn positive(name: &'static str, n: i64, least: usize) -> Result<usize, Invalid> {
    usize::try_from(n)
        .ok()
        .filter(|&n| n >= least)
        .ok_or_else(|| Invalid::new(name, format!("expected at least {least}, found {n}")))
}
