//! Bodies: one file a kind.

#![expect(clippy::needless_pass_by_value, reason = "a body owns its spec and its needs")]

mod encode_latents;
mod encode_text;
mod encoder;
mod examine;
mod latent;
mod plain;
mod sample_images;
mod score_alignment;
mod settle;
mod shards;
mod start;
mod train_clip;
mod train_denoiser;
mod train_vae;
mod train_vqa;
mod trunk;

use isoflop_worker::Body;

/// The bodies of all kinds that need libtorch.
pub fn bodies() -> Vec<Body> {
    vec![
        Body::of(train_denoiser::run),
        Body::of(sample_images::run),
        Body::of(train_vqa::run),
        Body::of(score_alignment::run),
        Body::of(train_vae::run),
        Body::of(train_clip::run),
        Body::of(encode_latents::run),
        Body::of(encode_text::run),
    ]
}
