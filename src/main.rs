//! Parse, run, exit.

use std::process::ExitCode;

/// Replies are built from many short-lived allocations on many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dedz::cli::main()
}
