//! The list of all kinds, one line each.

use isoflop_contract::{Catalog, Entry};

use crate::{
    alignment::ScoreAlignment, anatomy::CountModel, command::Command, describe::DescribeData, fit::FitScaling,
    functions::functions, import::ImportImages, sample::SampleImages, scenes::MakeScenes, train::TrainDenoiser,
    vqa::TrainVqa,
};

/// Every kind there is, and the functions on models.
pub fn catalog() -> Catalog {
    Catalog::new([
        Entry::of::<MakeScenes>(),
        Entry::of::<ImportImages>(),
        Entry::of::<DescribeData>(),
        Entry::of::<FitScaling>(),
        Entry::of::<TrainDenoiser>(),
        Entry::of::<SampleImages>(),
        Entry::of::<TrainVqa>(),
        Entry::of::<ScoreAlignment>(),
        Entry::of::<Command>(),
        Entry::of::<CountModel>(),
    ])
    .with_functions(functions())
}
