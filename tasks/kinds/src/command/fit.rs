//! What a command may not say: by itself, and with the ports and files of its task.

use std::collections::BTreeMap;

use isoflop_contract::{Complaint, Fed, Manifest};

use super::{Command, Piece, Sort, Use, WHOLE, is_shape};

/// Refuses what is wrong whatever the task is fed.
pub(super) fn check(command: &Command) -> Result<(), Complaint> {
    program(command)?;
    for (name, output) in &command.outputs {
        let field = format!("outputs.{name}");
        Complaint::unless(is_name(name), &field, NAME)?;
        let place = if output.path.is_some() { format!("{field}.path") } else { field };
        if output.path(name) == WHOLE {
            let alone = command.outputs.len() == 1 && output.sort == Sort::Folder;
            Complaint::unless(
                alone,
                &place,
                "must not be `.`, the artifact as a whole, unless it is a folder and the only output",
            )?;
            continue;
        }
        Complaint::unless(is_inside(output.path(name)), &place, PATH)?;
        let holds =
            |(other, one): (&String, &super::Output)| other != name && lies_in(one.path(other), output.path(name));
        if let Some((other, _)) = command.outputs.iter().find(|(other, one)| holds((other, one))) {
            return Err(Complaint::new(place, format!("must not hold the output `{other}`")));
        }
    }
    Complaint::unless(
        !command.outputs.is_empty() || command.metrics.is_some(),
        "outputs",
        "must name at least one output, unless there are metrics: else nothing comes of it",
    )?;
    if let Some(metrics) = &command.metrics {
        Complaint::unless(is_inside(metrics), "metrics", PATH)?;
        let taken = ["in", "files", "params.json"].iter().any(|own| lies_in(metrics, own) || lies_in(own, metrics));
        Complaint::unless(!taken, "metrics", "must not lie where inputs do (`in`, `files`, `params.json`)")?;
        let kept = command.uses().contains(&Use::Checkpoint) && lies_in(metrics, "checkpoint");
        Complaint::unless(!kept, "metrics", "must not lie in the folder of the checkpoint: they are kept as it is")?;
    }
    Complaint::unless(
        is_shape(&command.makes),
        "makes",
        "must be the name of a shape: lower-case letters, digits and `-`, as in `model`",
    )?;
    for (name, value) in &command.param {
        let field = format!("param.{name}");
        Complaint::unless(is_variable(name), &field, "must be named by letters, digits and `_`")?;
        Complaint::unless(!value.is_null(), &field, "must have a value")?;
    }
    variables(command)
}

fn program(command: &Command) -> Result<(), Complaint> {
    let Some(program) = command.argv.first() else {
        return Err(Complaint::new("argv", "must name a program"));
    };
    let text = program.0.as_str();
    let plain = matches!(program.pieces().as_deref(), Ok([Piece::Text(_)]));
    let place = "argv.0";
    Complaint::unless(
        plain && !text.trim().is_empty(),
        place,
        "must be a program as such: files of a study are not executable, so name what reads them, as in [python3, \"{code}/train.py\"]",
    )?;
    Complaint::unless(
        text.starts_with('/') || !text.contains('/'),
        place,
        "must be a name that is found on PATH, or an absolute path; files of a study go under `code`",
    )
}

fn variables(command: &Command) -> Result<(), Complaint> {
    const NAMES: &str = "must be the name of a variable: letters, digits and `_`";
    const OURS: &str = "must be left alone: isoflop sets it";
    let ours = |name: &str| name == "TMPDIR" || name.starts_with("ISOFLOP_");
    for name in &command.env {
        // A set has no places; the list as a whole is shown.
        Complaint::unless(is_variable(name), "env", &format!("`{}` {NAMES}", name.escape_debug()))?;
        Complaint::unless(!ours(name), "env", &format!("`{name}` {OURS}"))?;
    }
    for (name, word) in &command.set {
        let field = format!("set.{name}");
        Complaint::unless(is_variable(name), &field, NAMES)?;
        Complaint::unless(!ours(name), &field, OURS)?;
        Complaint::unless(!command.env.contains(name), &field, "must not be let through by `env` as well")?;
        Complaint::unless(!word.0.contains('\0'), &field, "must not hold a zero byte")?;
    }
    let zero = command.argv.iter().position(|word| word.0.contains('\0'));
    zero.map_or(Ok(()), |at| Err(Complaint::new(format!("argv.{at}"), "must not hold a zero byte")))
}

