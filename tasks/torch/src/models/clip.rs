//! CLIP's towers (Radford et al. 2021, arXiv 2103.00020), for the configs of `isoflop_kinds::model::{ClipText, ClipImage}`.

use isoflop_kinds::model::{self, Activation};
use tch::{Kind, Tensor};

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
