//! The question-answering network, for the config of `isoflop_kinds::model::Vqa`.
//!
//! Convolutions turn the picture into a grid of cells that know where they are. A question modulates the cells (`FiLM`, Perez et al. 2017, arXiv
//! 1709.07871), which says what is there and how often; heads [search](Search) them for what its parts name, which says where. Both readings
//! together give the answer. The picture is seen once for all of its questions.
//!
//! The first reading alone settles every question but those of relations, so heads that are only trained along learn to look where there is something to be
//! seen late or never. In a [lesson](Vqa::lesson) they therefore answer by themselves as well.

mod search;
mod verdict;

use isoflop_kinds::model;
use tch::{Device, Kind, Tensor};

use self::{search::Search, verdict::Verdict};
use crate::nn::{Conv2d, Embedding, GroupNorm, LayerNorm, Linear, Params, Path};

/// Sizes that come from the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Height and width of the pictures.
    pub resolution: i64,
    /// Words there are, the padding among them.
    pub words: i64,
    /// Words a question has.
    pub length: i64,
    /// Answers there are.
    pub answers: i64,
}

/// The network.
#[derive(Debug)]
pub struct Vqa {
    eye: Eye,
    reader: Reader,
    film: Linear,
    search: Search,
    verdict: Verdict,
    /// Of what heads found alone; of use in training only.
    heads_own: Verdict,
    width: i64,
}

/// What is seen of pictures, cell by cell: `[B, cells, width]` each.
#[derive(Debug)]
pub struct Sight {
    features: Tensor,
    keys: Tensor,
    values: Tensor,
}

impl Vqa {
    /// A network of this config for this world.
    pub fn new(params: &Params, config: &model::Vqa, world: World) -> Self {
        let path = &params.root();
        let (width, heads) = (config.width as i64, config.heads as i64);
        Self {
            eye: Eye::new(&(path / "eye"), config, world.resolution),
            reader: Reader::new(&(path / "reader"), world, width),
            film: Linear::new(&(path / "film"), 2 * width, 2 * width),
            search: Search::new(&(path / "search"), config, world),
            verdict: Verdict::new(&(path / "verdict"), (3 + heads) * width, config, world),
            heads_own: Verdict::new(&(path / "heads_own"), heads * width, config, world),
            width,
        }
    }

    /// Looks at pictures `[B, 3, R, R]`.
    pub fn look(&self, pictures: &Tensor) -> Sight {
        self.eye.forward(pictures)
    }

    /// `sight` with one entry a question and word numbers `[Q, M]` to a score for each answer `[Q, answers]`.
    pub fn answer(&self, sight: &Sight, questions: &Tensor) -> Tensor {
        let read = self.read(sight, questions);
        self.verdict.forward(&Tensor::cat(&[read.seen, read.found], 1), &read.spots, &read.words)
    }

    /// The same, and the scores by what heads found alone.
    pub fn lesson(&self, sight: &Sight, questions: &Tensor) -> [Tensor; 2] {
        let read = self.read(sight, questions);
        let alone = self.heads_own.forward(&read.found, &read.spots, &read.words);
        [self.verdict.forward(&Tensor::cat(&[read.seen, read.found], 1), &read.spots, &read.words), alone]
    }

    fn read(&self, sight: &Sight, questions: &Tensor) -> Read {
        let (words, meaning) = self.reader.forward(questions); // [Q, width], [Q, 2 width]

        // What is there, and how often: cells that the question lights up.
        let film = self.film.forward(&meaning).unsqueeze(1).chunk(2, -1);
        let lit = (&sight.features * (&film[0] + 1.0) + &film[1]).silu();
        let (mean, most) = (lit.mean_dim(1, false, Kind::Float), lit.amax(1, false));

        // Where: what each head finds, and on which spot.
        let attention = self.search.forward(&sight.keys, questions, &meaning); // [Q, heads, cells]
        Read {
            seen: Tensor::cat(&[mean, most, meaning.narrow(1, 0, self.width)], 1),
            found: attention.bmm(&sight.values).flatten(1, 2),
            spots: self.search.spots(&attention, &self.eye.place),
            words,
        }
    }
}

/// What was read of pictures for questions.
struct Read {
    /// `[Q, 3 width]`.
    seen: Tensor,
    /// `[Q, heads width]`.
    found: Tensor,
    spots: Tensor,
    /// The questions' words, `[Q, width]`.
    words: Tensor,
}

