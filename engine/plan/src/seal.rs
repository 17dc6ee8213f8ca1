//! Sealing: from cells to tasks with recipes and keys, in topological order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use isoflop_contract::{Catalog, Entry, Key, Recipe, Seed, Value, recipe::FORMAT};

use crate::{
    account,
    engine::TOO_LONG,
    expand::{self, Gathered},
    feed::Feed,
    finding::{Finding, Inbox},
    form::Trial,
    inner::{Scope, count},
    library::Library,
    parts::{Forms, Memory, Parts},
    plan::Task,
    points::{Lookup, Points},
    product::flag,
    source::Sources,
    study::{Role, Study, TaskText},
    suggest,
    template::Engine,
    trace::Trace,
    variables::{Context, Kept, Variables},
};

/// How many bytes the recipes of all tasks may take together, a value about [`VALUE_ROOM`] besides its text.
const ROOM_LIMIT: usize = 512 << 20;
const VALUE_ROOM: usize = 100;

/// How many cells of a group may fail before the others are left alone: whatever is wrong with them has been said.
const FAILED_LIMIT: usize = 500;

/// What expansion and sealing work on.
pub(crate) struct World<'w, 'n> {
    pub(crate) sources: &'w Sources,
    pub(crate) catalog: &'w Catalog,
    pub(crate) library: &'w Library<'w>,
    pub(crate) engine: &'w Engine,
    pub(crate) study: &'w Study<'n>,
    pub(crate) scope: Scope,
    pub(crate) inbox: &'w mut Inbox,
    /// Groups in the order in which the study has them, as far as they are done.
    pub(crate) groups: Vec<Option<Group<'w, 'n>>>,
    names: BTreeMap<&'w str, usize>,
    pub(crate) cells: usize,
    pub(crate) needs: usize,
    /// What the recipes of all tasks take, in bytes.
    room: usize,
    pub(crate) tasks: Vec<Task>,
}

/// A task's text with its cells.
pub(crate) struct Group<'w, 'n> {
    pub(crate) text: &'w TaskText<'n>,
    /// `None` if they are not known.
    pub(crate) points: Option<Points>,
    pub(crate) lookup: Lookup,
    /// Those that its `when` leaves out.
    pub(crate) left_out: Option<Lookup>,
    /// By point, the index of its task, unless something is wrong with it.
    pub(crate) tasks: Vec<Option<usize>>,
}

