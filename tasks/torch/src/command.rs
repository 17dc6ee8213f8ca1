//! What a person may type after `isoflop-torch`: `forward` and `tokenize`.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    path::Path,
};

use tch::Tensor;

use crate::{
    data::write_tensors,
    error::TorchError,
    forward::{Source, config, forward},
    tokens::{CONVENTIONS, Convention, Tokenizer},
};

/// How to use it.
pub const USAGE: &str = "\
isoflop-torch forward --model M (--weights W | --seed N) --inputs I.safetensors --out O.safetensors [--threads N]
    One forward pass. M is a model of `isoflop model --list` or a JSON file with a model's config; W is a safetensors file, the
    index of several, or a folder with either, as diffusers and transformers save them. With --seed, weights are as training starts.

isoflop-torch tokenize --tokenizer T.json --convention clip|openclip|t5 --out O.safetensors [--length N] [--text TEXT]...
    Texts, else the lines of standard input, to `input_ids` and `attention_mask`.

isoflop-torch --version";

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

/// Arguments as given: `--name value` pairs.
struct Given<'a> {
    named: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Given<'a> {
    fn read(arguments: &'a [String], known: &[&str]) -> Result<Self, Stop> {
        let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (name, inline) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (argument.as_str(), None),
            };
            if !known.contains(&name) {
                return Err(Stop::Usage(format!("`{argument}` is no argument here")));
            }
            let value = inline.or_else(|| rest.next().map(String::as_str));
            let value = value.ok_or_else(|| Stop::Usage(format!("`{name}` needs a value")))?;
            named.entry(name).or_default().push(value);
        }
        Ok(Self { named })
    }

    fn once(&self, name: &str) -> Result<Option<&'a str>, Stop> {
        match self.named.get(name).map(Vec::as_slice) {
            None => Ok(None),
            Some([value]) => Ok(Some(value)),
            Some(_) => Err(Stop::Usage(format!("`{name}` is given more than once"))),
        }
    }

    fn needed(&self, name: &str) -> Result<&'a str, Stop> {
        self.once(name)?.ok_or_else(|| Stop::Usage(format!("`{name}` is missing")))
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Stop> {
        let wrong = |value: &str| Stop::Usage(format!("`{name}` is `{value}`, which is no such number"));
        self.once(name)?.map(|value| value.parse().map_err(|_| wrong(value))).transpose()
    }
}

/// Does what `arguments` say and prints what came of it.
pub fn run(arguments: &[String], out: &mut impl Write) -> Result<(), Stop> {
    match arguments.split_first().map(|(verb, rest)| (verb.as_str(), rest)) {
        Some(("forward", rest)) => pass(rest, out),
        Some(("tokenize", rest)) => tokenize(rest, out),
        Some(("help" | "--help" | "-h", _)) => Ok(writeln!(out, "{USAGE}")?),
        Some((verb, _)) => Err(Stop::Usage(format!("`{verb}` is no command"))),
        None => Err(Stop::Usage("no command is given".into())),
    }
}

fn pass(arguments: &[String], out: &mut impl Write) -> Result<(), Stop> {
    let known = ["--model", "--weights", "--seed", "--inputs", "--out", "--threads"];
    let given = Given::read(arguments, &known)?;
    let source = match (given.once("--weights")?, given.number("--seed")?) {
        (Some(path), None) => Source::Weights(Path::new(path)),
        (None, Some(seed)) => Source::Seed(seed),
        _ => return Err(Stop::Usage("one of `--weights` and `--seed` says where the numbers come from".into())),
    };
    let threads: i32 = given.number("--threads")?.unwrap_or(1);
    if threads < 1 {
        return Err(Stop::Usage("`--threads` must be at least 1".into()));
    }
    let (inputs, path) = (Path::new(given.needed("--inputs")?), Path::new(given.needed("--out")?));
    let config = config(given.needed("--model")?)?;
    tch::set_num_threads(threads); // bits depend on it, so that one is the default everywhere
    tell(path, &forward(&config, source, inputs, path)?, out)
}

fn tokenize(arguments: &[String], out: &mut impl Write) -> Result<(), Stop> {
    let given = Given::read(arguments, &["--tokenizer", "--convention", "--out", "--length", "--text"])?;
    let name = given.needed("--convention")?;
    let convention: Convention =
        CONVENTIONS.iter().find(|(known, _)| *known == name).map(|(_, convention)| *convention).ok_or_else(|| {
            let known: Vec<&str> = CONVENTIONS.iter().map(|(known, _)| *known).collect();
            Stop::Usage(format!("`{name}` is no convention; there are {}", known.join(", ")))
        })?;
    let length = given.number("--length")?.unwrap_or(convention.length());
    let (file, path) = (Path::new(given.needed("--tokenizer")?), Path::new(given.needed("--out")?));
    let tokenizer = Tokenizer::open(file, convention, length).map_err(TorchError::from)?;
    let tokens = if let Some(texts) = given.named.get("--text") {
        tokenizer.encode(texts)
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
        let unknown =
            "`clip-x` is neither a model nor a JSON file with a model's config; `isoflop model --list` lists models";
        assert_eq!(said(&["forward", "--seed=1", "--inputs=i", "--out=o", "--model=clip-x"]), unknown);
        let convention = "`bert` is no convention; there are clip, openclip, t5";
        assert_eq!(said(&["tokenize", "--convention", "bert"]), convention);
    }
}
