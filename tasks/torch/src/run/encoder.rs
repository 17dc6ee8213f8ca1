//! A frozen text encoder as an artifact, and the captions of scenes as it reads them.

use isoflop_contract::{Artifact, Handle};
use isoflop_kinds::{
    artifact,
    encode::TextOutput,
    model::{self, Companion},
};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor, no_grad};

use crate::{
    data::{Scenes, read_json},
    error::TorchError,
    models::{ClipText, Reading, T5Encoder},
    nn::{Params, Setting},
    tokens::{CONVENTIONS, Convention, Tokenizer},
    weights::{Weights, load_at},
};

/// What `config.json` of a text encoder holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The text encoder.
    pub text: Companion,
    /// The image tower that goes with it.
    #[serde(default)]
    pub image: Option<Companion>,
    /// The words it was trained with, in the order of their numbers.
    #[serde(default)]
    pub words: Option<Vec<String>>,
    /// What stands around its texts, where it has a `tokenizer.json`.
    #[serde(default)]
    pub convention: Option<String>,
}

/// The words of a set of scenes.
#[derive(Deserialize)]
struct Vocabulary {
    words: Vec<String>,
}

/// The words of a set of scenes, in the order of their numbers.
pub fn words<A: Artifact>(scenes: &Handle<A>) -> Result<Vec<String>, TorchError> {
    Ok(read_json::<Vocabulary>(&scenes.file("vocabulary.json"))?.words)
}

/// Captions `[N, L]`, filled up with 0, as numbers `[N, tokens]` filled up with `end`, of which there is one at least.
pub fn sentences(captions: &Tensor, end: u64, tokens: u64) -> Result<Tensor, TorchError> {
    let longest = captions.size()[1];
    if longest + 1 > tokens as i64 {
        let problem =
            format!("captions have up to {longest} words, which leaves no room for the end in {tokens} tokens");
        return Err(TorchError::Mismatch(problem));
    }
    let ended = captions.masked_fill(&captions.eq(0), end as i64);
    Ok(ended.pad([0, tokens as i64 - longest], "constant", end as f64))
}

/// A frozen text encoder.
#[derive(Debug)]
pub struct Encoder {
    network: Network,
    reader: Reader,
    output: TextOutput,
    setting: Setting,
}

#[derive(Debug)]
enum Network {
    Clip(ClipText, model::ClipText),
    T5(T5Encoder),
}

/// How captions become numbers.
#[derive(Debug)]
pub enum Reader {
    /// They are numbers of these words.
    Words(Vec<String>),
    /// Their text is cut by a tokenizer.
    Tokens(Box<Tokenizer>),
}

impl Reader {
    /// The one that `config`, which lies in this artifact, asks for. Its texts have at most so many tokens.
    pub fn open(handle: &Handle<artifact::Clip>, config: &Config, tokens: u64) -> Result<Self, TorchError> {
        let wrong = |problem: String| TorchError::Inconsistent { path: handle.file("config.json"), problem };
        match (&config.words, config.convention.as_deref()) {
            (Some(words), None) => Ok(Self::Words(words.clone())),
            (None, Some(name)) => {
                let convention: Option<&(&str, Convention)> = CONVENTIONS.iter().find(|(known, _)| *known == name);
                let known = convention.ok_or_else(|| wrong(format!("`{name}` is no convention of texts")))?;
                Ok(Self::Tokens(Box::new(Tokenizer::open(&handle.file("tokenizer.json"), known.1, tokens as usize)?)))
            }
            _ => Err(wrong("it wants either `words` or a `convention`".into())),
        }
    }

    /// Numbers `[N, T]` of captions, whose words have these names, and where there are any. A tokenizer cuts `texts` where there are some. `clip` is the tower that reads the numbers;
    /// none for a T5.
    pub fn number(
        &self,
        captions: &Tensor,
        names: &[String],
        texts: Option<Vec<String>>,
        clip: Option<&model::ClipText>,
    ) -> Result<(Tensor, Tensor), TorchError> {
        match (self, clip) {
            (Self::Words(words), Some(config)) => {
                if words.as_slice() != names {
                    let problem = "the text encoder was trained on other words than these scenes have";
                    return Err(TorchError::Mismatch(problem.into()));
                }
                let ids = sentences(captions, config.end, config.tokens)?;
                let there =
                    ids.not_equal(config.end as i64).to_kind(Kind::Int64).sum_dim_intlist(1_i64, true, Kind::Int64);
                let places = Tensor::arange(ids.size()[1], (Kind::Int64, ids.device())).unsqueeze(0);
                Ok((ids, places.less_equal_tensor(&there).to_kind(Kind::Int64)))
            }
            (Self::Words(_), None) => {
                Err(TorchError::Mismatch("a T5 reads text through a tokenizer, and this one has none".into()))
            }
            (Self::Tokens(tokenizer), _) => {
                let rows = Vec::<Vec<i64>>::try_from(captions).expect("two dimensions of i64");
                let text = |row: &Vec<i64>| {
                    let words = row.iter().filter(|&&word| word != 0).map(|&word| names[word as usize].as_str());
                    words.collect::<Vec<_>>().join(" ")
                };
                let texts = texts.unwrap_or_else(|| rows.iter().map(text).collect());
                let tokens = tokenizer.encode(&texts)?;
                Ok((tokens.ids, tokens.mask))
            }
        }
    }
}