/// Refuses placeholders that lead to nothing, and what no placeholder uses.
pub(super) fn suits(command: &Command, fed: &Fed<'_>) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut uses = std::collections::BTreeSet::new();
    for (field, word) in command.words() {
        let pieces = match word.pieces() {
            Ok(pieces) => pieces,
            Err(problem) => {
                complaints.push(Complaint::new(field, problem));
                continue;
            }
        };
        for (at, piece) in pieces.iter().enumerate() {
            let Piece::Use(one) = piece else { continue };
            let after = match pieces.get(at + 1) {
                Some(Piece::Text(text)) => text.as_str(),
                _ => "",
            };
            complaints.extend(problem(command, fed, one, after).map(|problem| Complaint::new(&field, problem)));
            uses.insert(one.clone());
        }
    }
    // What is not used is often a slip of the pen in a placeholder, which has been said then.
    if complaints.is_empty() {
        complaints.extend(unused(command, fed, &uses));
    }
    complaints
}

fn problem(command: &Command, fed: &Fed<'_>, one: &Use, after: &str) -> Option<String> {
    let none = |what: &str, name: &str, there: Vec<&str>| {
        Some(format!("`{one}`: there is no {what} `{name}`{}", list(&there)))
    };
    match one {
        Use::In(port) | Use::InJson(port) if !fed.ports.contains_key(port.as_str()) => {
            none("port", port, fed.ports.keys().copied().collect())
        }
        Use::Out(name) if !command.outputs.contains_key(name) => none("output", name, keys(&command.outputs)),
        Use::Param(name) if !command.param.contains_key(name) => none("parameter", name, keys(&command.param)),
        Use::Params if command.param.is_empty() => Some("`{params}`: there is no `param`".to_owned()),
        Use::Metrics if command.metrics.is_none() => Some("`{metrics}`: say `metrics: FILE` first".to_owned()),
        Use::File(name) => match fed.files.get(name.as_str()) {
            None if name == "code" => {
                Some("`{code}`: there is no `code`; name its files, as in `code: [train.py]`".to_owned())
            }
            None => none("set of files", name, fed.files.keys().copied().collect()),
            Some(None) => None,
            Some(Some(manifest)) => inside(one, manifest, after),
        },
        _ => None,
    }
}

/// Holds a path that follows `{code}` or `{file.NAME}` against the files there are.
fn inside(one: &Use, manifest: &Manifest, after: &str) -> Option<String> {
    let path = after.strip_prefix('/')?.trim_end_matches('/');
    // A word that goes on with something else than a path is the program's own business.
    let plain = !path.is_empty() && !path.contains([' ', ',', ':', ';', '=', '*', '?', '"', '\'']);
    let there = manifest.files.keys().any(|file| file == path || lies_in(file, path));
    (plain && !there).then(|| {
        let files: Vec<&str> = manifest.files.keys().map(String::as_str).collect();
        format!("`{one}` has no `{path}`{}", list(&files))
    })
}

fn unused(command: &Command, fed: &Fed<'_>, uses: &std::collections::BTreeSet<Use>) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for port in fed.ports.keys() {
        if !uses.contains(&Use::In((*port).to_owned())) && !uses.contains(&Use::InJson((*port).to_owned())) {
            let problem = format!("must use what it needs as `{port}`, by `{{in.{port}}}`");
            complaints.push(Complaint::new("argv", problem));
        }
    }
    for name in command.outputs.keys().filter(|name| !uses.contains(&Use::Out((*name).clone()))) {
        let problem = format!("must be told to the program, by `{{out.{name}}}`");
        complaints.push(Complaint::new(format!("outputs.{name}"), problem));
    }
    if !uses.contains(&Use::Params) {
        for name in command.param.keys().filter(|name| !uses.contains(&Use::Param((*name).clone()))) {
            let problem = format!("must be used, by `{{param.{name}}}` or `{{params}}`");
            complaints.push(Complaint::new(format!("param.{name}"), problem));
        }
    }
    for name in fed.files.keys().filter(|name| !uses.contains(&Use::File((**name).to_owned()))) {
        let problem = format!("must use the files `{name}`, by `{}`", Use::File((*name).to_owned()));
        complaints
            .push(Complaint::new(if *name == "code" && !command.code.is_empty() { "code" } else { "argv" }, problem));
    }
    complaints
}

const NAME: &str = "must be named by lower-case letters, digits, `-` and `_`, a letter first";
const PATH: &str = "must be a plain path inside the folder, as in `model.json` or `run/model.json`";

fn keys<V>(map: &BTreeMap<String, V>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}

/// What there is, for the end of a sentence.
fn list(names: &[&str]) -> String {
    const MANY: usize = 8;
    let shown: Vec<String> = names.iter().take(MANY).map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => String::new(),
        1 => format!("; there is {}", shown[0]),
        n if n > MANY => format!("; there are {} and {} more", shown.join(", "), n - MANY),
        _ => format!("; there are {}", shown.join(", ")),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_inside(path: &str) -> bool {
    let part = |part: &str| !matches!(part, "" | "." | "..") && !part.chars().any(|c| c.is_control() || c == '\\');
    path.split('/').all(part)
}

/// Whether `path` is `folder`, or lies in it.
fn lies_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
