//! `train-denoiser`: a text-conditioned denoiser trained on images with captions, or on what frozen networks made of them.

use isoflop_contract::{Complaint, Cost, Environment, Fed, Feeders, Kind, Misfit, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    artifact,
    encode::TextOutput,
    model::{Backbone, Denoiser, FrozenText, Latent, Text},
    plain,
    trained::Trained,
    trunk,
};

/// How to train a denoiser. Objective: predict what was mixed into an image at a random noise level (DDPM, arXiv 2006.11239).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainDenoiser {
    /// The denoising network.
    pub backbone: Backbone,
    /// The text encoder, trained with it.
    #[serde(default)]
    pub text: Text,
    /// What a frozen text encoder makes of the captions is read instead: what the ports `text` and `heldout_text` hold, which `encode-text` makes, or what the encoder at
    /// the port `reader` makes of them as they come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_text: Option<FrozenText>,
    /// Which of the outputs of the encoder at the port `reader` is read; `last`, unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_output: Option<TextOutput>,
    /// Latents are denoised instead of pixels: what the ports `latents` and `heldout_latents` hold, which `encode-latents` makes. At each step they are drawn
    /// anew from their means and deviations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent: Option<Latent>,
    /// Height and width of the images.
    #[serde(default = "resolution")]
    #[schemars(range(min = 1, max = 16384))]
    pub resolution: u64,
    /// Squares of `patch × patch` pixels, or latents, become the channels of one.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub patch: u64,
    /// The noise levels.
    #[serde(default)]
    pub noise: Noise,
    /// What the network's output stands for.
    #[serde(default)]
    pub prediction: Prediction,
    /// How much an error counts at each level.
    #[serde(default)]
    pub weighting: Weighting,
    /// Optimizer steps.
    #[schemars(range(min = 1))]
    pub steps: u64,
    /// Images a step.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub batch: u64,
    /// Images that go through the network at once: a divisor of `batch`, all of it unless said otherwise. Gradients of the parts are summed, so it
    /// decides the memory a step takes. Each part draws its own noise, so it is a part of the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub micro_batch: Option<u64>,
    /// The learning rate after warm-up.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub learning_rate: f64,
    /// Steps over which the learning rate rises from zero.
    #[serde(default)]
    pub warmup: u64,
    /// What the learning rate does after warm-up.
    #[serde(default)]
    pub schedule: Decay,
    /// With `schedule: wsd`, the steps at the end over which it falls; a tenth of `steps` unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decay_steps: Option<u64>,
    /// Decay rates of AdamW's two moments.
    #[serde(default = "betas")]
    #[schemars(inner(range(min = 0, max = 1)))]
    pub betas: [f64; 2],
    /// AdamW's epsilon.
    #[serde(default = "epsilon")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub epsilon: f64,
    /// AdamW's decoupled weight decay.
    #[serde(default = "weight_decay")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub weight_decay: f64,
    /// The parameters that decay.
    #[serde(default)]
    pub decays: Decays,
    /// The gradient's norm is held to this.
    #[serde(default = "clip")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub clip: f64,
    /// How often a caption is replaced by the empty one, so that guidance has something to guide away from.
    #[serde(default = "caption_dropout")]
    #[schemars(range(min = 0, max = 1))]
    pub caption_dropout: f64,
    /// How often an image is learned with one of its synthetic captions, picked evenly, instead of its own. The data must hold some.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub synthetic_captions: f64,
    /// Of each image's synthetic captions, the surest so many take part: 1 for the best alone. All that the data hold, unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub synthetic_top: Option<u64>,
    /// Keeps less for the backward pass and computes it again, block by block: the same bits with less memory, in about a third more time.
    #[serde(default)]
    pub recompute: bool,
    /// When a training is given up.
    #[serde(default)]
    pub health: Health,
    /// Keeps an average of the weights beside those that train, as a file of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema: Option<Ema>,
    /// The weights that the held-out loss is measured with.
    #[serde(default)]
    pub evaluate_weights: Weights,
    /// Held-out loss is measured every so many steps, and at the end.
    #[serde(default = "evaluate_every")]
    #[schemars(range(min = 1))]
    pub evaluate_every: u64,
    /// Held-out images it is measured on: the first so many, or all there are.
    #[serde(default = "evaluate_images")]
    #[schemars(range(min = 1))]
    pub evaluate_images: u64,
    /// Steps whose weights are kept as files of their own, in rising order, each with a held-out loss. Steps past the end are not reached, so that trainings of
    /// different lengths can share a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(range(min = 1)))]
    pub checkpoints: Vec<u64>,
    /// Keeps, with each checkpoint, all that another training needs to go on from it as its `trunk`: four times the weights, or five with `ema`.
    #[serde(default, with = "trunk::states")]
    #[schemars(with = "bool")]
    pub keep_states: bool,
    /// With `init`, which of the other model's weights to start from.
    #[serde(default)]
    pub init_weights: Weights,
    /// With `init`, the step of the checkpoint to start from, instead of the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub init_checkpoint: Option<u64>,
    /// All randomness follows from this number, instead of from the study's seed and the task's name and cell: so trainings that differ in one thing can
    /// share their starts, batches and noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// What the network's output stands for, given a noisy image `x_t = √ᾱ x + √(1 − ᾱ) ε`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Prediction {
    /// The noise ε itself, as with DDPM and latent diffusion.
    #[default]
    Epsilon,
    /// The velocity `v = √ᾱ ε − √(1 − ᾱ) x` (Salimans & Ho 2022, arXiv 2202.00512), so that `ε = √ᾱ v + √(1 − ᾱ) x_t`: the network starts as the
    /// best guess that knows no image, and sampling never divides by a small √ᾱ. Learns in far fewer steps.
    Velocity,
    /// The image x itself.
    Image,
}

