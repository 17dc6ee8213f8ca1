//! CLIP's towers (Radford et al. 2021, arXiv 2103.00020), for the configs of `isoflop_kinds::model::{ClipText, ClipImage}`.

use isoflop_kinds::model::{self, Activation};
use tch::{Kind, Tensor, no_grad};

use crate::nn::{Embedding, Filter, FilterShape, Init, LayerNorm, Linear, Path, attend};

/// The text tower.
#[derive(Debug)]
pub struct ClipText {
    token_embedding: Embedding,
    position_embedding: Embedding,
    layers: Vec<Layer>,
    final_layer_norm: LayerNorm,
    text_projection: Option<Linear>,
    /// Held because weights hold it; nothing that is read from text depends on it.
    logit_scale: Option<Tensor>,
    end: i64,
}

/// What is read from a text.
#[derive(Debug)]
pub struct TextReading {
    /// Tokens behind the last layer, normalized: `[B, T, width]`. What SD 1 reads, and SD 2 from its file of 23 layers.
    pub last: Tensor,
    /// Tokens behind the last layer but one, as they are: `[B, T, width]`. What SDXL reads.
    pub penultimate: Tensor,
    /// The same, normalized as the last ones are: what SD 2 reads from a tower with all its layers.
    pub penultimate_normed: Tensor,
    /// The last token, normalized: `[B, width]`.
    pub pooled: Tensor,
    /// The same in the space shared with images, `[B, projection]`, where the weights have that projection.
    pub projected: Option<Tensor>,
}

impl ClipText {
    /// A tower of this config, which has been checked.
    pub fn new(path: &Path, config: &model::ClipText) -> Self {
        let width = config.tower.width as i64;
        let inside = path / "text_model";
        let embeddings = &inside / "embeddings";
        let table = |name: &str, rows: u64| Embedding::new(&(&embeddings / name), rows as i64, width, 0.02);
        Self {
            token_embedding: table("token_embedding", config.vocabulary),
            position_embedding: table("position_embedding", config.tokens),
            layers: layers(&inside, &config.tower),
            final_layer_norm: LayerNorm::new(&(&inside / "final_layer_norm"), width),
            text_projection: config
                .projection
                .map(|projection| Linear::unbiased(&(path / "text_projection"), width, projection as i64)),
            logit_scale: config.logit_scale.then(|| path.param("logit_scale", &[], Init::Zeros)),
            end: config.end as i64,
        }
    }

    /// Token numbers `[B, T]`, at most as many as the config's `tokens`.
    pub fn forward(&self, ids: &Tensor) -> TextReading {
        let (_, length) = ids.size2().expect("token numbers have two dimensions");
        let positions = self.position_embedding.rows().narrow(0, 0, length);
        let mut h = self.token_embedding.forward(ids) + positions;

        // No token sees a later one.
        let unseen = Tensor::full([length, length], f64::NEG_INFINITY, (h.kind(), h.device())).triu(1);
        let mut before = h.shallow_clone();
        for layer in &self.layers {
            before = h;
            h = layer.forward(&before, Some(&unseen));
        }
        let last = self.final_layer_norm.forward(&h);

        // A text is read off at its first end.
        let ends = ids.eq(self.end).to_kind(Kind::Int64).argmax(1, false); // [B]
        let place = ends.view([-1, 1, 1]).expand([-1, 1, last.size()[2]], false);
        let pooled = last.gather(1, &place, false).squeeze_dim(1);
        TextReading {
            projected: self.text_projection.as_ref().map(|projection| projection.forward(&pooled)),
            penultimate_normed: self.final_layer_norm.forward(&before),
            penultimate: before,
            last,
            pooled,
        }
    }

    /// The logarithm of the contrastive loss's inverse temperature, where the weights hold it.
    pub fn logit_scale(&self) -> Option<&Tensor> {
        self.logit_scale.as_ref()
    }
}

/// The image tower.
#[derive(Debug)]
pub struct ClipImage {
    class_embedding: Tensor,
    patch_embedding: Filter,
    position_embedding: Embedding,
    pre_layrnorm: LayerNorm,
    layers: Vec<Layer>,
    post_layernorm: LayerNorm,
    visual_projection: Linear,
}