impl Sight {
    /// What is seen of each picture as a whole: the mean over its cells, `[B, width]`.
    pub fn whole(&self) -> Tensor {
        self.features.mean_dim(1, false, Kind::Float)
    }

    /// The entries of these rows, one a question.
    #[must_use]
    pub fn of(&self, rows: &Tensor) -> Self {
        let pick = |t: &Tensor| t.index_select(0, rows);
        Self { features: pick(&self.features), keys: pick(&self.keys), values: pick(&self.values) }
    }
}

/// The convolutions.
#[derive(Debug)]
struct Eye {
    conv_in: Conv2d,
    norm_in: GroupNorm,
    halve: Conv2d,
    residual: Vec<(GroupNorm, Conv2d)>,
    norm_out: GroupNorm,
    place: Tensor,
    place_in: Linear,
    features: Linear,
    keys: Linear,
    values: Linear,
}

impl Eye {
    const GROUPS: i64 = 8;

    fn new(path: &Path, config: &model::Vqa, resolution: i64) -> Self {
        let (channels, width) = (config.channels as i64, config.width as i64);
        let residual = |i| {
            let path = path / "residual" / i;
            let norm = GroupNorm::new(&(&path / "norm"), width, Self::GROUPS, 1e-5);
            (norm, Conv2d::new(&(&path / "conv"), width, width, 3))
        };
        Self {
            conv_in: Conv2d::new(&(path / "conv_in"), 3, channels, 3),
            norm_in: GroupNorm::new(&(path / "norm_in"), channels, Self::GROUPS, 1e-5),
            halve: Conv2d::halving(&(path / "halve"), channels, width),
            residual: (0..config.depth).map(residual).collect(),
            norm_out: GroupNorm::new(&(path / "norm_out"), width, Self::GROUPS, 1e-5),
            place: places(resolution / model::Vqa::SHRINK as i64),
            place_in: Linear::new(&(path / "place"), 2, width),
            features: Linear::new(&(path / "features"), width, width),
            keys: Linear::new(&(path / "keys"), width, width),
            values: Linear::new(&(path / "values"), width, width),
        }
    }

    fn forward(&self, pictures: &Tensor) -> Sight {
        let mut h = self.halve.forward(&self.norm_in.forward(&self.conv_in.forward(pictures)).silu());
        for (norm, conv) in &self.residual {
            h = &h + conv.forward(&norm.forward(&h).silu());
        }
        let cells = self.norm_out.forward(&h).flatten(2, 3).transpose(1, 2)
            + self.place_in.forward(&self.place.to_device(pictures.device()));
        let [features, keys, values] = [&self.features, &self.keys, &self.values].map(|linear| linear.forward(&cells));
        Sight { features, keys, values }
    }
}

/// Row and column of each cell of a `side × side` grid, in [-2, 2]: `[cells, 2]`.
fn places(side: i64) -> Tensor {
    let line = (Tensor::arange(side, (Kind::Float, Device::Cpu)) + 0.5) / side as f64 * 4.0 - 2.0;
    Tensor::stack(&Tensor::meshgrid_indexing(&[&line, &line], "ij"), -1).view([-1, 2])
}

/// The question: a vector for each word at each place, and what a small network makes of their sum.
#[derive(Debug)]
struct Reader {
    table: Embedding,
    offsets: Tensor,
    norm: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl Reader {
    fn new(path: &Path, world: World, width: i64) -> Self {
        Self {
            table: Embedding::new(&(path / "table"), world.words * world.length, width, 1.0 / 3.0),
            offsets: Tensor::arange(world.length, (Kind::Int64, Device::Cpu)) * world.words,
            norm: LayerNorm::new(&(path / "norm"), width),
            fc1: Linear::new(&(path / "fc1"), width, 2 * width),
            fc2: Linear::new(&(path / "fc2"), 2 * width, 2 * width),
        }
    }

    fn forward(&self, questions: &Tensor) -> (Tensor, Tensor) {
        let words = self.table.forward(&(questions + self.offsets.to_device(questions.device()))).sum_dim_intlist(
            1,
            false,
            Kind::Float,
        );
        let meaning = self.fc2.forward(&self.fc1.forward(&self.norm.forward(&words)).silu()).silu();
        (words, meaning)
    }
}