/// How much the squared error of what is predicted counts at each level; `snr` is ᾱ / (1 − ᾱ). The held-out loss is always the plain mean squared error of
/// the noise, whatever is predicted and however it is weighted, so that trainings can be compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Weighting {
    /// As the squared error of the noise, whatever is predicted: DDPM's objective. 1 for `epsilon`, ᾱ for `velocity`, snr for `image`.
    #[default]
    Noise,
    /// All levels alike: 1.
    Output,
    /// As the squared error of the image times min(snr, γ), γ being the number given (Hang et al. 2023, arXiv 2303.09556; 5 there): min(snr, γ) / snr for `epsilon`,
    /// / (snr + 1) for `velocity`, / 1 for `image`.
    MinSnr(#[schemars(extend("exclusiveMinimum" = 0))] f64),
}

/// When a training is given up: at a loss or gradient that is no number, at once; or when the loss has left its bounds and does not come back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Health {
    /// A loss of more than so many times the running mean of those before is a spike. It is recorded in the series `loss_spike`. The first twenty make the mean.
    #[schemars(extend("exclusiveMinimum" = 1))]
    pub spike: f64,
    /// After so many spikes in a row the training has diverged.
    #[schemars(range(min = 1))]
    pub patience: u64,
}

impl Default for Health {
    fn default() -> Self {
        Self { spike: 4.0, patience: 20 }
    }
}

/// What the learning rate does after warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// It stays.
    #[default]
    Constant,
    /// It falls along half a cosine: step k of the n after warm-up, counted from 0, has `½ (1 + cos(π k / n))`. It would be zero one step after the last.
    Cosine,
    /// It stays, and falls over the last steps: step k of the f of the fall, counted from 0, has `1 − √(k / f)` (warm-up, stable, decay: Hägele et al. 2024,
    /// arXiv 2405.18392), so that the first still has all of it, and it would be zero one step after the last. Trainings of different lengths then share all but
    /// their falls.
    Wsd,
}

/// Parameters that weight decay pulls on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decays {
    /// All of them, as PyTorch's AdamW does unless told otherwise.
    #[default]
    Everything,
    /// Those of two dimensions or more: weights of linear layers and convolutions, and tables. Not biases and scales of normalizations.
    Matrices,
}

/// An exponential moving average of the weights: after each step, `average = decay · average + (1 − decay) · weights`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ema {
    /// The share of the average that a step leaves of it.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub decay: f64,
    /// Whether that share rises to `decay` at first, as `k / (9 + k)` at step `k`, so that the start is soon forgotten (diffusers' and
    /// TensorFlow's warm-up).
    #[serde(default = "yes")]
    pub ramp: bool,
}

/// Which of a denoiser's weights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// Those that trained.
    #[default]
    Raw,
    /// Their exponential moving average.
    Ema,
}

