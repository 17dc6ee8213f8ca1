//! The shapes of artifacts, and what is in each.

use isoflop_contract::Artifact;

macro_rules! artifacts {
    ($( $(#[doc = $about:literal])* $name:ident = $shape:literal; )*) => { $(
        $(#[doc = $about])*
        #[derive(Debug)]
        pub enum $name {}

        impl Artifact for $name {
            const SHAPE: &'static str = $shape;
        }
    )* };
}

artifacts! {
    /// Drawn scenes with captions and questions.
    ///
    /// - `scenes.safetensors`: `images` u8 `[N, 3, R, R]`; `captions` i32 `[N, L]`, word numbers, 0 where the caption has ended. A set with synthetic
    ///   captions has `synthetic` i32 `[N, S, L]`, the surest first, and `confidence` f32 `[N, S]`; one with degraded images `quality` f32 `[N]`, 10 at best.
    /// - `questions.safetensors`: `scene` i32 `[Q]`, the scene asked about; `words` i32 `[Q, M]`, padded with 0; `answer` i32 `[Q]`, number of the
    ///   right answer; `category` i32 `[Q]`.
    /// - `vocabulary.json`: `words`, `answers`, `categories`, each a list of strings in the order of their numbers (`words[0]` is the padding).
    /// - `scenes.jsonl`: one line a scene with its caption, objects and questions, for people.
    /// - `preview.png`: the first scenes.
    Scenes = "scenes";
    /// A part of a set of images from elsewhere, its captions in numbered words: what scenes are but for questions.
    ///
    /// - `scenes.safetensors`: `images` u8 `[N, 3, R, R]`, which a set may lack whose latents stand for them, or that is prompts alone; `captions` i32 `[N, L]`, word
    ///   numbers, 0 where the caption has ended; where asked for, `synthetic` i32 `[N, S, L]`, the best first; `quality` f32 `[N]` where the set has it.
    /// - `vocabulary.json`: `words` (`words[0]` is the padding, `words[1]` any word that is not among them), and `answers` and `categories`, which are empty.
    /// - `texts.jsonl`: a line an image: `source`, `caption` and `synthetic` as they were, for encoders with a tokenizer of their own.
    /// - `preview.png`: the first images.
    Captioned = "captioned";
    /// Images with captions: drawn ones, or from elsewhere.
    Set = "scenes or captioned";
    /// A trained denoiser: `model.safetensors` (the weights that trained), `ema.safetensors` (their average, where `ema` was asked for), for each
    /// checkpoint that was asked for the same two as `checkpoints/<step>.safetensors` and `checkpoints/<step>-ema.safetensors`, where states were
    /// kept `checkpoints/<step>-state.safetensors` and `trunk.json` (what was trained on what), `config.json` (the
    /// backbone), `words.json` (the words that its own text encoder knows, in the order of their numbers, unless those are of drawn scenes), `history.csv` (step,
    /// loss, held-out loss).
    Denoiser = "denoiser";
    /// Images sampled for the captions of a set of scenes, in their order: `images.safetensors` (`images` u8 `[N, 3, R, R]`), `preview.png`.
    Images = "images";
    /// A trained question-answering network: `model.safetensors`, `config.json`.
    Vqa = "vqa";
    /// An autoencoder, trained here or released: `config.json` (a config of the family `autoencoder-kl`), `model.safetensors` (diffusers' names);
    /// of one trained here also `history.csv` and `preview.png` (held-out images, each above what came out).
    Vae = "vae";
    /// A text encoder and perhaps an image tower that goes with it, trained here or released.
    ///
    /// - `config.json`: `text`, a config of the family `clip-text` or `t5-encoder`; `image`, one of `clip-image` or `null`; and either `words`, the list of
    ///   words in the order of their numbers (captions are their numbers, filled up with the config's `end`), or `convention` (`clip`, `openclip`, `t5`) and
    ///   a `tokenizer.json` beside it.
    /// - `model.safetensors` (transformers' names; both towers in one file).
    Clip = "clip";
    /// What an autoencoder makes of the images of a set of scenes, in their order.
    ///
    /// - `latents-00000.safetensors` and so on: `mean` and `deviation`, f32 `[N, C, H, W]`, of each latent number, as they come.
    /// - `config.json`, version 1: `network` (the autoencoder's config), `scaling_factor` (what latents are multiplied by), `resolution`, `vae` and `data` (digests),
    ///   `shards` (`file`, `rows`, and `digest`, which a program that makes latents may leave out).
    Latents = "latents";
    /// What a frozen text encoder makes of the captions of a set of scenes, in their order.
    ///
    /// - `texts-00000.safetensors` and so on: `tokens` f32 `[N, T, W]`, `pooled` f32 `[N, P]`, `mask` i64 `[N, T]`; `empty.safetensors`: the same of the
    ///   empty caption, one row.
    /// - Where synthetic captions were asked for, `synthetic-00000.safetensors` and so on: the same of `count` captions an image, one after the other.
    /// - `config.json`, version 1: `output`, `text` and `data` (digests), `shards` (`file`, `rows`, `digest`); `synthetic` (`count`, `shards`) where there are some.
    Texts = "texts";
    /// Inception-v3's weights up to its last pooling: `config.json` (a config of the family `inception`), `model.safetensors` (pytorch-fid's names).
    Inception = "inception";
    /// A score, or several of one sort.
    ///
    /// - `metric.json`, version 2: `metric`, `definition`, `preprocessing`, `inputs` (by port, the digest of each artifact that the score rests on), `bootstrap`,
    ///   `level`, `scores` (each `name`, `value`, `lower`, `upper`, `stderr`, `n`) and `beside` (numbers to hold them against, by name).
    /// - `values.csv`: the score of every prompt or image, where it is a mean of such.
    Score = "score";
    /// A head that tells how good images look.
    ///
    /// - `config.json`, version 1: `head` (`hidden`, `between`), `width` (of the features), `features` (`pooled`, `projected`), `direction` (whether features are
    ///   brought to unit length before), `mean` and `deviation` (what is said is `mean + deviation f`), `clip` (the digest of the towers, or `null` for any).
    /// - `model.safetensors`: `layers.0.weight` and so on; of one trained here also `history.csv`.
    Aesthetic = "aesthetic";
    /// A head that tells which of two images is preferred for a text.
    ///
    /// - `config.json`, version 1: `head`, `width`, `mean` and `deviation` of the reference set (the reward is `(f - mean) / deviation`), `clip` (a digest), `reference`
    ///   (`data`, and `worse` where fed, by digest, and `n`).
    /// - `model.safetensors`, `history.csv`.
    Reward = "reward";
    /// Questions about texts, as read from a file in TIFA's format: `questions.json`, version 1, a list `questions` of `id`, `caption`, `question`, `choices`, `answer`,
    /// `element_type`.
    Questions = "questions";
    /// What a network of the study's own answers about a set of images: `answers.jsonl`, a line for each question about each image's caption: `image` (its number from 0),
    /// `question` (its number from 0 in `questions.json`), `answer`.
    Answers = "answers";
    /// What a program of the study's own says of each of a set of images: `ratings.jsonl`, a line an image: `image` (its number from 0), `rating`.
    Ratings = "ratings";
    /// The answers given about a set of images: `answers.csv` (question, category, right, given); `metric.json` as that of a score.
    Alignment = "alignment";
    /// What a network holds and takes: `blocks.csv` (path, params, MACs, attention products), a line a part in the order of the forward pass.
    Anatomy = "anatomy";
    /// A table of the study: `table.csv`, as it is committed. A fit that gathers it has a point a row.
    Table = "table";
    /// A fitted law.
    ///
    /// - `draws.csv`: the parameters of every bootstrap resample, a column each.
    /// - `fit.json`, version 1. Numbers stand in full; what is absent is `null`, and `inputs`, `derived` and `best` are left out where empty.
    ///   - `form`, `formula` (for people), `objective` (a sentence), `objective_exactly` (`space`, `rho`, `delta`), `x`, `y`, `inputs` (of a surface:
    ///     column by `N`, `D`, `C`; `x` is then compute).
    ///   - `parameters` (their names, in order), `params` and `derived`, by name: `value`, `lower`, `upper` (bootstrap percentiles at `level`), `stderr` (of the bootstrap), `wald`,
    ///     `sandwich` (standard errors), `wald_interval`, `sandwich_interval`, `profile` (`[lower, upper]`, `null` where open).
    ///   - `loss` (the objective), `r2`, `aicc`, `n`, `degrees_of_freedom`, `rows` (`given`, `fitted`, `held_out`, `unusable`, `ruled_out`, `beaten`),
    ///     `resamples`, `level`, `points_digest`, `warnings`.
    ///   - `holdout`: `n`, `mean_abs_error`, `mean_abs_log_error`, `rule`, `refit` (whether the judged law is one of its own on fewer points), `fitted`,
    ///     `train_mean_abs_error`, `train_mean_abs_log_error`.
    ///   - `alternatives`: other forms, best foreteller first: `form`, `formula`, `loss`, `mean_abs_error`, `holdout`, `aicc`, `at_ten_times`,
    ///     `leaves_range`.
    ///   - `sensitivity`: other objectives and rules: `objective` (as `log:huber:1e-3`), `rows`, `ruled_out_too`, `params`, `loss`, `converged`.
    ///   - `certificate`: `converged`, `gradient`, `minimum`, `starts`, `at_optimum`, `near_optimum`, `moved`, `evaluations`, `condition`, `on_bound`.
    ///   - `optima`: other local optima: `params`, `loss`, `above`, `foretells` (at each target).
    ///   - `targets`: `at`, `y`, `lower`, `upper`, `observed_lower`, `observed_upper`, `best` (N and D for a target of compute), `then`.
    ///   - `then`: the second law: `y`, `formula`, `params`, `loss`, `n`, `certificate`. `counting`: `parameters`, `compute`, `worked_out`, `ratio`.
    ///   - `points`: `label`, `x`, `y`, `inputs`, `fitted`, `residual` (in the objective's space), `held_out`, `dropped` (why).
    ///   - `curve`: `x`, `y`, `lower`, `upper` from the smallest x to ten times the largest; of a surface, along the best use of compute.
    ///   - Of `fit-allocation`: `form` is the method, `params` are `a`, `b`, `kN`, `kD`; `profiles` has `label`, `budget`, `off`, `runs` and `curve` (`N`, `y`),
    ///     `N`, `y`, `ln_n_stderr`, `refused` of each budget; `bias`: `exponent`, `size_at_ten_times`, `data_at_ten_times`, `width`, `drift`.
    Fit = "fit";
    /// Images with captions from elsewhere, all of one size.
    ///
    /// - `index.json`, version 1: `resolution`, `images`, `shards`: `name`, `images` and `digest` of each, in order.
    /// - `<name>.safetensors`: `images` u8 `[n, 3, R, R]`; `quality` f32 `[n]` where a column of scores was chosen.
    /// - `<name>.jsonl`: a line an image, in the same order: `source` (where it came from), `caption`, `synthetic` (others, best first), `width` and
    ///   `height` as they were, `scores`.
    /// - `report.json`: what was read, kept and left out, by reason. `left-out.csv`: each image left out (`source`, `reason`, `detail`).
    /// - `preview.png`: the first images.
    Pictures = "pictures";
    /// What a set of images is: `table.csv` (the columns of Li et al. 2024, Table 3), `description.json` (the same, and how captions are
    /// distributed).
    Description = "description";
}
