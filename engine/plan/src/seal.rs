//! Sealing: from cells to tasks with recipes and keys, in topological order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use isoflop_contract::{
    Catalog, Cell, Demand, Entry, Environment, Key, Recipe, Runtime, Seed, Value,
    catalog::{self, Reading, SpecError},
    environment::Torch,
    recipe::FORMAT,
};

use crate::{
    expand::{self, Gathered},
    fault,
    feed::Feed,
    finding::{Finding, Inbox},
    form::{Form, Reader},
    plan::Task,
    source::{Origin, Sources, Span},
    study::{Study, TaskText},
    suggest,
    template::{Engine, Scope},
    yaml::{Entry as Written, Node, what},
};

/// What expansion and sealing work on.
pub(crate) struct World<'w, 'n> {
    pub(crate) sources: &'w Sources,
    pub(crate) catalog: &'w Catalog,
    pub(crate) engine: &'w Engine,
    pub(crate) study: &'w Study<'n>,
    pub(crate) scope: Scope,
    pub(crate) inbox: &'w mut Inbox,
    /// Groups in the order in which the study has them, as far as they are done.
    pub(crate) groups: Vec<Option<Group<'w, 'n>>>,
    names: BTreeMap<&'w str, usize>,
    pub(crate) cells: usize,
    pub(crate) needs: usize,
    pub(crate) tasks: Vec<Task>,
}

/// A task's text with its cells.
pub(crate) struct Group<'w, 'n> {
    pub(crate) text: &'w TaskText<'n>,
    /// `None` if they are not known.
    pub(crate) cells: Option<Vec<Cell>>,
    pub(crate) labels: BTreeMap<String, usize>,
    /// By cell, the index of its task, unless something is wrong with it.
    pub(crate) tasks: Vec<Option<usize>>,
}

impl Group<'_, '_> {
    /// The names of its axes, if they are known.
    pub(crate) fn axes(&self) -> Option<Vec<String>> {
        let first = self.cells.as_ref()?.first()?;
        Some(first.iter().map(|(axis, _)| axis.to_owned()).collect())
    }
}

/// Seals all groups in `order`.
pub(crate) fn seal(
    sources: &Sources,
    catalog: &Catalog,
    study: &Study<'_>,
    order: &[usize],
    inbox: &mut Inbox,
) -> Vec<Task> {
    let engine = Engine::new(&BTreeMap::new());
    let mut world = World {
        sources,
        catalog,
        engine: &engine,
        study,
        scope: engine.scope(&study.params),
        inbox,
        groups: study.tasks.iter().map(|_| None).collect(),
        names: study.tasks.iter().enumerate().map(|(at, task)| (task.name.as_str(), at)).collect(),
        cells: 0,
        needs: 0,
        tasks: Vec::new(),
    };
    let environment = study.environment.and_then(|node| world.study_environment(node));
    for at in order {
        world.group_of(*at, environment.as_ref());
    }
    world.tasks
}

