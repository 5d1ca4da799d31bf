//! What the operator may set: the limits in force. Every one is a flag and an environment variable.

/// Bounds on what one request may ask for. A request over one of them is refused before anything is allocated.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Nesting depth of a JSON body.
    pub json_depth: usize,
    /// Nodes (or layers) of a network.
    pub nodes: usize,
    /// Edges of a network: the sum of its nodes' inputs.
    pub edges: usize,
    /// Axes of a tensor.
    pub rank: usize,
    /// Numbers in all parameters together.
    pub parameters: usize,
    /// Samples of a minibatch.
    pub batch: usize,
    /// Floating-point operations of one request.
    pub flops: u64,
    /// Bytes of values, cotangents and parameters alive at once.
    pub memory_bytes: u64,
    /// Faults listed in one problem document; the rest are counted.
    pub faults: usize,
    /// Milliseconds from arrival to answer.
    pub deadline_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            json_depth: 64,
            nodes: 200_000,
            edges: 2_000_000,
            rank: 8,
            parameters: 50_000_000,
            batch: 65_536,
            flops: 1_000_000_000_000,
            memory_bytes: 2 << 30,
            faults: 100,
            deadline_ms: 30_000,
        }
    }
}