impl Encoder {
    /// Reads it.
    pub fn open(handle: &Handle<artifact::Clip>, output: TextOutput, setting: Setting) -> Result<Self, TorchError> {
        let path = handle.file("config.json");
        let config: Config = read_json(&path)?;
        let wrong = |problem: String| TorchError::Inconsistent { path: path.clone(), problem };
        if let Err(complaint) = config.text.check("text") {
            return Err(wrong(format!("`{}` {}", complaint.field, complaint.problem)));
        }
        let params = Params::hollow();
        let (network, tokens) = match &config.text {
            Companion::ClipText(text) => {
                (Network::Clip(ClipText::new(&params.root(), text), text.clone()), text.tokens)
            }
            Companion::T5Encoder(text) if output == TextOutput::Last => {
                (Network::T5(T5Encoder::new(&params.root(), text)), text.tokens)
            }
            Companion::T5Encoder(_) => return Err(wrong("T5 has no other output than `last`".into())),
            other => return Err(wrong(format!("`text` is a {}, which reads no text", other.family()))),
        };
        let weights = Weights::open(&handle.file("model.safetensors"))?;
        load_at(&params, config.text.family(), &weights, (Kind::Float, setting.device))?;
        let reader = Reader::open(handle, &config, tokens)?;
        Ok(Self { network, reader, output, setting })
    }

    /// What it makes of captions, whose words have these names, on the processor. The empty caption is a row of zeros. An encoder with a tokenizer of its own reads `texts`
    /// where there are some, as they were before their words were numbered.
    pub fn read(&self, captions: &Tensor, names: &[String], texts: Option<Vec<String>>) -> Result<Reading, TorchError> {
        Ok(self.read_there(captions, names, texts)?.map(|tensor| tensor.to_device(Device::Cpu)))
    }

    /// The same where the encoder is.
    pub fn read_there(
        &self,
        captions: &Tensor,
        names: &[String],
        texts: Option<Vec<String>>,
    ) -> Result<Reading, TorchError> {
        let clip = match &self.network {
            Network::Clip(_, config) => Some(config),
            Network::T5(_) => None,
        };
        let (ids, mask) = self.reader.number(captions, names, texts, clip)?;
        let (ids, mask) = (self.setting.bring(&ids), self.setting.bring(&mask));
        Ok(no_grad(|| match &self.network {
            Network::Clip(network, _) => {
                let read = network.forward(&ids);
                let tokens = match self.output {
                    TextOutput::Last => read.last,
                    TextOutput::Penultimate => read.penultimate,
                    TextOutput::PenultimateNormed => read.penultimate_normed,
                };
                Reading { tokens, pooled: read.projected.unwrap_or(read.pooled), mask }
            }
            Network::T5(network) => {
                let tokens = network.forward(&ids, Some(&mask));
                let there = mask.to_kind(Kind::Float).unsqueeze(2);
                let sum = (&tokens * &there).sum_dim_intlist(1_i64, false, None::<Kind>);
                Reading { pooled: sum / there.sum_dim_intlist(1_i64, false, None::<Kind>), tokens, mask }
            }
        }))
    }

    /// What it makes of the captions of the scenes in `rows`: of each one's own, or of the synthetic one with the number in `which`.
    pub fn read_rows(
        &self,
        scenes: &Scenes,
        rows: &Tensor,
        which: Option<&Tensor>,
        names: &[String],
    ) -> Result<Reading, TorchError> {
        let length = scenes.caption_length() as i64;
        let captions = match which {
            None => scenes.captions(rows, length),
            Some(which) => scenes.written(rows, which, length),
        };
        self.read(&captions, names, scenes.texts(rows, which)?)
    }

    /// What it makes of the empty caption.
    pub fn read_nothing(&self, scenes: &Scenes, names: &[String]) -> Result<Reading, TorchError> {
        let length = scenes.caption_length() as i64;
        self.read(&Tensor::zeros([1, length], (Kind::Int64, Device::Cpu)), names, None)
    }
}