/// The noise levels: betas, each the share of noise that one level adds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Noise {
    /// How the betas go.
    pub schedule: Betas,
    /// Number of levels.
    #[schemars(range(min = 2, max = 1_000_000))]
    pub levels: u64,
    /// Beta at the first level. `cosine` does not use it.
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub start: f64,
    /// Beta at the last level. `cosine` does not use it.
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub end: f64,
    /// Whether √ᾱ is shifted and stretched so that the last level is all noise (Lin et al. 2023, arXiv 2305.08891). Sample with `spacing: trailing`.
    pub zero_terminal_snr: bool,
}

/// How betas go from level to level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Betas {
    /// Their square roots rise linearly, as in latent diffusion.
    #[default]
    ScaledLinear,
    /// They rise linearly, as in DDPM.
    Linear,
    /// ᾱ falls along a squared cosine; betas are held to 0.999 (Nichol & Dhariwal 2021, arXiv 2102.09672).
    Cosine,
}

impl Default for Noise {
    fn default() -> Self {
        Self { schedule: Betas::default(), levels: 1000, start: 0.00085, end: 0.012, zero_terminal_snr: false }
    }
}

fn resolution() -> u64 {
    16
}

fn one() -> u64 {
    1
}

fn betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn epsilon() -> f64 {
    1e-8
}

fn weight_decay() -> f64 {
    0.01
}

fn clip() -> f64 {
    1.0
}

fn caption_dropout() -> f64 {
    0.1
}

fn yes() -> bool {
    true
}

fn evaluate_every() -> u64 {
    500
}

fn evaluate_images() -> u64 {
    512
}

ports! {
    /// What training needs.
    pub struct Needs {
        /// Images with captions to learn from.
        data: One<artifact::Set>,
        /// Images with captions to measure the held-out loss on.
        heldout: One<artifact::Set>,
        /// The latents of `data`, where latents are denoised.
        latents: Maybe<artifact::Latents>,
        /// The latents of `heldout`.
        heldout_latents: Maybe<artifact::Latents>,
        /// The frozen text of `data`, where it is read.
        text: Maybe<artifact::Texts>,
        /// The frozen text of `heldout`.
        heldout_text: Maybe<artifact::Texts>,
        /// The frozen text encoder itself, which reads captions at each step: in the place of `text` and `heldout_text`, which are large where captions are many.
        reader: Maybe<artifact::Clip>,
        /// A denoiser to go on from, instead of from a fresh start: of the same backbone and text encoder, at this or another resolution.
        init: Maybe<artifact::Denoiser>,
        /// A training that is this one but for its length, and keeps its states: this one goes on from the latest that both share, and gives the bits it would give alone.
        trunk: Maybe<artifact::Denoiser>,
    }
}

impl TrainDenoiser {
    /// What is trained.
    pub fn denoiser(&self) -> Denoiser {
        let (backbone, text) = (self.backbone.clone(), self.text.clone());
        let (resolution, patch, latent, frozen_text) = (self.resolution, self.patch, self.latent, self.frozen_text);
        Denoiser { backbone, text, resolution, patch, latent, frozen_text }
    }

    /// The steps at the end over which the learning rate falls, where it does.
    pub fn falls(&self) -> u64 {
        self.decay_steps.unwrap_or(self.steps.div_ceil(10))
    }

    /// Says of the denoiser that it is to go on from that it is another network, if so.
    fn unlike(&self, init: &Value) -> Option<Misfit> {
        let (field, own, other) = self.denoiser().differs(&Self::deserialize(init).ok()?.denoiser())?;
        let problem = format!("goes on from a denoiser whose `{field}` is {other}, and here it is {own}");
        let hint = match field.as_str() {
            "backbone.sample_size" => format!(
                "places of tokens would lie where nothing was learned: say `sample_size: {other}` in `backbone`, so that they divide the same span"
            ),
            _ => "weights that fit would mean something else: say the same in both".to_owned(),
        };
        Some(Misfit { port: "init", problem, hint })
    }

    /// Images that go through the network at once.
    pub fn part(&self) -> u64 {
        self.micro_batch.unwrap_or(self.batch)
    }

    /// In how many such parts a batch goes through the network: as many processes can share it.
    pub fn parts(&self) -> u64 {
        self.batch / self.part()
    }
}

