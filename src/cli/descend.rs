//! `dedz descend`: as every question, with a progress bar and the losses as they come, where a person looks on.

use super::Stopped;
use super::ask::Ask;
use super::progress::Progress;
use crate::analysis::{DESCEND, Form};

pub(super) fn run(ask: &Ask) -> Result<(), Stopped> {
    let problem = ask.read()?;
    let mut progress = Progress::new(&problem);
    let answered = ask.answer(&DESCEND, problem, Form::Json, Some(&mut |event| progress.hear(&event)));
    progress.end(matches!(answered, Ok(Ok(_))));
    ask.show(answered?)
}
