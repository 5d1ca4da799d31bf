//! The command line.

use std::process::ExitCode;

/// Parse the arguments, run, and say how it went.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