/// What is read from an image.
#[derive(Debug)]
pub struct ImageReading {
    /// Tokens behind the last layer, as they are: `[B, 1 + patches, width]`.
    pub last: Tensor,
    /// The image's own token, normalized: `[B, width]`.
    pub pooled: Tensor,
    /// The same in the space shared with text: `[B, projection]`.
    pub projected: Tensor,
}

impl ClipImage {
    /// Channels' means and deviations that images are brought to zero and one by.
    pub const MEAN: [f64; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
    /// See [`MEAN`](Self::MEAN).
    pub const DEVIATION: [f64; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];

    /// A tower of this config, which has been checked.
    pub fn new(path: &Path, config: &model::ClipImage) -> Self {
        let (width, patch) = (config.tower.width as i64, config.patch as i64);
        let inside = path / "vision_model";
        let embeddings = &inside / "embeddings";
        let shape = FilterShape { from: 3, to: width, kernel: [patch, patch], stride: patch, padding: [0, 0] };
        let norm = |name: &str| LayerNorm::new(&(&inside / name), width);
        Self {
            class_embedding: embeddings.param("class_embedding", &[width], Init::Normal(0.02)),
            patch_embedding: Filter::new(&(&embeddings / "patch_embedding"), shape, Init::Normal(0.02), false),
            position_embedding: {
                Embedding::new(&(&embeddings / "position_embedding"), config.tokens() as i64, width, 0.02)
            },
            pre_layrnorm: norm("pre_layrnorm"),
            layers: layers(&inside, &config.tower),
            post_layernorm: norm("post_layernorm"),
            visual_projection: { Linear::unbiased(&(path / "visual_projection"), width, config.projection as i64) },
        }
    }

    /// Images `[B, 3, R, R]`, already brought to CLIP's mean and deviation.
    pub fn forward(&self, images: &Tensor) -> ImageReading {
        let patches = self.patch_embedding.forward(images).flatten(2, 3).transpose(1, 2); // [B, patches, width]
        let batch = images.size()[0];
        let class = self.class_embedding.view([1, 1, -1]).expand([batch, -1, -1], false);
        let h = Tensor::cat(&[class, patches], 1) + self.position_embedding.rows();
        let h = self.pre_layrnorm.forward(&h);
        let last = self.layers.iter().fold(h, |h, layer| layer.forward(&h, None));
        let pooled = self.post_layernorm.forward(&last.select(1, 0));
        ImageReading { projected: self.visual_projection.forward(&pooled), last, pooled }
    }
}

/// Both towers, as they are trained.
#[derive(Debug)]
pub struct Clip {
    text: ClipText,
    image: ClipImage,
}

impl Clip {
    /// The inverse temperature at most.
    const SHARPEST: f64 = 100.0;

    /// Towers of these configs, which have been checked: the text tower has a projection into the same space, and a temperature.
    pub fn new(path: &Path, text: &model::ClipText, image: &model::ClipImage) -> Self {
        Self { text: ClipText::new(path, text), image: ClipImage::new(path, image) }
    }

    /// Token numbers `[B, T]` as directions `[B, P]`.
    pub fn read(&self, ids: &Tensor) -> Tensor {
        direction(&self.text.forward(ids).projected.expect("the text tower has a projection"))
    }

    /// Images `[B, 3, R, R]`, already brought to CLIP's mean and deviation, as directions `[B, P]`.
    pub fn see(&self, images: &Tensor) -> Tensor {
        direction(&self.image.forward(images).projected)
    }

    /// What cosines are multiplied by: the inverse temperature.
    pub fn sharpness(&self) -> Tensor {
        self.logarithm().clamp_max(Self::SHARPEST.ln()).exp()
    }

    /// Starts the inverse temperature at this.
    pub fn sharpen(&self, sharpness: f64) {
        no_grad(|| drop(self.logarithm().shallow_clone().fill_(sharpness.ln())));
    }

