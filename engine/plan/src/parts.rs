//! The parts of a recipe that depend on no other task: `with:`, `files:`, `on:` and `environment:`, read once for a group and worked out in each cell.

use std::{collections::BTreeSet, sync::Arc};

use isoflop_contract::{
    Demand, Entry, Environment, Runtime, Value,
    catalog::{self, Fault, Reading, SpecError},
    checkpoint::{Checkpointing, Every},
    demand::Gpus,
    environment::{Device, Torch},
    quantity::Seconds,
};

use crate::{
    expand, fault,
    files::{CODE, FileForms, FileMemory, FileSets},
    finding::Finding,
    form::{Form, Reader, Trial},
    inner::Scope,
    open,
    seal::World,
    source::{Sources, Span},
    study::TaskText,
    variables::{Context, Kept, Stage, Variables},
    yaml::{Entry as Written, Node, what},
};

/// What is read once for all cells of a group.
pub(crate) struct Forms<'w> {
    pub(crate) with: Option<(Form<'w>, Span)>,
    /// Each at its level, outermost first.
    on: Vec<(Form<'w>, Span, usize)>,
    environment: Option<(Form<'w>, Span)>,
    files: Option<(Form<'w>, Span)>,
    /// Whether all that is written could be read.
    sound: Sound,
}

/// Which parts of a task's text could be read.
struct Sound {
    with: bool,
    on: bool,
    environment: bool,
}

impl<'w, 'n> World<'w, 'n> {
    /// Reads what a task says of itself.
    pub(crate) fn forms(
        &mut self,
        text: &'w TaskText<'n>,
        entry: Option<&Entry>,
        variables: &Variables<'w>,
        context: &Context<'_, 'w>,
    ) -> Forms<'w> {
        let last = variables.last();
        let mut form = |written: Option<&'w Written>, level: usize| {
            let written = written.filter(|written| expand::must_be_map(self, written))?;
            Some((variables.form(context, level, &written.value, self.inbox), written.key_span))
        };
        let (with, environment, files) = (form(text.with, last), form(text.environment, last), form(text.files, last));
        let on: Vec<_> = text
            .on
            .iter()
            .filter_map(|on| form(Some(on.entry), on.level).map(|(form, span)| (form, span, on.level)))
            .collect();
        if let (Some(written), Some(Runtime::Native)) = (text.environment, entry.map(|entry| entry.runtime)) {
            let message = format!("`{}` is not of a libtorch kind, and only those have an environment", text.name);
            self.inbox
                .push(Finding::new("no-environment", message).at(written.key_span, "this key").hint("leave it out"));
        }
        if let (Some(written), Some(entry)) = (text.files, entry.filter(|entry| !entry.files)) {
            let message = format!("`{}` is of kind `{}`, which reads no files of the study", text.name, entry.name);
            self.inbox
                .push(Finding::new("takes-no-files", message).at(written.key_span, "this key").hint("leave it out"));
        }
        let sound = Sound {
            with: with.is_some() || text.with.is_none(),
            on: on.len() == text.on.len(),
            environment: environment.is_some() || text.environment.is_none(),
        };
        Forms { with, on, environment, files, sound }
    }

    /// The environment that the study sets for all tasks.
    pub(crate) fn study_environment(&mut self, node: &Node) -> Option<Value> {
        let names = self.names();
        let reader = Reader { engine: self.engine, sources: self.sources, names: &names };
        let form = reader.form(node, self.inbox);
        let mut trial = Trial::new(self.sources);
        let value = form.is_sound().then(|| form.evaluate(&self.scope, &mut trial)).flatten();
        self.inbox.extend(trial.findings);
        let value = value?;
        match fault::all(value.clone(), |value| torch(&[value])) {
            Ok(_) => Some(value),
            Err(errors) => {
                for error in errors {
                    let finding = fault::finding(&error, Some(&form), "`environment`", form.span(), self.sources);
                    self.inbox.push(finding);
                }
                None
            }
        }
    }

    /// What of a cell does not depend on other tasks.
    #[expect(clippy::too_many_arguments, reason = "one cell has all of these")]
    pub(crate) fn parts(
        &self,
        text: &TaskText<'_>,
        entry: Option<&Entry>,
        row: &[u32],
        forms: &Forms<'_>,
        stage: &Stage<'_, 'w>,
        study_environment: Option<&Value>,
        memory: &mut Memory,
        trial: &mut Trial<'_>,
    ) -> Option<Parts> {
        let last = text.levels.len() - 1;
        let own = stage.scope(last);
        let reading = entry.filter(|_| forms.sound.with).and_then(|entry| {
            memory.readings.get(row, trial, |trial| {
                let (with, span) = match &forms.with {
                    Some((form, span)) => {
                        let Some(with) = map(form, *span, own, "with", trial) else {
                            misread(trial, entry, form, *span, own);
                            return None;
                        };
                        (with, *span)
                    }
                    None => (nothing(), text.span),
                };
                let form = forms.with.as_ref().map(|(form, _)| form);
                let kept = entry.open.then(|| Arc::new(with.clone()));
                // Ports that may be left out can depend on the spec, and no file of the study has a say in that.
                let tied = !entry.open && entry.ports.iter().any(|port| !port.arity.required());
                let held = tied.then(|| with.clone());
                let reading = fault::all(with, |with| entry.read(with));
                let reading = reading.map_err(|errors| say_of_kind(trial, &errors, form, span, entry)).ok()?;
                if let Some(with) = held {
                    say_of_kind(trial, &open::unsuited(entry, text, &with, &[], None), form, span, entry);
                }
                Some((Arc::new(reading), kept))
            })
        });
        let demand = Some(()).filter(|()| forms.sound.on).and_then(|()| {
            memory.demands.get(row, trial, |trial| {
                let mut members = serde_json::Map::new();
                for (form, span, level) in &forms.on {
                    if let Value::Object(own) = map(form, *span, stage.scope(*level), "on", trial)? {
                        members.extend(own);
                    }
                }
                let demand = fault::all(Value::Object(members), |on| {
                    catalog::typed::<Demand>(on).and_then(sensible).and_then(|demand| together(demand, entry))
                });
                let complain = |errors: Vec<SpecError>| {
                    for error in errors {
                        let last =
                            forms.on.iter().rev().find(|(form, _, _)| form.holds(&error.path)).or(forms.on.last());
                        let (form, span) = last.map_or((None, text.span), |(form, span, _)| (Some(form), *span));
                        say(trial, &[error], form, span, "`on`");
                    }
                };
                demand.map_err(complain).ok()
            })
        });
        let environment = match entry.map_or(Runtime::Native, |entry| entry.runtime) {
            Runtime::Native => Some(Environment::Native),
            Runtime::Torch => Some(()).filter(|()| forms.sound.environment).and_then(|()| {
                memory.environments.get(row, trial, |trial| {
                    let (own, span) = match &forms.environment {
                        Some((form, span)) => (map(form, *span, own, "environment", trial)?, *span),
                        None => (nothing(), text.span),
                    };
                    let below = study_environment.cloned().unwrap_or_else(nothing);
                    let form = forms.environment.as_ref().map(|(form, _)| form);
                    let torch = fault::all(own, |own| torch(&[&below, own]));
                    torch.map_err(|errors| say(trial, &errors, form, span, "`environment`")).ok()
                })
            }),
        };
        let asked = FileForms { files: forms.files.as_ref(), with: forms.with.as_ref() };
        let code = match &reading {
            Some((reading, _)) => reading.code.clone(),
            None => entry.map(|entry| written_code(entry, forms.with.as_ref(), own, trial.sources)).unwrap_or_default(),
        };
        let files = self.files(text, &asked, &code, own, &mut memory.files, trial);
        let ((reading, with), entry) = (reading?, entry?);
        if let Some(with) = with {
            let named = asked.names(&reading.code);
            let errors = open::unsuited(entry, text, &with, &named, files.as_ref());
            let (form, span) = forms.with.as_ref().map_or((None, text.span), |(form, span)| (Some(form), *span));
            say_of_kind(trial, &errors, form, span, entry);
        }
        let (demand, environment) = (demand?, environment?);
        let (demand, unfit) = placed(demand, environment.device(), entry);
        if let Some(error) = unfit.or_else(|| idle(&demand, &reading)) {
            let said = forms.on.iter().rev().find(|(form, _, _)| form.holds(&error.path)).or(forms.on.last());
            let (form, span) = said.map_or((None, text.span), |(form, span, _)| (Some(form), *span));
            say(trial, &[error], form, span, "`on`");
            return None;
        }
        Some(Parts { reading, demand, environment, files: files? })
    }
}

/// What of a task depends on no other task.
pub(crate) struct Parts {
    pub(crate) reading: Arc<Reading>,
    pub(crate) demand: Demand,
    pub(crate) environment: Environment,
    pub(crate) files: FileSets,
}

/// A value that must be a map, or nothing.
fn map(form: &Form<'_>, span: Span, scope: &Scope, of: &str, trial: &mut Trial<'_>) -> Option<Value> {
    match form.evaluate(scope, trial)? {
        Value::Null => Some(nothing()),
        value @ Value::Object(_) => Some(value),
        other => {
            let message = format!("`{of}` must be a map, and is {}", what(&other));
            trial.findings.push(Finding::new("wrong-type", message).at(span, "here"));
            None
        }
    }
}

fn say(trial: &mut Trial<'_>, errors: &[SpecError], form: Option<&Form<'_>>, span: Span, of: &str) {
    let sources = trial.sources;
    trial.findings.extend(errors.iter().map(|error| fault::finding(error, form, of, span, sources)));
}

/// Says what a kind has against values of `with:`, and which they are.
fn say_of_kind(trial: &mut Trial<'_>, errors: &[SpecError], form: Option<&Form<'_>>, span: Span, entry: &Entry) {
    for error in errors {
        say(trial, std::slice::from_ref(error), form, span, &format!("kind `{}`", entry.name));
        if let (Fault::Invalid(_), Some(finding)) = (&error.fault, trial.findings.last_mut()) {
            finding.value = Some(fault::dotted(&error.path));
        }
    }
}

/// Says what a kind cannot read of a `with:` that has no value as a whole: whatever its other values may be, these are mistakes too.
fn misread(trial: &mut Trial<'_>, entry: &Entry, form: &Form<'_>, span: Span, own: &Scope) {
    let known = form.known(own, trial.sources).unwrap_or_else(nothing);
    let mut errors = fault::all(known, |with| entry.read(with)).err().unwrap_or_default();
    errors.retain(fault::stands_alone);
    say_of_kind(trial, &errors, Some(form), span, entry);
}

/// The paths under `code` in a `with:` that cannot be read for other reasons, where its kind has such a field and takes what it holds: files are looked for
/// whatever the fields beside them are.
fn written_code(entry: &Entry, with: Option<&(Form<'_>, Span)>, own: &Scope, sources: &Sources) -> Vec<String> {
    let known = with.filter(|_| entry.files).and_then(|(form, _)| form.known(own, sources));
    let Some(code) = known.and_then(|known| known.get(CODE).cloned()) else { return Vec::new() };
    let paths = match &code {
        Value::String(path) => vec![path.clone()],
        Value::Array(paths) => paths.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let alone = Value::Object([(CODE.to_owned(), code)].into_iter().collect());
    let refused = |error: SpecError| {
        let is_unknown = matches!(&error.fault, Fault::UnknownField { field, .. } if field == CODE);
        is_unknown || error.path.first() == Some(&catalog::Segment::Field(CODE.to_owned()))
    };
    if entry.read(&alone).err().is_some_and(refused) { Vec::new() } else { paths }
}

fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}

/// What cells came to. They often differ in few axes, and reading a big `with:` is most of the work.
pub(crate) struct Memory {
    /// With what was read, where the kind has more to say of it.
    readings: Kept<(Arc<Reading>, Option<Arc<Value>>)>,
    demands: Kept<Demand>,
    environments: Kept<Environment>,
    files: FileMemory,
}

impl Memory {
    /// For cells with `width` axes.
    pub(crate) fn new(forms: &Forms<'_>, variables: &Variables<'_>, width: usize) -> Self {
        let axes =
            |form: Option<&Form<'_>>, level: usize| form.map(|form| variables.axes_of(level, form)).unwrap_or_default();
        let own = |form: &Option<(Form<'_>, Span)>| axes(form.as_ref().map(|(form, _)| form), variables.last());
        let on: BTreeSet<usize> = forms.on.iter().flat_map(|(form, _, level)| axes(Some(form), *level)).collect();
        Self {
            readings: Kept::new(own(&forms.with), width),
            demands: Kept::new(on.into_iter().collect(), width),
            environments: Kept::new(own(&forms.environment), width),
            files: FileMemory::default(),
        }
    }
}

/// The environment of libtorch kinds under these layers, the last counting most.
fn torch(layers: &[&Value]) -> Result<Environment, SpecError> {
    let mut members = serde_json::Map::new();
    for layer in layers {
        match layer {
            Value::Object(layer) => members.extend(layer.iter().map(|(name, value)| (name.clone(), value.clone()))),
            other => return catalog::typed::<Torch>(other).map(Environment::Torch),
        }
    }
    let torch: Torch = catalog::typed(&Value::Object(members))?;
    if torch.threads == 0 {
        return Err(out_of_range("threads", "must be at least 1"));
    }
    Ok(Environment::Torch(torch))
}

fn sensible(demand: Demand) -> Result<Demand, SpecError> {
    if demand.cpus == 0 {
        return Err(out_of_range("cpus", "must be at least 1"));
    }
    match demand.checkpoint {
        Checkpointing { every: Every::Steps(0), .. } => Err(out_of_range("checkpoint.every", "must be at least 1")),
        Checkpointing { every: Every::Time(Seconds(0)), .. } => {
            Err(out_of_range("checkpoint.every", "must be longer than nothing"))
        }
        Checkpointing { keep: 0, .. } => Err(out_of_range("checkpoint.keep", "must be at least 1")),
        _ => Ok(demand),
    }
}

/// Whether ranks that are asked for have something to do.
fn together(demand: Demand, entry: Option<&Entry>) -> Result<Demand, SpecError> {
    let Some(entry) = entry.filter(|entry| entry.alone && demand.ranks().get() > 1) else { return Ok(demand) };
    let field = if demand.ranks.is_some() { "ranks" } else { "gpus" };
    let problem = format!("must be 1 at most: a task of kind `{}` is one process", entry.name);
    Err(out_of_range(field, &problem))
}

/// Says that ranks are asked for which would have nothing to do, if so.
fn idle(demand: &Demand, reading: &Reading) -> Option<SpecError> {
    let (ranks, shares) = (u64::from(demand.ranks().get()), reading.shares);
    let field = if demand.ranks.is_some() { "ranks" } else { "gpus" };
    let problem = match shares {
        1 => "must be 1 at most: a batch of this task is one part, and `micro_batch` cuts it into more".to_owned(),
        _ => format!(
            "must be {shares} at most: a batch of this task has so many parts, and a smaller `micro_batch` makes more"
        ),
    };
    (ranks > shares).then(|| out_of_range(field, &problem))
}

/// What a task asks of the machine, on that class of device: where CUDA is, one device at least, and one for each rank or one for all of them.
fn placed(demand: Demand, device: Option<Device>, entry: &Entry) -> (Demand, Option<SpecError>) {
    if !device.is_some_and(Device::is_cuda) {
        return (demand, None);
    }
    let gpus = if demand.gpus == Gpus::NONE { Gpus::whole(1) } else { demand.gpus };
    let demand = Demand { gpus, ..demand };
    let (ranks, devices) = (demand.ranks().get(), gpus.devices() as u32);
    let unfit = (devices > 1 && ranks != devices).then(|| {
        let problem = format!(
            "{ranks} ranks on {devices} devices: each rank of `{}` has a device of its own, or all of them share one",
            entry.name
        );
        out_of_range(if demand.ranks.is_some() { "ranks" } else { "gpus" }, &problem)
    });
    (demand, unfit)
}

fn out_of_range(field: &str, problem: &str) -> SpecError {
    SpecError {
        path: field.split('.').map(|field| catalog::Segment::Field(field.to_owned())).collect(),
        fault: Fault::Invalid(problem.to_owned()),
    }
}
