//! The list of all kinds, one line each.

use isoflop_contract::{Catalog, Entry};

use crate::{
    alignment::ScoreAlignment,
    anatomy::CountModel,
    clip::TrainClip,
    command::Command,
    describe::DescribeData,
    encode::{EncodeLatents, EncodeText},
    fit::{FitAllocation, FitScaling},
    functions::functions,
    head::{TrainAesthetic, TrainReward},
    import::ImportImages,
    questions::ReadQuestions,
    sample::SampleImages,
    scenes::MakeScenes,
    score::{ScoreAesthetic, ScoreClip, ScoreFrechet, ScoreReward},
    split::SplitPictures,
    table::ReadTable,
    train::TrainDenoiser,
    tune::TuneClip,
    vae::TrainVae,
    vqa::TrainVqa,
};

/// Every kind there is, and the functions on models.
pub fn catalog() -> Catalog {
    Catalog::new([
        Entry::of::<MakeScenes>(),
        Entry::of::<ImportImages>(),
        Entry::of::<SplitPictures>(),
        Entry::of::<DescribeData>(),
        Entry::of::<ReadTable>(),
        Entry::of::<ReadQuestions>(),
        Entry::of::<FitScaling>(),
        Entry::of::<FitAllocation>(),
        Entry::of::<TrainDenoiser>(),
        Entry::of::<SampleImages>(),
        Entry::of::<TrainVqa>(),
        Entry::of::<ScoreAlignment>(),
        Entry::of::<ScoreClip>(),
        Entry::of::<ScoreFrechet>(),
        Entry::of::<ScoreAesthetic>(),
        Entry::of::<ScoreReward>(),
        Entry::of::<TrainVae>(),
        Entry::of::<TrainClip>(),
        Entry::of::<TrainAesthetic>(),
        Entry::of::<TrainReward>(),
        Entry::of::<TuneClip>(),
        Entry::of::<EncodeLatents>(),
        Entry::of::<EncodeText>(),
        Entry::of::<Command>(),
        Entry::of::<CountModel>(),
    ])
    .with_functions(functions())
}
