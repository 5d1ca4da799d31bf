//! `dedz openapi`.

use std::io::Write;

use clap::Args;

use super::Stopped;
use crate::http;

#[derive(Debug, Args)]
pub(super) struct Openapi {}

impl Openapi {
    #[expect(clippy::unused_self, reason = "every subcommand is run alike")]
    pub(super) fn run(&self) -> Result<(), Stopped> {
        Ok(std::io::stdout().lock().write_all(http::openapi::text().as_bytes())?)
    }
}
