//! A stand-in for the libtorch worker: it makes every torch kind in milliseconds, numbers as a training would give them, bits that follow
//! from spec, seed and inputs alone. `behaviour.json` beside the program it was started as makes tasks misbehave, by name:
//! `{"train[size=s,seed=0]": {"do": "crash"}, "*": {"do": "sleep", "milliseconds": 50}}`.

#![expect(clippy::needless_pass_by_value, reason = "every body owns its spec and its needs")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::Path,
    process::{self, ExitCode},
    thread,
    time::{Duration, Instant},
};

use isoflop_contract::{Artifact, Digest, Handle, Kind, environment::LIBTORCH};
use isoflop_kinds::{
    alignment, alignment::ScoreAlignment, sample, sample::SampleImages, train, train::TrainDenoiser, vqa, vqa::TrainVqa,
};
use isoflop_worker::{Body, Context, Halt, Interrupted, Made, serve};
use serde::Deserialize;

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some("--version") {
        println!("isoflop-toy, libtorch {LIBTORCH} pretended");
        return ExitCode::SUCCESS;
    }
    let bodies = [Body::of(train_denoiser), Body::of(sample_images), Body::of(train_vqa), Body::of(score_alignment)];
    serve(&bodies, &[("libtorch", LIBTORCH.to_owned())])
}

/// How a task is to misbehave.
#[derive(Debug, Clone, Default, Deserialize)]
struct Behaviour {
    #[serde(default, rename = "do")]
    act: Act,
    #[serde(default)]
    milliseconds: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Act {
    /// Nothing special.
    #[default]
    Work,
    /// Work, but take so long.
    Sleep,
    /// Die of a signal.
    Crash,
    /// Refuse the spec.
    Refuse,
    /// Find that training diverged.
    Diverge,
    /// Run on, whatever is asked.
    Hang,
    /// Write another artifact each time.
    Waver,
    /// Write the same artifact whatever the spec says.
    Same,
    /// Write other weights each time, from half of the steps on.
    Drift,
    /// Go on from a checkpoint as if nothing had been in it.
    Forget,
}

/// Carries out what `behaviour.json` says of this task.
fn behave(context: &mut Context) -> Result<Act, Halt> {
    let program = env::args_os().next().unwrap_or_default();
    let file = Path::new(&program).with_file_name("behaviour.json");
    let all: BTreeMap<String, Behaviour> = match fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text)?,
        Err(_) => BTreeMap::new(),
    };
    let behaviour = all.get(context.task()).or_else(|| all.get("*")).cloned().unwrap_or_default();
    let until = Instant::now() + Duration::from_millis(behaviour.milliseconds);
    match behaviour.act {
        Act::Work | Act::Waver | Act::Same | Act::Drift | Act::Forget => {}
        Act::Crash => process::abort(),
        Act::Refuse => return Err("the toy was told to refuse this".into()),
        Act::Diverge => return Err(isoflop_worker::Diverged("the toy was told to diverge".to_owned()).into()),
        Act::Hang => loop {
            thread::sleep(Duration::from_millis(50));
        },
        Act::Sleep => {
            while Instant::now() < until {
                if context.should_stop() {
                    return Err(Interrupted.into());
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
    Ok(behaviour.act)
}

/// Writes the artifact: a text that names everything it follows from.
fn write<K: Kind>(spec: &K, inputs: &[Digest], context: &mut Context) -> Result<f64, Halt> {
    let act = behave(context)?;
    text(act, spec, inputs, context)
}

fn text<K: Kind>(act: Act, spec: &K, inputs: &[Digest], context: &Context) -> Result<f64, Halt> {
    let spec = if act == Act::Same { String::new() } else { serde_json::to_string(spec)? };
    let mut text = format!("{}\n{spec}\n{inputs:?}\n", K::NAME);
    if let Ok(seed) = context.seed() {
        text.push_str(&seed.get().to_string());
    }
    if act == Act::Waver {
        text.push_str(&process::id().to_string());
    }
    fs::write(context.out("toy.txt"), &text)?;
    let digest = Digest::of(&text);
    Ok(f64::from(digest.as_bytes()[0]) / 255.0)
}

fn input<A: Artifact>(handle: &Handle<A>) -> Digest {
    handle.digest()
}

fn train_denoiser(spec: TrainDenoiser, needs: train::Needs, context: &mut Context) -> Result<Made, Halt> {
    let act = behave(context)?;
    let noise = text(act, &spec, &[input(&needs.data), input(&needs.heldout)], context)?;
    let cost = spec.cost();
    let loss = 0.02 + 3.0 * cost.flops.powf(-0.12) * (1.0 + 0.01 * noise);
    let (mut done, mut weight) = (0, 0.0_f64);
    if let Some(resume) = context.resume() {
        done = resume.step;
        if act != Act::Forget {
            weight = fs::read_to_string(resume.file("weight"))?.parse()?;
        }
    }
    let drift = if act == Act::Drift { f64::from(process::id()) } else { 0.0 };
    while done < spec.steps {
        done += 1;
        let drift = if done > spec.steps / 2 { drift } else { 0.0 };
        weight += 1.0 / done as f64 + drift;
        if [1, spec.steps / 2, spec.steps].contains(&done) {
            context.metric("loss", done, loss * (2.0 - done as f64 / spec.steps as f64) + drift)?;
        }
        context.progress(done, spec.steps);
        context.checkpoint(done, |folder| Ok(fs::write(folder.join("weight"), format!("{weight:?}"))?))?;
    }
    fs::write(context.out("model.safetensors"), tensors(weight as f32))?;
    let count = |n: Option<u64>| n.unwrap_or(0) as f64;
    Ok(Made::new()
        .scalar("loss", loss)?
        .scalar("params", count(cost.params))?
        .scalar("macs", count(cost.macs))?
        .scalar("compute", cost.flops)?)
}

/// A file of two tensors, with `weight` as the last element but one.
fn tensors(weight: f32) -> Vec<u8> {
    let head = concat!(
        r#"{"bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"#,
        r#""weight":{"dtype":"F32","shape":[2,2],"data_offsets":[8,24]}}"#
    );
    let mut bytes = (head.len() as u64).to_le_bytes().to_vec();
    bytes.extend(head.as_bytes());
    bytes.extend([0.5, 0.25, 1.0, 2.0, weight, 4.0].into_iter().flat_map(f32::to_le_bytes));
    bytes
}

fn sample_images(spec: SampleImages, needs: sample::Needs, context: &mut Context) -> Result<Made, Halt> {
    write(&spec, &[input(&needs.model), input(&needs.prompts)], context)?;
    Ok(Made::new().inherit(&needs.model))
}

fn train_vqa(spec: TrainVqa, needs: vqa::Needs, context: &mut Context) -> Result<Made, Halt> {
    write(&spec, &[input(&needs.data), input(&needs.heldout)], context)?;
    Ok(Made::new().scalar("accuracy", 0.97)?)
}

fn score_alignment(spec: ScoreAlignment, needs: alignment::Needs, context: &mut Context) -> Result<Made, Halt> {
    let judge = needs.vqa.as_ref().map(input).or(needs.answers.as_ref().map(input)).ok_or("nobody judges")?;
    write(&spec, &[input(&needs.images), input(&needs.prompts), judge], context)?;
    let compute = needs.images.scalars().get("compute").copied().unwrap_or(1.0);
    let alignment = 1.0 / (1.0 + (-0.25 * compute.ln() + 6.0).exp());
    Ok(Made::new().inherit(&needs.images).scalar("alignment", alignment)?.scalar("ceiling", 0.97)?)
}
