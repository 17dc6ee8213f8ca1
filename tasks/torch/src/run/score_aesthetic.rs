//! The body of `score-aesthetic`.

use isoflop_kinds::score::{AestheticNeeds, ScoreAesthetic};
use isoflop_worker::{Context, Halt, Made};

use super::{
    aesthetic::{open, say},
    record::{Record, write_values},
    settle::settle,
    towers::ImageTower,
};
use crate::data::Gallery;

/// Scores images.
pub fn run(spec: ScoreAesthetic, needs: AestheticNeeds, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let tower = ImageTower::open(&needs.clip, setting)?;
    let (config, head) = open(&needs.aesthetic, needs.clip.digest())?;
    let gallery = match (&needs.images, &needs.data, &needs.pictures) {
        (Some(images), None, None) => Gallery::images(images)?,
        (None, Some(scenes), None) => Gallery::scenes(scenes)?,
        (None, None, Some(pictures)) => Gallery::pictures(pictures)?,
        _ => return Err("feed exactly one of `images`, `data` or `pictures`".into()),
    };
    let values = say((&config, &head), &tower, &gallery, gallery.len())?;
    write_values(context, "image", "aesthetic", &values)?;
    let definition = "the mean over images of what a head on CLIP's image features says";
    let record = Record::new("aesthetic", definition, &tower.preprocessing(gallery.side()), spec.resampling())
        .maybe_of("images", needs.images.as_ref())
        .maybe_of("data", needs.data.as_ref())
        .maybe_of("pictures", needs.pictures.as_ref())
        .of("aesthetic", &needs.aesthetic)
        .of("clip", &needs.clip)
        .mean("aesthetic", &values)?
        .beside("scored_images", values.len() as f64);
    let made = record.leave(context)?;
    Ok(match &needs.images {
        Some(images) => made.inherit(images),
        None => made,
    })
}
