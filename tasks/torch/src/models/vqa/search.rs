//! Where a question looks: heads that choose words and attend to the cells that these name.
//!
//! A head takes a mean of the question's words, weighted as it chooses (the control of Hudson & Manning 2018, arXiv 1803.03067), and attends to cells by it.
//! A word has one vector wherever it stands and looks for the same cells whichever head chose it, so that what a question of color teaches of "red" serves one of
//! relations: a head is its choice and nothing else.
//!
//! A relation is between two things, so some head must look at one of them and some head at the other. Heads that begin alike find that late or not at all;
//! these begin with a stretch of the question each, the first with its beginning and the last with its end.

use isoflop_kinds::model;
use tch::{Kind, Tensor};

use super::World;
use crate::nn::{Embedding, Linear, Path};

/// The heads.
#[derive(Debug)]
pub struct Search {
    table: Embedding,
    places: Embedding,
    /// A word's liking by each head.
    plain: Linear,
    /// The same after what the whole question means.
    told: Linear,
    sought: Linear,
    heads: i64,
    width: i64,
}

impl Search {
    /// How wide a stretch of the question a head begins with: words so far from its middle, as a share of the question, are liked less by one.
    const STRETCH: f64 = 0.2;

    /// Heads for questions of this world.
    pub fn new(path: &Path, config: &model::Vqa, world: World) -> Self {
        let (width, heads) = (config.width as i64, config.heads as i64);
        Self {
            table: Embedding::new(&(path / "table"), world.words, width, 1.0 / 3.0),
            places: Embedding::new(&(path / "places"), world.length, width, 1.0 / 3.0),
            plain: Linear::unbiased(&(path / "plain"), width, heads),
            told: Linear::new(&(path / "told"), 2 * width, heads * width),
            sought: Linear::new(&(path / "sought"), width, width),
            heads,
            width,
        }
    }

    /// Cells' `keys` `[Q, cells, width]`, word numbers `[Q, M]` and what the questions mean `[Q, 2 width]` to how much each head looks at each cell:
    /// `[Q, heads, cells]`, one in sum.
    pub fn forward(&self, keys: &Tensor, questions: &Tensor, meaning: &Tensor) -> Tensor {
        let sought = self.sought.forward(&self.chosen(questions, meaning)); // [Q, heads, width]
        sought.bmm(&(keys.transpose(1, 2) / (self.width as f64).sqrt())).softmax(-1, Kind::Float)
    }

    /// Row and column of where each head looks on average, cells being at `place` `[cells, 2]`, and the differences of each two heads:
    /// `[Q, heads (heads + 1)]`.
    pub fn spots(&self, attention: &Tensor, place: &Tensor) -> Tensor {
        let spots = attention.matmul(&place.to_device(attention.device())); // [Q, heads, 2]
        let pairs = (0..self.heads).flat_map(|one| (one + 1..self.heads).map(move |other| (one, other)));
        let (ones, others): (Vec<i64>, Vec<i64>) = pairs.unzip();
        let of = |heads: &[i64]| spots.index_select(1, &Tensor::from_slice(heads).to_device(spots.device()));
        let apart = of(&ones) - of(&others);
        Tensor::cat(&[spots.flatten(1, 2), apart.flatten(1, 2)], 1)
    }

    /// The mean of the words that each head chose: `[Q, heads, width]`.
    fn chosen(&self, questions: &Tensor, meaning: &Tensor) -> Tensor {
        let words = self.table.forward(questions);
        let placed = &words + self.places.rows(); // [Q, M, width]
        let told = self.told.forward(meaning).view([-1, self.heads, self.width]);
        let told = told.bmm(&(placed.transpose(1, 2) / (self.width as f64).sqrt())); // [Q, heads, M]
        let liking = self.plain.forward(&placed).transpose(1, 2) + told - self.strangeness(questions);
        let padding = questions.eq(0).unsqueeze(1);
        liking.masked_fill(&padding, -1e9).softmax(-1, Kind::Float).bmm(&words)
    }

    /// How far each word is from each head's stretch: `[Q, heads, M]`. Heads share a question's length evenly, whatever it is.
    fn strangeness(&self, questions: &Tensor) -> Tensor {
        let options = (Kind::Float, questions.device());
        let line = |n: i64| Tensor::arange(n, options) + 0.5;
        let length = questions.ne(0).sum_dim_intlist(-1, true, Kind::Float).clamp_min(1.0); // [Q, 1]
        let place = (line(questions.size()[1]) / length).unsqueeze(1); // [Q, 1, M]
        let middle = (line(self.heads) / self.heads as f64).unsqueeze(-1); // [heads, 1]
        ((place - middle) / Self::STRETCH).square()
    }
}
