//! What a person may type after `isoflop-torch`: `forward`, `latency`, `weights` and `tokenize`.

mod given;

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    path::Path,
};

use given::Given;
use tch::Tensor;

use crate::{
    data::write_tensors,
    error::TorchError,
    forward::{Bench, Place, Source, config, draw, forward, latency, table},
    tokens::{CONVENTIONS, Convention, Tokenizer},
};

/// How to use it.
pub const USAGE: &str = "\
isoflop-torch forward --model M (--weights W | --seed N) --inputs I.safetensors --out O.safetensors [PLACE]
    One forward pass. M is a model of `isoflop model --list` or a YAML or JSON file with a model's config; W is a safetensors file,
    the index of several, or a folder with either, as diffusers and transformers save them. With --seed, weights are as training
    starts. Outputs are written in fp32.

isoflop-torch latency --compare A B [--batch 1,8,64] [--repeats 50] [--size N] [--tokens N] [--json] [PLACE]
    How long forward passes of two models take, with random weights, in turns: medians and quartiles by batch size.

    PLACE: [--device cpu|cuda[:N]] [--dtype fp32|bf16] [--threads N]. On a GPU, convolutions in fp32 go through TF32 unless
    NVIDIA_TF32_OVERRIDE=0 is set.

isoflop-torch weights --model M [--model M]... --seed N --out O.safetensors
    Weights as training starts, of one model or of several that share a file, as both towers of CLIP do.

isoflop-torch tokenize --tokenizer T.json --convention clip|openclip|t5 --out O.safetensors [--length N] [--text TEXT]...
    Texts, else the lines of standard input, to `input_ids` and `attention_mask`.

isoflop-torch --version

isoflop-torch --devices
    The CUDA devices that it reaches, and how a study declares them.";