/// Seals all groups in `order`.
pub(crate) fn seal(
    sources: &Sources,
    catalog: &Catalog,
    library: &Library<'_>,
    engine: &Engine,
    study: &Study<'_>,
    order: &[usize],
    inbox: &mut Inbox,
) -> Vec<Task> {
    let mut world = World {
        sources,
        catalog,
        library,
        engine,
        study,
        scope: Scope::new(&study.params),
        inbox,
        groups: study.tasks.iter().map(|_| None).collect(),
        names: study.tasks.iter().enumerate().map(|(at, task)| (task.name.as_str(), at)).collect(),
        cells: 0,
        needs: 0,
        room: 0,
        tasks: Vec::new(),
    };
    let environment = study.environment.and_then(|node| world.study_environment(node));
    for at in order {
        world.group_of(*at, environment.as_ref());
    }
    world.tasks
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

    /// What reading forms needs, where templates may use `names` besides variables.
    pub(crate) fn context<'r>(&self, names: &'r BTreeSet<&'r str>) -> Context<'r, 'w>
    where
        'w: 'r,
    {
        Context { engine: self.engine, sources: self.sources, names }
    }

    fn group_of(&mut self, at: usize, study_environment: Option<&Value>) {
        let study: &'w Study<'n> = self.study;
        let text: &'w TaskText<'n> = &study.tasks[at];
        self.inbox.within(&text.through);
        let entry = self.entry(text);
        let names = self.names();
        let context = self.context(&names);
        let inherited = expand::inherited(self, text);
        // Arguments may use axes that are not known; a task that is given none can be read further.
        let known = inherited.is_some() || text.levels.len() == 1;
        let axes = inherited.as_ref().map_or(&[][..], Points::axes);
        let visible: Vec<usize> = (0..text.levels.len()).map(|level| expand::visible(self, text, level)).collect();
        let variables =
            known.then(|| Variables::given(&context, &text.levels, axes, |level| visible[level], self.inbox));
        let gathers: Vec<Option<Gathered<'w>>> = match &variables {
            Some(variables) => text.gathers.iter().map(|gather| Gathered::read(self, gather, variables)).collect(),
            None => text.gathers.iter().map(|_| None).collect(),
        };
        // Gathers that are not known leave the axes they might bring unknown too.
        let known =
            gathers.iter().zip(&text.gathers).all(|(gathered, gather)| gathered.is_some() || gather.by.is_empty());
        let gathers: Vec<Gathered<'w>> = gathers.into_iter().flatten().collect();
        let points = match (&inherited, &variables) {
            (Some(inherited), Some(variables)) if known => expand::points(self, text, inherited, variables, &gathers),
            _ => None,
        };
        let Some((points, mut variables)) = points.zip(variables) else {
            self.feeds(text, entry, None, gathers);
            self.groups[at] =
                Some(Group { text, points: None, lookup: Lookup::default(), left_out: None, tasks: Vec::new() });
            return;
        };
        if let Some(level) = text.levels.last() {
            variables.complete(&context, level, points.axes(), self.inbox);
        }
        let (points, left_out) = self.kept(text, points, &variables, &context);
        if text.role == Role::Task {
            self.cells = self.cells.saturating_add(points.as_ref().map_or(0, Points::len));
            if self.cells > expand::CELL_LIMIT {
                expand::too_many(self.inbox, text, text.span, self.cells as u128);
                return;
            }
        }
        let feeds = self.feeds(text, entry, points.as_ref().map(|points| (points, &variables)), gathers);
        let tasks = match &points {
            Some(points) if text.role == Role::Task => {
                let forms = self.forms(text, entry, &variables, &context);
                self.tasks_of(text, entry, points, &variables, &forms, feeds.as_deref(), study_environment)
            }
            _ => Vec::new(),
        };
        let lookup = points.as_ref().map(Points::lookup).unwrap_or_default();
        self.groups[at] = Some(Group { text, points, lookup, left_out, tasks });
    }

    /// The points for which `when` is true, and the others. `None` if that is not known, which has been said.
    fn kept(
        &mut self,
        text: &TaskText<'_>,
        points: Points,
        variables: &Variables<'w>,
        context: &Context<'_, 'w>,
    ) -> (Option<Points>, Option<Lookup>) {
        let Some(entry) = text.when else { return (Some(points), None) };
        let level = variables.last();
        let form = variables.form(context, level, &entry.value, self.inbox);
        if !form.is_sound() {
            return (None, None);
        }
        let mut stage = variables.stage(&self.scope, points.axes().len());
        let mut kept = Kept::new(variables.axes_of(level, &form), points.axes().len());
        let (mut flags, mut failed) = (Vec::with_capacity(points.len()), 0);
        for index in 0..points.len() {
            if self.is_spent(text, variables) {
                break;
            }
            let row = points.row(index);
            let mut trial = Trial::new(self.sources);
            let entered = stage.enter(row, &mut trial);
            let make = |trial: &mut Trial<'_>| flag(&form, stage.scope(level), "`when`", entry.value.span, trial);
            flags.push(entered.and_then(|()| kept.get(row, &mut trial, make)));
            if self.said(text, &points, index, trial, &mut failed) {
                break;
            }
        }
        if flags.len() < points.len() || flags.iter().any(Option::is_none) {
            return (None, None);
        }
        let left_out = points.filter(|index| flags[index] == Some(false)).lookup();
        (Some(points.filter(|index| flags[index] == Some(true))), Some(left_out))
    }

    /// Passes on what was complained of in a cell, and counts the cells that fail. Says whether that is enough of them.
    fn said(
        &mut self,
        text: &TaskText<'_>,
        points: &Points,
        index: usize,
        trial: Trial<'_>,
        failed: &mut usize,
    ) -> bool {
        if trial.findings.is_empty() {
            return false;
        }
        *failed += 1;
        let enough = *failed == FAILED_LIMIT;
        // Where all fail alike, the others will.
        let cells = if enough && *failed == index + 1 { points.len() - index } else { 1 };
        let name = format!("{}{}", text.name, points.cell(index));
        for finding in trial.findings {
            for _ in 1..cells {
                self.inbox.push_in(&name, points.len(), finding.clone());
            }
            self.inbox.push_in(&name, points.len(), finding);
        }
        enough
    }

    /// Counts one more cell. Says whether no more can be worked out, which is a finding if there is no other.
    fn is_spent(&mut self, text: &TaskText<'_>, variables: &Variables<'_>) -> bool {
        let count = variables.bindings().len() as u64;
        self.engine.spend(16 * count + 128 * count.saturating_sub(24)); // many variables are slower to find
        let spent = self.engine.is_spent();
        if spent && self.inbox.len() == 0 {
            let finding = Finding::new("templates-too-long", TOO_LONG).at(text.span, "the limit is passed here");
            self.inbox.push(finding);
        }
        spent
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

    #[expect(clippy::too_many_arguments, reason = "one group has all of these")]
    fn tasks_of(
        &mut self,
        text: &'w TaskText<'n>,
        entry: Option<&'w Entry>,
        points: &Points,
        variables: &Variables<'w>,
        forms: &Forms<'w>,
        feeds: Option<&[Feed<'w>]>,
        study_environment: Option<&Value>,
    ) -> Vec<Option<usize>> {
        let origin = self.sources.origin(text.span);
        let trace =
            Arc::new(Trace::new(self.sources, self.study, variables, forms.with.as_ref().map(|(form, _)| form)));
        let origins = Arc::new(trace.origins());
        let mut stage = variables.stage(&self.scope, points.axes().len());
        let mut memory = Memory::new(forms, variables, points.axes().len());
        let (mut made, mut failed) = (vec![None; points.len()], 0);
        for (index, slot) in made.iter_mut().enumerate() {
            if self.is_spent(text, variables) {
                break;
            }
            let mut trial = Trial::new(self.sources);
            let row = points.row(index);
            let entered = stage.enter(row, &mut trial);
            let parts = entered
                .and_then(|()| self.parts(text, entry, row, forms, &stage, study_environment, &mut memory, &mut trial));
            for finding in &mut trial.findings {
                if let Some(path) = finding.value.take() {
                    finding.through.extend(account::ways(trace.via(&path, &points.cell(index))));
                }
            }
            let needs =
                feeds.and_then(|feeds| self.needs(text, (points, index), feeds, entered.map(|()| &stage), &mut trial));
            if let (Some(entry), Some(feeds), Some((needs, _))) = (entry, feeds, &needs) {
                self.shapes(entry, feeds, needs, &mut trial.findings);
                if let Some(parts) = &parts {
                    let own = (&parts.reading.spec, &parts.environment);
                    self.follows(entry, text, own, feeds, needs, &mut trial.findings);
                }
            }
            if self.said(text, points, index, trial, &mut failed) {
                break;
            }
            let (Some(entry), Some(parts), Some((needs, keys))) = (entry, parts, needs) else { continue };
            let Parts { reading, demand, environment, files } = parts;
            let cell = points.cell(index);
            let recipe = Recipe {
                format: FORMAT,
                kind: entry.name.to_owned(),
                revision: entry.revision,
                spec: reading.spec.clone(),
                seed: reading.seeded.then(|| Seed::of_task(self.study.seed, &text.name, &cell)),
                environment,
                needs: keys,
                files: files.iter().map(|(name, set)| (name.clone(), set.digest)).collect(),
            };
            let name = format!("{}{cell}", text.name);
            let recipe_text = match recipe.text() {
                Ok(recipe_text) => recipe_text,
                Err(error) => {
                    let finding = Finding::new("bad-value", error.to_string()).at(text.span, "here");
                    self.inbox.push_in(&name, points.len(), finding);
                    continue;
                }
            };
            self.room += recipe_text.len() + VALUE_ROOM * count(&recipe.spec) as usize;
            if self.room > ROOM_LIMIT {
                let message =
                    format!("with `{}` the recipes of all tasks take more than {} MiB", text.name, ROOM_LIMIT >> 20);
                self.inbox.push(Finding::new("too-large-recipes", message).at(text.span, "the limit is passed here"));
                break;
            }
            *slot = Some(self.tasks.len());
            self.tasks.push(Task {
                name,
                group: text.name.clone(),
                cell,
                kind: entry.name,
                revision: entry.revision,
                runtime: entry.runtime,
                makes: reading.makes.clone(),
                key: Key::of_text(&recipe_text),
                recipe,
                recipe_text,
                needs,
                files,
                outside: reading.outside.clone(),
                demand,
                cost: reading.cost,
                origin: origin.clone(),
                origins: Arc::clone(&origins),
                trace: Arc::clone(&trace),
            });
        }
        made
    }
}
