//! Grading against a sealed exercise: its text is opened, the claims are put into it, and it is graded as if it had been sent.
//!
//! Whoever claims cannot see the exercise, so nothing of it may stand in what goes wrong with it, and no rule may be sent beside it.

use super::grade::{claims_of, posed};
use super::{Failure, Request};
use crate::config::Limits;
use crate::seal;
use crate::spec::decode::Fields;
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json;

/// The request that a request with a sealed exercise means; nothing where it has none.
///
/// # Errors
/// It says more than the exercise and the claims, or no key of ours sealed the exercise.
pub(super) fn opened(request: Request<'_>, limits: &Limits) -> Result<Option<Vec<u8>>, Failure> {
    if json::member(request.problem, "sealed").is_none() {
        return Ok(None);
    }
    let (token, claims) = read(request, limits)?;
    let keys = request.library.map_or(&[][..], |library| library.seal_keys());
    let detail = if keys.is_empty() {
        "no key for sealed exercises is here: the operator names one with --seal-key"
    } else {
        "this exercise was not sealed with a key that is known here, or it was altered or cut short: send the token as it was given out"
    };
    let text = seal::open(&token, keys).and_then(|text| posed(&text, &request.problem[claims]));
    text.map(Some).ok_or_else(|| at_seal(Code::UnreadableSeal, detail))
}

/// What goes wrong with an opened exercise, without a word of what stands in it.
pub(super) fn veiled(failure: Failure) -> Failure {
    let invalid = "the sealed exercise cannot be graded by this version of the service: whoever sealed it should seal it again";
    match failure {
        Failure::OverLimit(_) => {
            let mut faults = Faults::new(1);
            let detail = "the sealed exercise takes more than a limit of this service allows";
            faults.push(At::ROOT.name("sealed"), Code::LimitExceeded, detail);
            Failure::OverLimit(faults)
        }
        Failure::Malformed(_) | Failure::Invalid(_) | Failure::UnknownNetwork { .. } => at_seal(Code::UnreadableSeal, invalid),
        Failure::Stopped(stop) => Failure::Stopped(stop),
    }
}

/// The token, and where the claims stand in the request's text.
fn read(request: Request<'_>, limits: &Limits) -> Result<(String, std::ops::Range<usize>), Failure> {
    let mut faults = Faults::new(limits.faults);
    let json = json::parse(request.problem, limits).map_err(Failure::Malformed)?;
    let token = Fields::of(json, At::ROOT, &mut faults).and_then(|mut fields| {
        let token = fields.require("sealed", &mut faults);
        let token = token.and_then(|json| crate::spec::decode::string(json, At::ROOT.name("sealed"), &mut faults));
        let at = At::ROOT.name("grade");
        let grade = fields.require("grade", &mut faults);
        if let Some(mut grade) = grade.and_then(|json| Fields::of(json, at, &mut faults)) {
            grade.require("claims", &mut faults);
            let detail = "the rules are sealed with the exercise: \"grade\" holds the claims alone";
            grade.rest().iter().for_each(|(name, _)| faults.push(at.name(name), Code::UnknownField, detail));
        }
        let detail = "the exercise is sealed: beside \"sealed\" stands \"grade\" alone";
        fields.rest().iter().for_each(|(name, _)| faults.push(At::ROOT.name(name), Code::UnknownField, detail));
        token
    });
    let parts = [("parameters", request.parameters), ("inputs", request.inputs), ("targets", request.targets)];
    for (name, _) in parts.iter().filter(|(_, part)| part.is_some()) {
        faults.push(At::ROOT.name(name), Code::UnknownField, format!("the exercise is sealed: it takes no part \"{name}\""));
    }
    let claims = claims_of(request.problem);
    if faults.is_empty() && claims.is_none() {
        // They were read, so their names are written with escapes.
        faults.push(
            At::ROOT.name("grade"),
            Code::MissingField,
            "\"claims\" is missing: write \"grade\" and \"claims\" without escapes",
        );
    }
    match token.zip(claims).filter(|_| faults.is_empty()) {
        Some((token, claims)) => Ok((token.into_owned(), claims)),
        None => Err(Failure::Invalid(faults)),
    }
}

fn at_seal(code: Code, detail: &str) -> Failure {
    let mut faults = Faults::new(1);
    faults.push(At::ROOT.name("sealed"), code, detail);
    Failure::Invalid(faults)
}
