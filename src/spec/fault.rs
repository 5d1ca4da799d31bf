//! What is wrong with a request, as data: a pointer, a stable code, and a sentence that says what to fix.

use std::fmt;

/// The stable codes of [`Fault`]s, as clients see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each name is its own meaning, spelled in snake case on the wire")]
pub enum Code {
    MalformedJson,
    DuplicateKey,
    TooDeep,
    NumberOutOfRange,
    NonFinite,
    MissingField,
    UnknownField,
    WrongType,
    OutOfRange,
    UnknownOp,
    UnknownNode,
    DuplicateId,
    InvalidId,
    Cycle,
    MissingParameter,
    SurplusParameter,
    DuplicateParameter,
    ShapeMismatch,
    RaggedArray,
    LabelOutOfRange,
    EmptyBatch,
    LimitExceeded,
    UnknownName,
    InvalidValue,
    UnknownNetwork,
    UnreadableSeal,
    NoExercise,
}

impl Code {
    /// Every code, for the OpenAPI document and the README.
    pub const ALL: &[Self] = &[
        Self::MalformedJson,
        Self::DuplicateKey,
        Self::TooDeep,
        Self::NumberOutOfRange,
        Self::NonFinite,
        Self::MissingField,
        Self::UnknownField,
        Self::WrongType,
        Self::OutOfRange,
        Self::UnknownOp,
        Self::UnknownNode,
        Self::DuplicateId,
        Self::InvalidId,
        Self::Cycle,
        Self::MissingParameter,
        Self::SurplusParameter,
        Self::DuplicateParameter,
        Self::ShapeMismatch,
        Self::RaggedArray,
        Self::LabelOutOfRange,
        Self::EmptyBatch,
        Self::LimitExceeded,
        Self::UnknownName,
        Self::InvalidValue,
        Self::UnknownNetwork,
        Self::UnreadableSeal,
        Self::NoExercise,
    ];

    /// The code as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MalformedJson => "malformed_json",
            Self::DuplicateKey => "duplicate_key",
            Self::TooDeep => "too_deep",
            Self::NumberOutOfRange => "number_out_of_range",
            Self::NonFinite => "non_finite",
            Self::MissingField => "missing_field",
            Self::UnknownField => "unknown_field",
            Self::WrongType => "wrong_type",
            Self::OutOfRange => "out_of_range",
            Self::UnknownOp => "unknown_op",
            Self::UnknownNode => "unknown_node",
            Self::DuplicateId => "duplicate_id",
            Self::InvalidId => "invalid_id",
            Self::Cycle => "cycle",
            Self::MissingParameter => "missing_parameter",
            Self::SurplusParameter => "surplus_parameter",
            Self::DuplicateParameter => "duplicate_parameter",
            Self::ShapeMismatch => "shape_mismatch",
            Self::RaggedArray => "ragged_array",
            Self::LabelOutOfRange => "label_out_of_range",
            Self::EmptyBatch => "empty_batch",
            Self::LimitExceeded => "limit_exceeded",
            Self::UnknownName => "unknown_name",
            Self::InvalidValue => "invalid_value",
            Self::UnknownNetwork => "unknown_network",
            Self::UnreadableSeal => "unreadable_seal",
            Self::NoExercise => "no_exercise",
        }
    }
}

/// One thing to fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// RFC 6901 pointer into the request, `""` for the whole.
    pub pointer: String,
    /// The stable code.
    pub code: Code,
    /// Lower case, no final dot: what is wrong, what was expected.
    pub detail: String,
}

/// All that is wrong with one request, in the order found; past a cap only counted.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    listed: Vec<Fault>,
    unlisted: usize,
    cap: usize,
}

impl Faults {
    /// An empty list that keeps at most `cap` faults and counts the rest.
    pub fn new(cap: usize) -> Self {
        Self { listed: Vec::new(), unlisted: 0, cap: cap.max(1) }
    }

    /// Add one.
    pub fn push(&mut self, at: At<'_>, code: Code, detail: impl Into<String>) {
        if self.is_full() {
            self.unlisted += 1;
        } else {
            self.push_pointer(at.pointer(), code, detail);
        }
    }

    /// Add one whose detail takes work to find; it is only asked for where it will be listed.
    pub fn push_with(&mut self, at: At<'_>, code: Code, detail: impl FnOnce() -> String) {
        if self.is_full() {
            self.unlisted += 1;
        } else {
            self.push(at, code, detail());
        }
    }

    /// Add one whose pointer is known as text.
    pub fn push_pointer(&mut self, pointer: String, code: Code, detail: impl Into<String>) {
        if self.is_full() {
            self.unlisted += 1;
        } else {
            self.listed.push(Fault { pointer, code, detail: detail.into() });
        }
    }

    /// Let those point elsewhere for which there is such a place.
    pub fn repoint(&mut self, place: impl Fn(&str) -> Option<String>) {
        for fault in &mut self.listed {
            if let Some(pointer) = place(&fault.pointer) {
                fault.pointer = pointer;
            }
        }
    }

    /// Whether further ones are only counted.
    pub fn is_full(&self) -> bool {
        self.listed.len() >= self.cap
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// How many, unlisted ones included.
    pub fn count(&self) -> usize {
        self.listed.len() + self.unlisted
    }

    /// Those that are listed.
    pub fn listed(&self) -> &[Fault] {
        &self.listed
    }
}

/// A place in the request while it is being read: a linked list up the stack, written out only when something is wrong there.
#[derive(Debug, Clone, Copy)]
pub struct At<'p> {
    parent: Option<&'p At<'p>>,
    key: Key<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Key<'p> {
    Root,
    Name(&'p str),
    Index(usize),
}

impl<'p> At<'p> {
    /// The whole request.
    pub const ROOT: At<'static> = At { parent: None, key: Key::Root };

    /// The member `name` of this object.
    #[must_use]
    pub const fn name(&'p self, name: &'p str) -> At<'p> {
        At { parent: Some(self), key: Key::Name(name) }
    }

    /// The element `index` of this array.
    #[must_use]
    pub const fn index(&'p self, index: usize) -> At<'p> {
        At { parent: Some(self), key: Key::Index(index) }
    }

    /// The JSON pointer (RFC 6901).
    pub fn pointer(&self) -> String {
        let mut keys = Vec::new();
        let mut here = Some(self);
        while let Some(at) = here {
            keys.push(at.key);
            here = at.parent;
        }
        let mut pointer = String::new();
        for key in keys.into_iter().rev() {
            match key {
                Key::Root => {}
                Key::Name(name) => {
                    pointer.push('/');
                    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                }
                Key::Index(index) => {
                    pointer.push('/');
                    pointer.push_str(&index.to_string());
                }
            }
        }
        pointer
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pointer())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_escaped() {
        let nodes = At::ROOT.name("a/b");
        let third = nodes.index(3);
        assert_eq!(third.name("m~n").pointer(), "/a~1b/3/m~0n");
        assert_eq!(At::ROOT.pointer(), "");
    }
}