impl Noise {
    /// Refuses what is no schedule.
    pub fn check(&self, at: &str) -> Result<(), Complaint> {
        let field = |name: &str| format!("{at}.{name}");
        Complaint::unless((2..=1_000_000).contains(&self.levels), &field("levels"), "must be between 2 and 1000000")?;
        Complaint::unless(self.start > 0.0 && self.start < 1.0, &field("start"), "must lie between 0 and 1")?;
        Complaint::unless(self.end > self.start && self.end < 1.0, &field("end"), "must lie between `start` and 1")
    }
}

impl Kind for TrainDenoiser {
    const NAME: &'static str = "train-denoiser";
    // 1: first version. 2: libtorch's fused AdamW by segment; the whole recipe: micro-batches added along a tree, decay groups, averages,
    // weightings, schedules, `init`.
    const REVISION: u32 = 2;
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = true;
    const FOLLOWS: &'static [&'static str] = &["init", trunk::PORT];
    const ABOUT: &'static str = "Trains a text-conditioned denoiser on scenes and measures its held-out loss.";
    const EXAMPLE: &'static str = "\
backbone:
  family: unet
  channels: [16, 32, 64]
  layers_per_block: 1
  transformer_depth: [0, 1, 1]
  head_dim: 16
  cross_attention_dim: 64
  norm_groups: 8
