//! What released files call things.
//!
//! Parameters here have the names of today's diffusers and transformers. Files in use were written over years: some names have changed since, some
//! tensors are buffers that are computed anew, some stand twice because they are tied, and some files hold a second model beside the one wanted.

use std::borrow::Cow;

/// A name in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said<'a> {
    /// A parameter, by the name it has here.
    Parameter(Cow<'a, str>),
    /// Nothing that the family's model needs: a buffer that is computed anew, or another model's.
    Foreign,
    /// A parameter that the family has in some configs only: foreign where the config has it not.
    Optional(Cow<'a, str>),
}

/// What `name` is in a file with weights of `family`.
pub fn said<'a>(family: &str, name: &'a str) -> Said<'a> {
    match family {
        "autoencoder-kl" => attention_names(name),
        "clip-text" => clip(name, "text_model", ["embeddings.token", "embeddings.position", "final_layer_norm"]),
        "clip-image" => clip(name, "vision_model", ["embeddings.", "pre_layrnorm", "post_layernorm"]),
        "t5-encoder" => t5(name),
        "inception" => inception(name),
        // Sines of places, which early versions of diffusers saved with the rest.
        "pixart" | "dit" if name == "pos_embed.pos_embed" => Said::Foreign,
        _ => Said::Parameter(name.into()),
    }
}

/// Attention in autoencoders until diffusers 0.12, and in files written with it: SD 1's and 2's.
fn attention_names(name: &str) -> Said<'_> {
    const SINCE: &[(&str, &str)] =
        &[(".query.", ".to_q."), (".key.", ".to_k."), (".value.", ".to_v."), (".proj_attn.", ".to_out.0.")];
    let renamed = SINCE.iter().find(|(old, _)| name.contains(old)).map(|(old, new)| name.replace(old, new));
    Said::Parameter(renamed.map_or(Cow::Borrowed(name), Cow::Owned))
}

/// Both towers in one file, or one; with transformers' prefix, or, as version 5 has it in memory, without.
fn clip<'a>(name: &'a str, own: &str, bare: [&str; 3]) -> Said<'a> {
    if name.ends_with("embeddings.position_ids") {
        return Said::Foreign; // 0, 1, 2 and so on
    }
    if bare.iter().any(|start| name.starts_with(start)) || name.starts_with("encoder.layers.") {
        return Said::Parameter(format!("{own}.{name}").into());
    }
    match name.split('.').next() {
        Some(part) if part == own => Said::Parameter(name.into()),
        Some("text_projection" | "logit_scale") if own == "text_model" => Said::Optional(name.into()),
        Some("visual_projection") if own == "vision_model" => Said::Parameter(name.into()),
        Some("text_model" | "vision_model" | "text_projection" | "visual_projection" | "logit_scale") => Said::Foreign,
        _ => Said::Parameter(name.into()),
    }
}

/// The table of words is tied and saved under either name or both; whole T5s have a decoder too.
fn t5(name: &str) -> Said<'_> {
    match name {
        "encoder.embed_tokens.weight" => Said::Parameter("shared.weight".into()),
        "lm_head.weight" => Said::Foreign,
        name if name.starts_with("decoder.") => Said::Foreign,
        name => Said::Parameter(name.into()),
    }
}

/// The classifiers behind the features, and a counter that training keeps.
fn inception(name: &str) -> Said<'_> {
    if name.starts_with("fc.") || name.starts_with("AuxLogits.") || name.ends_with(".num_batches_tracked") {
        return Said::Foreign;
    }
    Said::Parameter(name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_names_are_understood() {
        let parameter = |family: &str, name: &str| match said(family, name) {
            Said::Parameter(ours) => ours.into_owned(),
            other => panic!("{name} is {other:?}"),
        };
        let ours = parameter("autoencoder-kl", "decoder.mid_block.attentions.0.proj_attn.bias");
        assert_eq!(ours, "decoder.mid_block.attentions.0.to_out.0.bias");
        let ours = parameter("autoencoder-kl", "decoder.mid_block.attentions.0.to_q.bias");
        assert_eq!(ours, "decoder.mid_block.attentions.0.to_q.bias");
        assert_eq!(parameter("t5-encoder", "encoder.embed_tokens.weight"), "shared.weight");
        let ours = parameter("clip-text", "encoder.layers.3.mlp.fc1.bias");
        assert_eq!(ours, "text_model.encoder.layers.3.mlp.fc1.bias");
        assert_eq!(parameter("clip-image", "pre_layrnorm.bias"), "vision_model.pre_layrnorm.bias");
        assert_eq!(parameter("unet", "conv_in.weight"), "conv_in.weight");
    }

    #[test]
    fn what_belongs_to_others_is_left_alone() {
        let foreign = [
            ("clip-text", "text_model.embeddings.position_ids"),
            ("clip-text", "vision_model.encoder.layers.0.mlp.fc1.bias"),
            ("clip-image", "text_projection.weight"),
            ("clip-image", "logit_scale"),
            ("t5-encoder", "decoder.block.0.layer.0.SelfAttention.q.weight"),
            ("pixart", "pos_embed.pos_embed"),
            ("inception", "fc.weight"),
            ("inception", "Mixed_5b.branch1x1.bn.num_batches_tracked"),
        ];
        for (family, name) in foreign {
            assert_eq!(said(family, name), Said::Foreign, "{name}");
        }
        assert_eq!(said("clip-text", "logit_scale"), Said::Optional("logit_scale".into()));
    }
}