    /// The logarithm of the inverse temperature.
    fn logarithm(&self) -> &Tensor {
        self.text.logit_scale().expect("the text tower has a temperature")
    }

    /// Whether the parameter `name` lies in one of the first layers, so many of the text tower and of the image tower, or in the embeddings before them. Nothing does where
    /// there are none.
    pub fn is_early(name: &str, (text, image): (u64, u64)) -> bool {
        [("text_model", text), ("vision_model", image)].into_iter().any(|(tower, layers)| {
            let Some(inside) = name.strip_prefix(tower).and_then(|rest| rest.strip_prefix('.')) else { return false };
            let number = inside.strip_prefix("encoder.layers.").and_then(|rest| rest.split('.').next()?.parse().ok());
            layers > 0
                && match number {
                    Some(layer) => layers > layer,
                    None => ["embeddings.", "pre_layrnorm."].iter().any(|first| inside.starts_with(first)),
                }
        })
    }
}

/// At unit length.
fn direction(x: &Tensor) -> Tensor {
    x / x.norm_scalaropt_dim(2, 1, true).clamp_min(1e-12)
}

fn layers(path: &Path, tower: &model::Tower) -> Vec<Layer> {
    (0..tower.layers).map(|i| Layer::new(&(path / "encoder.layers" / i), tower)).collect()
}

/// Self-attention and a feed-forward, each behind a normalization and beside an identity.
#[derive(Debug)]
struct Layer {
    name: String,
    norm1: LayerNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    heads: i64,
    activation: Activation,
}

impl Layer {
    fn new(path: &Path, tower: &model::Tower) -> Self {
        let (width, mlp) = (tower.width as i64, tower.mlp as i64);
        let attention = path / "self_attn";
        let linear = |name: &str| Linear::new(&(&attention / name), width, width);
        Self {
            name: attention.name().to_owned(),
            norm1: LayerNorm::new(&(path / "layer_norm1"), width),
            q_proj: linear("q_proj"),
            k_proj: linear("k_proj"),
            v_proj: linear("v_proj"),
            out_proj: linear("out_proj"),
            norm2: LayerNorm::new(&(path / "layer_norm2"), width),
            fc1: Linear::new(&(path / "mlp.fc1"), width, mlp),
            fc2: Linear::new(&(path / "mlp.fc2"), mlp, width),
            heads: tower.heads as i64,
            activation: tower.activation,
        }
    }

    /// `[B, T, width]` to the same; `unseen` is added to the scores.
    fn forward(&self, x: &Tensor, unseen: Option<&Tensor>) -> Tensor {
        let h = self.norm1.forward(x);
        let (q, k, v) = (self.q_proj.forward(&h), self.k_proj.forward(&h), self.v_proj.forward(&h));
        let x = x + self.out_proj.forward(&attend(&self.name, [&q, &k, &v], self.heads, unseen));
        let h = self.fc1.forward(&self.norm2.forward(&x));
        let h = match self.activation {
            Activation::Gelu => h.gelu("none"),
            Activation::QuickGelu => &h * (&h * 1.702).sigmoid(),
        };
        x + self.fc2.forward(&h)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_early_is_told_by_its_name() {
        let early = |name: &str| Clip::is_early(name, (1, 11));
        for name in [
            "text_model.embeddings.token_embedding.weight",
            "text_model.encoder.layers.0.mlp.fc1.bias",
            "vision_model.embeddings.class_embedding",
            "vision_model.pre_layrnorm.weight",
            "vision_model.encoder.layers.10.self_attn.q_proj.weight",
        ] {
            assert!(early(name) && !Clip::is_early(name, (0, 0)), "{name}");
        }
        for name in [
            "text_model.encoder.layers.1.mlp.fc1.bias",
            "text_model.final_layer_norm.weight",
            "text_projection.weight",
            "vision_model.encoder.layers.11.self_attn.q_proj.weight",
            "vision_model.post_layernorm.bias",
            "visual_projection.weight",
            "logit_scale",
        ] {
            assert!(!early(name), "{name}");
        }
    }
}
