//! `dedz demo`.

use clap::Args;

use super::Stopped;

#[derive(Debug, Args)]
pub(super) struct Demo {}

impl Demo {
    pub(super) fn run(&self) -> Result<(), Stopped> {
        Err(Stopped::Problem("soon".into()))
    }
}
