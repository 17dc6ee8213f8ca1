//! Counting what a template calls a model, once for each.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use isoflop_contract::{
    Entry, Value,
    catalog::{Fault, Segment, SpecError, typed},
};
use serde_json::{Map, json};

use super::no_preset;
use crate::{
    model::{Backbone, Count, preset},
    train::TrainDenoiser,
};

/// How many models are remembered; a study has dozens, and what is forgotten is counted again.
const MEMORY: usize = 4096;

/// Models already counted, by their text.
#[derive(Default)]
pub(super) struct Account(Mutex<BTreeMap<String, Result<Count, String>>>);

impl Account {
    /// Parameters and multiply-accumulates of `model`, completed by `setting`.
    pub(super) fn count(&self, model: &Value, setting: &[(&str, &Value)]) -> Result<Count, String> {
        let setting_text = setting.iter().map(|(key, value)| format!(" {key}={value}"));
        let name: String = std::iter::once(model.to_string()).chain(setting_text).collect();
        if let Some(known) = self.memory().get(&name) {
            return known.clone();
        }
        let counted = count(model, setting);
        let mut memory = self.memory();
        if memory.len() >= MEMORY {
            memory.clear();
        }
        memory.insert(name, counted.clone());
        counted
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Result<Count, String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner) // a map is whole between any two of its methods
    }
}

fn count(model: &Value, setting: &[(&str, &Value)]) -> Result<Count, String> {
    match model {
        Value::String(name) => {
            let backbone = preset(name).ok_or_else(|| no_preset(name))?.backbone();
            if setting.is_empty() { bare(&backbone) } else { set(json!({ "backbone": backbone }), setting) }
        }
        Value::Object(members) if members.contains_key("family") => {
            if setting.is_empty() {
                bare(&typed::<Backbone>(model).map_err(|error| sentence(&error))?)
            } else {
                set(json!({ "backbone": model }), setting)
            }
        }
        Value::Object(members) if members.contains_key("backbone") => set(model.clone(), setting),
        other => {
            let what = match other {
                Value::Object(_) => "this map has neither `family` nor `backbone`".to_owned(),
                other => format!("this is {other}"),
            };
            Err(format!(
                "a model is the name of a preset, a backbone's config, or a map with a `backbone` as `train-denoiser` takes it; {what}"
            ))
        }
    }
}

/// A backbone alone, in the convention of the paper's Table 1.
fn bare(backbone: &Backbone) -> Result<Count, String> {
    let (size, tokens) = backbone.quoted();
    backbone
        .check(size, "backbone")
        .map_err(|complaint| format!("`{}` of this model: {}", complaint.field, complaint.problem))?;
    let count = Count::of(&backbone.blocks(size, tokens));
    if count.is_sane() { Ok(count) } else { Err("this model has more parameters than can be counted".to_owned()) }
}

/// A `with:` of `train-denoiser`, read by the kind itself, so that what it refuses is refused here too. What says how long and how fast to
/// train has no default there and does not count here.
fn set(mut with: Value, setting: &[(&str, &Value)]) -> Result<Count, String> {
    let Value::Object(members) = &mut with else { return Err("a model must be a map".to_owned()) };
    complete(members, setting)?;
    let cost = Entry::of::<TrainDenoiser>().read(&with).map_err(|error| sentence(&error))?.cost;
    match (cost.params, cost.macs) {
        (Some(params), Some(macs)) => Ok(Count { params, macs, ..Count::default() }),
        _ => Err("this model has no count".to_owned()),
    }
}

fn complete(members: &mut Map<String, Value>, setting: &[(&str, &Value)]) -> Result<(), String> {
    for (name, value) in setting {
        if members.insert((*name).to_owned(), (*value).clone()).is_some() {
            return Err(format!("this model says `{name}` itself, and it is given by name as well"));
        }
    }
    for (name, value) in [("steps", json!(u64::MAX)), ("batch", json!(1)), ("learning_rate", json!(1.0))] {
        members.entry(name).or_insert(value);
    }
    Ok(())
}

fn sentence(error: &SpecError) -> String {
    let place: Vec<String> = error
        .path
        .iter()
        .map(|segment| match segment {
            Segment::Field(name) => name.clone(),
            Segment::Index(index) => index.to_string(),
        })
        .collect();
    let of = |place: &[String]| match place {
        [] => "this model".to_owned(),
        place => format!("`{}` of this model", place.join(".")),
    };
    match &error.fault {
        Fault::UnknownField { field, expected } => {
            let place = if place.last() == Some(field) { &place[..place.len() - 1] } else { &place[..] };
            let near = super::arguments::nearest(field, expected.iter().map(String::as_str));
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            format!("{} has no field `{field}`{hint}", of(place))
        }
        Fault::MissingField(field) => format!("{} needs the field `{field}`", of(&place)),
        Fault::Invalid(message) => format!("{}: {message}", of(&place)),
    }
}
