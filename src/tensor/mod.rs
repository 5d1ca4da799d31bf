//! Numbers and arrays of numbers; the only place that names a kernel.

pub mod double_double;
pub mod dual;
pub mod scalar;

pub use double_double::DoubleDouble;
pub use dual::Dual;
pub use scalar::{Field, Float};
