//! What losses are made of. Clients name the losses, not these; targets are constants and get no cotangent.

mod bce;
mod bce_with_logits;
mod cross_entropy;
mod huber;
mod kl_div;
mod smooth_l1;

pub use bce::Bce;
pub use bce_with_logits::BceWithLogits;
pub use cross_entropy::{CrossEntropy, Of};
pub use huber::Huber;
pub use kl_div::KlDiv;
pub use smooth_l1::SmoothL1;