steps: 600
batch: 32
learning_rate: 2e-3
warmup: 50
schedule: cosine
";
    type Needs = Needs;
    type Makes = artifact::Denoiser;

    fn check(&self) -> Result<(), Complaint> {
        Complaint::unless(self.init_checkpoint != Some(0), "init_checkpoint", "is a step, and the first is 1")?;
        self.denoiser().check()?;
        self.noise.check("noise")?;
        let [first, second] = self.betas;
        let blind = self.noise.zero_terminal_snr && self.prediction == Prediction::Epsilon;
        Complaint::unless(
            !blind,
            "prediction",
            "must not be `epsilon` with `zero_terminal_snr`: pure noise says nothing of an image",
        )?;
        if let Weighting::MinSnr(gamma) = self.weighting {
            Complaint::unless(gamma > 0.0 && gamma.is_finite(), "weighting.min-snr", "must be positive")?;
        }
        self.weighting.teaches(self.prediction, &self.noise)?;
        let positive = |x: f64| x > 0.0 && x.is_finite();
        Complaint::unless(self.steps > 0, "steps", "must be positive")?;
        Complaint::unless((1..=1 << 20).contains(&self.batch), "batch", "must be between 1 and 1048576")?;
        let parts = self.micro_batch.is_none_or(|micro| micro > 0 && self.batch.is_multiple_of(micro));
        Complaint::unless(parts, "micro_batch", "must divide `batch`")?;
        plain::warms_up(self.warmup, self.steps, 0)?;
        let falls = self.decay_steps.is_none() || self.schedule == Decay::Wsd;
        Complaint::unless(falls, "decay_steps", "goes with `schedule: wsd` alone")?;
        let fits = self.schedule != Decay::Wsd || self.falls() <= self.steps - self.warmup;
        Complaint::unless(fits, "decay_steps", "is longer than what warm-up leaves of the training")?;
        let falls = self.schedule != Decay::Wsd || self.falls() > 1;
        Complaint::unless(
            falls,
            "decay_steps",
            "is one step, which still has the whole rate, so that it never falls: say 2 or more",
        )?;
        Complaint::unless(positive(self.learning_rate), "learning_rate", "must be positive")?;
        let rates = (0.0..1.0).contains(&first) && (0.0..1.0).contains(&second);
        Complaint::unless(rates, "betas", "must lie between 0 and 1, 1 left out")?;
        Complaint::unless(positive(self.epsilon), "epsilon", "must be positive")?;
        Complaint::unless((0.0..1.0).contains(&self.weight_decay), "weight_decay", "must lie between 0 and 1")?;
        Complaint::unless(positive(self.clip), "clip", "must be positive")?;
        let share = (0.0..=1.0).contains(&self.caption_dropout);
        Complaint::unless(share, "caption_dropout", "is a share, so between 0 and 1")?;
        let share = (0.0..=1.0).contains(&self.synthetic_captions);
        Complaint::unless(share, "synthetic_captions", "is a share, so between 0 and 1")?;
        let some = self.synthetic_top.is_none_or(|top| (1..=1024).contains(&top));
        Complaint::unless(some, "synthetic_top", "must be between 1 and 1024")?;
        let mixed = self.synthetic_top.is_none() || self.synthetic_captions > 0.0;
        Complaint::unless(
            mixed,
            "synthetic_top",
            "chooses among synthetic captions, and `synthetic_captions` uses none",
        )?;
        let kept = !self.keep_states || !self.checkpoints.is_empty();
        Complaint::unless(kept, "keep_states", "keeps a state with each of the `checkpoints`, and there are none")?;
        let Health { spike, patience } = self.health;
        Complaint::unless(spike > 1.0 && spike.is_finite(), "health.spike", "must be more than 1")?;
        Complaint::unless(patience > 0, "health.patience", "must be positive")?;
        let rising = self.checkpoints.first() != Some(&0) && self.checkpoints.is_sorted_by(|a, b| a < b);
        Complaint::unless(rising, "checkpoints", "must be steps from 1 in rising order")?;
        if let Some(Ema { decay, .. }) = self.ema {
            Complaint::unless((0.0..1.0).contains(&decay), "ema.decay", "must lie between 0 and 1, 1 left out")?;
        }
        let there = self.ema.is_some() || self.evaluate_weights == Weights::Raw;
        Complaint::unless(there, "evaluate_weights", "asks for an average, and no `ema` is kept")?;
        Complaint::unless(self.evaluate_every > 0, "evaluate_every", "must be positive")?;
        Complaint::unless(self.evaluate_images > 0, "evaluate_images", "must be positive")
    }

    fn seeded(&self) -> bool {
        self.seed.is_none()
    }

    fn shares(&self) -> u64 {
        self.parts()
    }

    fn suits(&self, fed: &Fed<'_>) -> Vec<Complaint> {
        let live = fed.ports.contains_key("reader");
        let texts: &[&str] = if live { &["reader"] } else { &["text", "heldout_text"] };
        let space = ("latent", "{ channels, shrink }", self.latent.is_some(), &["latents", "heldout_latents"][..]);
        let text = ("frozen_text", "{ tokens, width }", self.frozen_text.is_some(), texts);
        let tied = [space, text].into_iter().flat_map(|(field, form, said, ports)| {
            ports.iter().filter_map(move |port| match (said, fed.ports.contains_key(port)) {
                (true, false) => {
                    Some(Complaint::new(field, format!("asks for what is fed to the port `{port}`, and nothing is")))
                }
                (false, true) => {
                    let problem = format!("is fed the port `{port}` and does not say `{field}: {form}`");
                    Some(Complaint::new("", problem))
                }
                _ => None,
            })
        });
        let twice =
            ["text", "heldout_text"].into_iter().filter(|port| live && fed.ports.contains_key(port)).map(|port| {
                let problem =
                    format!("is fed the port `{port}` and the port `reader`, which stands in its place: leave one out");
                Complaint::new("", problem)
            });
        let unread = (self.text_output.is_some() && !live)
            .then(|| Complaint::new("text_output", "is of the encoder at the port `reader`, and nothing is fed there"));
        let asked =
            [("init_checkpoint", self.init_checkpoint.is_some()), ("init_weights", self.init_weights == Weights::Ema)];
        let unfed = asked
            .into_iter()
            .find(|(_, asked)| *asked && !fed.ports.contains_key("init"))
            .map(|(field, _)| Complaint::new(field, "is of the denoiser at the port `init`, and nothing is fed there"));
        // Latents that are fed and not said are complained of already; and a backbone for them is none for pixels.
        let pixels = self.latent.is_none() && !fed.ports.contains_key("latents");
        let unfit = pixels.then(|| self.denoiser().check_channels().err()).flatten();
        tied.chain(twice).chain(unread).chain(unfed).chain(unfit).collect()
    }

    fn follows(&self, feeders: &Feeders<'_>, here: &Environment) -> Vec<Misfit> {
        let init = feeders("init");
        let lacks =
            Trained::behind(init).and_then(|other| other.lacks("init", self.init_weights, self.init_checkpoint));
        let unlike = init.filter(|init| init.kind == Self::NAME).and_then(|init| self.unlike(init.spec));
        lacks.into_iter().chain(unlike).chain(self.strays(feeders(trunk::PORT), here)).collect()
    }

    fn cost(&self) -> Cost {
        let count = self.denoiser().count();
        Cost::training(count.params, count.macs, self.batch, self.steps)
    }
}
