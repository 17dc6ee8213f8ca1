//! Bodies: one file a kind.

#![expect(clippy::needless_pass_by_value, reason = "a body owns its spec and its needs")]

mod aesthetic;
mod asked;
mod encode_latents;
mod encode_text;
mod encoder;
mod examine;
mod examples;
mod head;
mod latent;
mod live;
mod mixing;
mod numbering;
mod outside;
mod pairs;
mod plain;
mod record;
mod reward;
mod sample_images;
mod score_aesthetic;
mod score_alignment;
mod score_clip;
mod score_frechet;
mod score_reward;
mod settle;
mod shards;
mod standing;
mod start;
mod towers;
mod train_aesthetic;
mod train_clip;
mod train_denoiser;
mod train_reward;
mod train_vae;
mod train_vqa;
mod trunk;
mod tune_clip;

use isoflop_worker::Body;

/// The bodies of all kinds that need libtorch.
pub fn bodies() -> Vec<Body> {
    vec![
        Body::of(train_denoiser::run),
        Body::of(sample_images::run),
        Body::of(train_vqa::run),
        Body::of(score_alignment::run),
        Body::of(score_clip::run),
        Body::of(score_frechet::run),
        Body::of(score_aesthetic::run),
        Body::of(score_reward::run),
        Body::of(train_aesthetic::run),
        Body::of(train_reward::run),
        Body::of(tune_clip::run),
        Body::of(train_vae::run),
        Body::of(train_clip::run),
        Body::of(encode_latents::run),
        Body::of(encode_text::run),
    ]
}