/// Why a command could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// Wrong arguments.
    #[error("{0}\n\n{USAGE}")]
    Usage(String),
    /// The work failed.
    #[error("{}", chain(.0))]
    Torch(#[from] TorchError),
    /// Standard input or output failed.
    #[error("standard input or output: {0}")]
    Output(#[from] io::Error),
}

/// An error with what it rests on.
fn chain(error: &TorchError) -> String {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}

/// Does what `arguments` say and prints what came of it.
pub fn run(arguments: &[String], out: &mut impl Write) -> Result<(), Stop> {
    match arguments.split_first().map(|(verb, rest)| (verb.as_str(), rest)) {
        Some(("forward", rest)) => pass(rest, out),
        Some(("latency", rest)) => time(rest, out),
        Some(("weights", rest)) => draw_weights(rest, out),
        Some(("tokenize", rest)) => tokenize(rest, out),
        Some(("help" | "--help" | "-h", _)) => Ok(writeln!(out, "{USAGE}")?),
        Some((verb, _)) => Err(Stop::Usage(format!("`{verb}` is no command"))),
        None => Err(Stop::Usage("no command is given".into())),
    }
}

/// What says where a model runs.
const PLACE: [&str; 3] = ["--device", "--dtype", "--threads"];

/// Where to run. Bits depend on the number of threads, so that one is what counts where nothing is said.
fn place(given: &Given) -> Result<Place, Stop> {
    let threads: i32 = given.number("--threads")?.unwrap_or(1);
    if threads < 1 {
        return Err(Stop::Usage("`--threads` must be at least 1".into()));
    }
    let place = Place::read(given.once("--device")?.unwrap_or("cpu"), given.once("--dtype")?.unwrap_or("fp32"))?;
    tch::set_num_threads(threads);
    Ok(place)
}

fn pass(arguments: &[String], out: &mut impl Write) -> Result<(), Stop> {
    let known = [&["--model", "--weights", "--seed", "--inputs", "--out"][..], &PLACE].concat();
    let given = Given::read(arguments, &known, &[])?;
    let source = match (given.once("--weights")?, given.number("--seed")?) {
        (Some(path), None) => Source::Weights(Path::new(path)),
        (None, Some(seed)) => Source::Seed(seed),
        _ => return Err(Stop::Usage("one of `--weights` and `--seed` says where the numbers come from".into())),
    };
    let (inputs, path) = (Path::new(given.needed("--inputs")?), Path::new(given.needed("--out")?));
    let config = config(given.needed("--model")?)?;
    tell(path, &forward(&config, source, place(&given)?, inputs, path)?, out)
}

fn time(arguments: &[String], out: &mut impl Write) -> Result<(), Stop> {
    // `--compare A B`, as `isoflop model` has it: the second value is given its name too.
    let mut arguments = arguments.to_vec();
    if let Some(at) = arguments.iter().position(|argument| argument == "--compare")
        && at + 2 < arguments.len()
    {
        arguments.insert(at + 2, "--compare".into());
    }
    let known = [&["--compare", "--batch", "--repeats", "--size", "--tokens"][..], &PLACE].concat();
    let given = Given::read(&arguments, &known, &["--json"])?;
    let [one, other] = given.all("--compare") else {
        return Err(Stop::Usage("`--compare` wants two models".into()));
    };
    let batches = given.once("--batch")?.unwrap_or("1,8,64");
    let sane = |batch: &str| batch.trim().parse::<u64>().ok().filter(|batch| (1..=1 << 16).contains(batch));
    let batches: Option<Vec<u64>> = batches.split(',').map(sane).collect();
    let batches = batches.ok_or_else(|| Stop::Usage("`--batch` wants sizes from 1 to 65536, as in 1,8,64".into()))?;
    let repeats: usize = given.number("--repeats")?.unwrap_or(50);
    if repeats == 0 {
        return Err(Stop::Usage("`--repeats` must be at least 1".into()));
    }
    let (first, second) = (config(one)?, config(other)?);
    let bench = Bench {
        place: place(&given)?,
        batches,
        repeats,
        size: given.number("--size")?,
        tokens: given.number("--tokens")?,
    };
    let told = latency([(one, &first), (other, &second)], &bench)?;
    if given.flag("--json") {
        writeln!(out, "{told}")?;
    } else {
        write!(out, "{}", table(&told))?;
    }
    Ok(())
}

fn draw_weights(arguments: &[String], out: &mut impl Write) -> Result<(), Stop> {
    let given = Given::read(arguments, &["--model", "--seed", "--out"], &[])?;
    if !given.flag("--model") {
        return Err(Stop::Usage("`--model` is missing".into()));
    }
    let configs = given.all("--model").iter().map(|name| config(name)).collect::<Result<Vec<_>, _>>()?;
    let path = Path::new(given.needed("--out")?);
    let seed = given.number("--seed")?.ok_or_else(|| Stop::Usage("`--seed` says what is drawn".into()))?;
    tell(path, &draw(&configs, seed, path)?, out)
}

fn tokenize(arguments: &[String], out: &mut impl Write) -> Result<(), Stop> {
    let given = Given::read(arguments, &["--tokenizer", "--convention", "--out", "--length", "--text"], &[])?;
    let name = given.needed("--convention")?;
    let convention: Convention =
        CONVENTIONS.iter().find(|(known, _)| *known == name).map(|(_, convention)| *convention).ok_or_else(|| {
            let known: Vec<&str> = CONVENTIONS.iter().map(|(known, _)| *known).collect();
            Stop::Usage(format!("`{name}` is no convention; there are {}", known.join(", ")))
        })?;
    let length = given.number("--length")?.unwrap_or(convention.length());
    let (file, path) = (Path::new(given.needed("--tokenizer")?), Path::new(given.needed("--out")?));
    let tokenizer = Tokenizer::open(file, convention, length).map_err(TorchError::from)?;
    let tokens = if given.flag("--text") {
        tokenizer.encode(given.all("--text"))
    } else {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        tokenizer.encode(&text.lines().collect::<Vec<_>>())
    };
    let tokens = tokens.map_err(TorchError::from)?;
    let tensors = BTreeMap::from([("input_ids".to_owned(), tokens.ids), ("attention_mask".to_owned(), tokens.mask)]);
    write_tensors(path, &tensors)?;
    tell(path, &tensors, out)
}

/// One line a tensor: its name and its dimensions.
fn tell(path: &Path, tensors: &BTreeMap<String, Tensor>, out: &mut impl Write) -> Result<(), Stop> {
    writeln!(out, "{}", path.display())?;
    for (name, tensor) in tensors {
        writeln!(out, "  {name} {:?}", tensor.size())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(arguments: &[&str]) -> String {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let stop = run(&arguments, &mut Vec::new()).unwrap_err();
        stop.to_string().lines().next().unwrap().to_owned()
    }

    #[test]
    fn wrong_arguments_are_named() {
        assert_eq!(said(&["backward"]), "`backward` is no command");
        assert_eq!(said(&["forward", "--modle", "clip-l"]), "`--modle` is no argument here");
        assert_eq!(said(&["forward", "--model"]), "`--model` needs a value");
        let neither = "one of `--weights` and `--seed` says where the numbers come from";
        assert_eq!(said(&["forward", "--model", "clip-l"]), neither);
        assert_eq!(said(&["forward", "--seed", "1", "--weights", "w"]), neither);
        assert_eq!(said(&["forward", "--seed", "one"]), "`--seed` is `one`, which is no such number");
        assert_eq!(said(&["forward", "--seed=1", "--seed=2"]), "`--seed` is given more than once");
        let unknown = "`clip-x` is neither a model nor a YAML or JSON file with a model's config; `isoflop model --list` lists models";
        assert_eq!(said(&["forward", "--seed=1", "--inputs=i", "--out=o", "--model=clip-x"]), unknown);
        assert_eq!(said(&["latency", "--compare", "clip-l"]), "`--compare` wants two models");
        let batch = "`--batch` wants sizes from 1 to 65536, as in 1,8,64";
        assert_eq!(said(&["latency", "--compare", "clip-l", "clip-h", "--batch=1,x"]), batch);
        assert_eq!(said(&["latency", "--compare", "clip-l", "clip-h", "--json=1"]), "`--json=1` is no argument here");
        let convention = "`bert` is no convention; there are clip, openclip, t5";
        assert_eq!(said(&["tokenize", "--convention", "bert"]), convention);
        assert_eq!(said(&["weights", "--seed=1", "--out=o"]), "`--model` is missing");
        assert_eq!(said(&["weights", "--model=clip-small", "--out=o"]), "`--seed` says what is drawn");
    }

    /// What is written to a file is what the same seed gives without one; models whose tensors have other names may share it.
    #[test]
    fn weights_of_a_file_are_those_of_their_seed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let tower = r#""tower": {"width": 8, "layers": 1, "heads": 2, "mlp": 8, "activation": "gelu"}"#;
        let text = format!(
            r#"{{"family": "clip-text", "vocabulary": 9, "tokens": 4, "end": 8, "projection": 4, "logit_scale": true, {tower}}}"#
        );
        let image = format!(r#"{{"family": "clip-image", "resolution": 4, "patch": 2, "projection": 4, {tower}}}"#);
        std::fs::write(path("text.json"), text).unwrap();
        std::fs::write(path("image.json"), image).unwrap();
        let ids = Tensor::from_slice(&[1_i64, 8, 8, 8]).view([1, 4]);
        write_tensors(Path::new(&path("ids")), &BTreeMap::from([("input_ids".to_owned(), ids)])).unwrap();
        let done = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
            run(&arguments, &mut Vec::new()).map_err(|stop| stop.to_string())
        };
        let (text, image, weights) = (path("text.json"), path("image.json"), path("both.safetensors"));
        done(&["weights", "--model", &text, "--model", &image, "--seed=7", "--out", &weights]).unwrap();
        let forward = |from: [&str; 2], out: &str| {
            let out = path(out);
            done(&["forward", "--model", &text, from[0], from[1], "--inputs", &path("ids"), "--out", &out]).unwrap();
            std::fs::read(out).unwrap()
        };
        assert!(forward(["--weights", &weights], "a") == forward(["--seed", "7"], "b"));
        assert!(forward(["--weights", &weights], "c") != forward(["--seed", "8"], "d"));
        let twice = done(&["weights", "--model", &text, "--model", &text, "--seed=7", "--out", &weights]).unwrap_err();
        assert!(twice.contains("and one file holds one"), "{twice}");
    }
}
