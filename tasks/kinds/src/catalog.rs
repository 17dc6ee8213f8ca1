//! The list of all kinds, one line each.

use isoflop_contract::{Catalog, Entry};

use crate::{
    alignment::ScoreAlignment, fit::FitScaling, sample::SampleImages, scenes::MakeScenes, train::TrainDenoiser,
    vqa::TrainVqa,
};

/// Every kind there is.
pub fn catalog() -> Catalog {
    Catalog::new([
        Entry::of::<MakeScenes>(),
        Entry::of::<FitScaling>(),
        Entry::of::<TrainDenoiser>(),
        Entry::of::<SampleImages>(),
        Entry::of::<TrainVqa>(),
        Entry::of::<ScoreAlignment>(),
    ])
}