/// What is read once for all cells of a group.
struct Forms<'w> {
    lets: Vec<(&'w str, Form<'w>)>,
    with: Option<(Form<'w>, Span)>,
    on: Option<(Form<'w>, Span)>,
    environment: Option<(Form<'w>, Span)>,
    origins: BTreeMap<String, Origin>,
}

impl<'w, 'n> World<'w, 'n> {
    /// The index of the group `name`.
    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The group `name`, if it is done.
    pub(crate) fn group(&self, name: &str) -> Option<&Group<'w, 'n>> {
        self.groups[self.index(name)?].as_ref()
    }

    /// The names that a template may use before any cell is known.
    pub(crate) fn names(&self) -> BTreeSet<&'w str> {
        let study: &'w Study<'n> = self.study;
        self.engine.functions().chain(study.params.keys().map(String::as_str)).collect()
    }

    fn group_of(&mut self, at: usize, study_environment: Option<&Value>) {
        let study: &'w Study<'n> = self.study;
        let text: &'w TaskText<'n> = &study.tasks[at];
        let entry = self.entry(text);
        let gathers: Vec<Option<Gathered<'w>>> =
            text.gathers.iter().map(|gather| Gathered::read(self, gather)).collect();
        // Gathers that are not known leave the axes they might bring unknown too.
        let known =
            gathers.iter().zip(&text.gathers).all(|(gathered, gather)| gathered.is_some() || gather.by.is_empty());
        let gathers: Vec<Gathered<'w>> = gathers.into_iter().flatten().collect();
        let cells = if known { expand::cells(self, text, &gathers) } else { None };
        let labels = cells.iter().flatten().enumerate().map(|(index, cell)| (cell.label(), index)).collect();
        let axes: Option<Vec<String>> =
            cells.as_ref().and_then(|cells| Some(cells.first()?.iter().map(|(axis, _)| axis.to_owned()).collect()));
        let feeds = self.feeds(text, entry, axes.as_deref(), gathers);
        let tasks = match (&cells, axes) {
            (Some(cells), Some(axes)) => {
                let forms = self.forms(text, entry, &axes);
                self.tasks_of(text, entry, cells, &forms, feeds.as_deref(), study_environment)
            }
            _ => Vec::new(),
        };
        self.groups[at] = Some(Group { text, cells, labels, tasks });
    }

    fn entry(&mut self, text: &TaskText<'_>) -> Option<&'w Entry> {
        let (kind, span) = text.kind.as_ref()?;
        let catalog: &'w Catalog = self.catalog;
        let entry = catalog.get(kind);
        if entry.is_none() {
            self.inbox.push(
                Finding::new("unknown-kind", format!("there is no kind `{kind}`"))
                    .at(*span, "this kind")
                    .maybe_hint(suggest::hint(kind, catalog.iter().map(|entry| entry.name))),
            );
        }
        entry
    }

    fn forms(&mut self, text: &'w TaskText<'n>, entry: Option<&Entry>, axes: &[String]) -> Forms<'w> {
        let mut names: BTreeSet<&str> = self.names();
        names.extend(axes.iter().map(String::as_str));
        let mut lets = Vec::new();
        for written in &text.lets {
            let reader = Reader { engine: self.engine, sources: self.sources, names: &names };
            lets.push((written.key.as_str(), reader.form(&written.value, self.inbox)));
            names.insert(&written.key);
        }
        let mut form = |written: Option<&'w Written>| {
            let written = written.filter(|written| expand::must_be_map(self, written))?;
            let reader = Reader { engine: self.engine, sources: self.sources, names: &names };
            Some((reader.form(&written.value, self.inbox), written.key_span))
        };
        let (with, on, environment) = (form(text.with), form(text.on), form(text.environment));
        if let (Some(written), Some(Runtime::Native)) = (text.environment, entry.map(|entry| entry.runtime)) {
            let message = format!("`{}` is not of a libtorch kind, and only those have an environment", text.name);
            self.inbox
                .push(Finding::new("no-environment", message).at(written.key_span, "this key").hint("leave it out"));
        }
        let origins = with.as_ref().map(|(form, _)| form.origins(self.sources)).unwrap_or_default();
        Forms { lets, with, on, environment, origins }
    }

    fn study_environment(&mut self, node: &Node) -> Option<Value> {
        let names = self.names();
        let reader = Reader { engine: self.engine, sources: self.sources, names: &names };
        let form = reader.form(node, self.inbox);
        let mut findings = Vec::new();
        let value = form.is_sound().then(|| form.evaluate(&self.scope, self.sources, &mut findings)).flatten();
        self.inbox.extend(findings);
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

    fn tasks_of(
        &mut self,
        text: &'w TaskText<'n>,
        entry: Option<&'w Entry>,
        cells: &[Cell],
        forms: &Forms<'w>,
        feeds: Option<&[Feed<'w>]>,
        study_environment: Option<&Value>,
    ) -> Vec<Option<usize>> {
        let origin = self.sources.origin(text.span);
        let origins = Arc::new(forms.origins.clone());
        let mut memory = Memory::default();
        let mut made = Vec::with_capacity(cells.len());
        for cell in cells {
            let name = format!("{}{cell}", text.name);
            let mut findings = Vec::new();
            let parts = self.parts(text, entry, cell, forms, study_environment, &mut memory, &mut findings);
            let needs = feeds.and_then(|feeds| self.needs(text, cell, feeds, &mut findings));
            for finding in findings {
                self.inbox.push_in(&name, cells.len(), finding);
            }
            let (Some(entry), Some((reading, demand, environment)), Some((needs, keys))) = (entry, parts, needs) else {
                made.push(None);
                continue;
            };
            let recipe = Recipe {
                format: FORMAT,
                kind: entry.name.to_owned(),
                revision: entry.revision,
                spec: reading.spec,
                seed: entry.seeded.then(|| Seed::of_task(self.study.seed, &text.name, cell)),
                environment,
                needs: keys,
            };
            let recipe_text = match recipe.text() {
                Ok(recipe_text) => recipe_text,
                Err(error) => {
                    self.inbox.push_in(
                        &name,
                        cells.len(),
                        Finding::new("bad-value", error.to_string()).at(text.span, "here"),
                    );
                    made.push(None);
                    continue;
                }
            };
            made.push(Some(self.tasks.len()));
            self.tasks.push(Task {
                name,
                group: text.name.clone(),
                cell: cell.clone(),
                kind: entry.name,
                revision: entry.revision,
                runtime: entry.runtime,
                makes: entry.makes,
                key: Key::of_text(&recipe_text),
                recipe,
                recipe_text,
                needs,
                demand,
                cost: reading.cost,
                origin: origin.clone(),
                origins: Arc::clone(&origins),
            });
        }
        made
    }

    /// What of a cell does not depend on other tasks.
    #[expect(clippy::too_many_arguments, reason = "one cell has all of these")]
    fn parts(
        &self,
        text: &TaskText<'_>,
        entry: Option<&Entry>,
        cell: &Cell,
        forms: &Forms<'_>,
        study_environment: Option<&Value>,
        memory: &mut Memory,
        findings: &mut Vec<Finding>,
    ) -> Option<(Reading, Demand, Environment)> {
        let mut scope = expand::in_cell(&self.scope, cell);
        let mut whole = true;
        for (name, form) in &forms.lets {
            match form.evaluate(&scope, self.sources, findings) {
                Some(value) => scope.set(name, &value),
                None => whole = false,
            }
        }
        if !whole {
            return None; // whatever uses that name would be blamed for it
        }
        let mut value = |form: &Option<(Form<'_>, Span)>, of: &str| match form {
            None => Some(Value::Object(serde_json::Map::new())),
            Some((form, span)) => match form.evaluate(&scope, self.sources, findings)? {
                Value::Null => Some(Value::Object(serde_json::Map::new())),
                value @ Value::Object(_) => Some(value),
                other => {
                    let message = format!("`{of}` must be a map, and is {}", what(&other));
                    findings.push(Finding::new("wrong-type", message).at(*span, "here"));
                    None
                }
            },
        };
        // A value that is written and cannot be read has been complained of; nothing more is said of it.
        let mut sound = |form: &Option<(Form<'_>, Span)>, written: Option<&Written>, of: &str| {
            if form.is_none() && written.is_some() { None } else { value(form, of) }
        };
        let with = sound(&forms.with, text.with, "with");
        let on = sound(&forms.on, text.on, "on");
        let own = sound(&forms.environment, text.environment, "environment");
        let mut say = |form: &Option<(Form<'_>, Span)>, errors: &[SpecError], of: &str| {
            let span = form.as_ref().map_or(text.span, |(_, span)| *span);
            let form = form.as_ref().map(|(form, _)| form);
            findings.extend(errors.iter().map(|error| fault::finding(error, form, of, span, self.sources)));
        };
        let reading = with.zip(entry).and_then(|(with, entry)| {
            let of = format!("kind `{}`", entry.name);
            memory.reading(entry, with).map_err(|errors| say(&forms.with, &errors, &of)).ok()
        });
        let demand = on.and_then(|on| {
            let demand = fault::all(on, |on| catalog::typed::<Demand>(on).and_then(sensible));
            demand.map_err(|errors| say(&forms.on, &errors, "`on`")).ok()
        });
        let environment = match entry.map_or(Runtime::Native, |entry| entry.runtime) {
            Runtime::Native => Some(Environment::Native),
            Runtime::Torch => own.and_then(|own| {
                let below = study_environment.cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
                let torch = fault::all(own, |own| torch(&[&below, own]));
                torch.map_err(|errors| say(&forms.environment, &errors, "`environment`")).ok()
            }),
        };
        Some((reading?, demand?, environment?))
    }
}

/// What the last cell came to: cells often differ in their seed alone, and reading a big `with:` is most of the work.
#[derive(Default)]
struct Memory(Option<(Value, Result<Reading, Vec<SpecError>>)>);

impl Memory {
    fn reading(&mut self, entry: &Entry, with: Value) -> Result<Reading, Vec<SpecError>> {
        match &self.0 {
            Some((last, reading)) if *last == with => reading.clone(),
            _ => {
                let reading = fault::all(with.clone(), |with| entry.read(with));
                self.0 = Some((with, reading.clone()));
                reading
            }
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
    Ok(demand)
}

fn out_of_range(field: &str, problem: &str) -> SpecError {
    SpecError {
        path: vec![catalog::Segment::Field(field.to_owned())],
        fault: catalog::Fault::Invalid(problem.to_owned()),
    }
}
