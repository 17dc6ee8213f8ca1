//! Bodies: one file a kind.

#![expect(clippy::needless_pass_by_value, reason = "a body owns its spec and its needs")]

mod examine;
mod sample_images;
mod score_alignment;
mod settle;
mod train_denoiser;
mod train_vqa;

use isoflop_worker::Body;

/// The bodies of all kinds that need libtorch.
pub fn bodies() -> Vec<Body> {
    vec![
        Body::of(train_denoiser::run),
        Body::of(sample_images::run),
        Body::of(train_vqa::run),
        Body::of(score_alignment::run),
    ]
}
