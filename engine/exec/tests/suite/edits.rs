//! Plan equals run: a thousand random edits to random studies, each planned and then run in earnest. An oracle that knows neither keys nor the
//! ledger says what must be planned; what is executed must be exactly that, less what early cut-off adopts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
    sync::Arc,
};

use isoflop_exec::{Outcome, State};
use isoflop_ledger::{Ledger, Place};
use isoflop_store::Store;

use crate::world::{Server, Told, World};

/// Studies, each from nothing, and edits to each.
const STUDIES: u64 = 20;
const EDITS: usize = 50;

/// Numbers from a seed (splitmix64), so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A study that a person might be editing.
#[derive(Debug, Clone, Default)]
struct Draft {
    groups: Vec<Group>,
    /// What no result depends on.
    remarks: u32,
}

#[derive(Debug, Clone)]
struct Group {
    name: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// One text for each value of an axis that is called as the group was at first.
    Say { axis: String, texts: Vec<(String, String, bool)> },
    /// One for each cell of another group.
    Shout { from: String, unused: u32 },
    /// All cells of another group, or one for each value of its first axis.
    Join { from: String, by: bool },
}

impl Kind {
    fn from(&mut self) -> Option<&mut String> {
        match self {
            Self::Say { .. } => None,
            Self::Shout { from, .. } | Self::Join { from, .. } => Some(from),
        }
    }
}

/// A task as the oracle sees it. `identity` is all that its result may depend on, written out; `told` is what it makes.
#[derive(Debug, Clone)]
struct Expected {
    cell: BTreeMap<String, String>,
    identity: String,
    trace: String,
    needs: Vec<usize>,
    told: Option<String>,
}

fn label(cell: &BTreeMap<String, String>) -> String {
    cell.iter().map(|(axis, value)| format!("{axis}={value}")).collect::<Vec<_>>().join(",")
}

impl Draft {
    fn yaml(&self) -> String {
        let mut text = format!("  # remark {}\n", self.remarks);
        for Group { name, kind } in &self.groups {
            let _ = match kind {
                Kind::Say { axis, texts } => {
                    let values: Vec<&str> = texts.iter().map(|(value, ..)| value.as_str()).collect();
                    let said: Vec<String> = texts
                        .iter()
                        .map(|(value, text, fails)| {
                            format!("{value}: {{ text: {text}, how: {} }}", if *fails { "reject" } else { "fine" })
                        })
                        .collect();
                    write!(
                        text,
                        "  {name}:\n    matrix: {{ {axis}: [{}] }}\n    let: {{ said: {{ {} }}, mine: \"{{{{ said[{axis}] }}}}\" }}\n    \
                         kind: say\n    with: {{ marks: MARKS, text: \"{{{{ mine.text }}}}\", how: \"{{{{ mine.how }}}}\" }}\n",
                        values.join(", "),
                        said.join(", ")
                    )
                }
                Kind::Shout { from, unused } => writeln!(
                    text,
                    "  {name}: {{ each: {from}, kind: shout, needs: {{ from: {from} }}, with: {{ unused: {unused}, marks: MARKS }} }}"
                ),
                Kind::Join { from, by } => {
                    let by = by
                        .then(|| self.axis_of(from))
                        .flatten()
                        .map_or(String::new(), |axis| format!(", by: [{axis}]"));
                    writeln!(
                        text,
                        "  {name}: {{ kind: join, gather: {{ parts: {{ from: {from}{by} }} }}, with: {{ marks: MARKS }} }}"
                    )
                }
            };
        }
        text
    }

    fn group(&self, name: &str) -> &Group {
        self.groups.iter().find(|group| group.name == name).expect("a group that is referred to")
    }

    /// The axis that the cells of a group have, if they have one.
    fn axis_of(&self, name: &str) -> Option<String> {
        match &self.group(name).kind {
            Kind::Say { axis, .. } => Some(axis.clone()),
            Kind::Shout { from, .. } => self.axis_of(from),
            Kind::Join { from, by } => by.then(|| self.axis_of(from)).flatten(),
        }
    }

    /// What this study comes to.
    fn expected(&self) -> (Vec<Expected>, BTreeMap<String, usize>) {
        let (mut tasks, mut names) = (Vec::<Expected>::new(), BTreeMap::new());
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        // Producers are written before their consumers.
        for Group { name, kind } in &self.groups {
            let made: Vec<Expected> = match kind {
                Kind::Say { axis, texts } => texts
                    .iter()
                    .map(|(value, text, fails)| {
                        let identity = format!("say({text},{fails})");
                        Expected {
                            cell: BTreeMap::from([(axis.clone(), value.clone())]),
                            trace: identity.clone(),
                            identity,
                            needs: vec![],
                            told: (!fails).then(|| text.clone()),
                        }
                    })
                    .collect(),
                Kind::Shout { from, unused } => groups[from.as_str()]
                    .iter()
                    .map(|&index| {
                        let producer = &tasks[index];
                        Expected {
                            cell: producer.cell.clone(),
                            identity: format!("shout({unused},{})", producer.identity),
                            trace: format!("shout({unused},{:?})", producer.told),
                            needs: vec![index],
                            told: producer.told.as_ref().map(|told| told.to_uppercase()),
                        }
                    })
                    .collect(),
                Kind::Join { from, by } => {
                    let mut buckets: BTreeMap<BTreeMap<String, String>, BTreeMap<String, usize>> = BTreeMap::new();
                    for &index in &groups[from.as_str()] {
                        let cell = tasks[index].cell.clone();
                        let bucket = if *by { cell.clone() } else { BTreeMap::new() };
                        buckets.entry(bucket).or_default().insert(label(&cell), index);
                    }
                    let join = |(cell, bucket): (BTreeMap<String, String>, BTreeMap<String, usize>)| {
                        let parts = |part: &dyn Fn(&Expected) -> String| {
                            let parts: Vec<String> = bucket
                                .iter()
                                .map(|(label, index)| format!("{label}:{}", part(&tasks[*index])))
                                .collect();
                            parts.join(" ")
                        };
                        let whole = bucket.values().all(|index| tasks[*index].told.is_some());
                        Expected {
                            identity: format!("join({})", parts(&|task| task.identity.clone())),
                            trace: format!("join({})", parts(&|task| format!("{:?}", task.told))),
                            needs: bucket.values().copied().collect(),
                            told: whole.then(|| parts(&|task| task.told.clone().unwrap_or_default())),
                            cell,
                        }
                    };
                    buckets.into_iter().map(join).collect()
                }
            };
            for task in made {
                let cell = label(&task.cell);
                let full = if cell.is_empty() { name.clone() } else { format!("{name}[{cell}]") };
                names.insert(full, tasks.len());
                groups.entry(name).or_default().push(tasks.len());
                tasks.push(task);
            }
            groups.entry(name).or_default();
        }
        (tasks, names)
    }

    /// One thing a person might do to it.
    fn edit(&mut self, dice: &mut Dice, earlier: &[Self], fresh: &mut u32) {
        *fresh += 1;
        let n = self.groups.len();
        let at = dice.below(n);
        match dice.below(16) {
            0 => self.remarks += 1,
            1 if !earlier.is_empty() => *self = earlier[dice.below(earlier.len())].clone(),
            2 => {
                let name = format!("r{fresh}");
                let old = std::mem::replace(&mut self.groups[at].name, name.clone());
                for group in &mut self.groups {
                    if let Some(from) = group.kind.from().filter(|from| **from == old) {
                        from.clone_from(&name);
                    }
                }
            }
            3 | 4 => self.add(dice, *fresh),
            5 if n > 1 => {
                let name = self.groups[at].name.clone();
                let needed = self.groups.iter_mut().any(|group| group.kind.from().is_some_and(|from| *from == name));
                if !needed {
                    self.groups.remove(at);
                }
            }
            6 if at > 0 => {
                let other = self.groups[dice.below(at)].name.clone();
                if let Some(from) = self.groups[at].kind.from() {
                    *from = other;
                }
            }
            _ => match &mut self.groups[at].kind {
                Kind::Shout { unused, .. } => *unused = dice.below(3) as u32,
                Kind::Join { by, .. } => *by = !*by,
                Kind::Say { texts, .. } => {
                    let index = dice.below(texts.len());
                    match dice.below(10) {
                        0 => texts.push((format!("v{fresh}"), format!("t{fresh}"), false)),
                        1 if texts.len() > 1 => drop(texts.remove(index)),
                        2 => texts.reverse(),
                        3 => texts[index].0 = format!("v{fresh}"),
                        4 => texts[index].2 = !texts[index].2 && dice.one_in(2),
                        // Words that come again: bytes already seen, and keys already kept.
                        5..=8 => ["t1", "T1", "t2", "T2"][dice.below(4)].clone_into(&mut texts[index].1),
                        _ => texts[index].1 = format!("t{fresh}"),
                    }
                }
            },
        }
    }

    fn add(&mut self, dice: &mut Dice, fresh: u32) {
        let from = (!self.groups.is_empty()).then(|| self.groups[dice.below(self.groups.len())].name.clone());
        let kind = match (from, dice.below(4)) {
            (Some(from), 1 | 3) => Kind::Shout { from, unused: 0 },
            (Some(from), 2) => Kind::Join { from, by: dice.one_in(2) },
            _ => Kind::Say {
                axis: format!("a{fresh}"),
                texts: (0..=dice.below(3)).map(|k| (format!("v{k}"), format!("t{k}"), false)).collect(),
            },
        };
        if self.groups.len() < 8 {
            self.groups.push(Group { name: format!("g{fresh}"), kind });
        }
    }
}

/// What the ledger and the store must know by now.
#[derive(Default)]
struct Memory {
    /// Identities with a result.
    kept: BTreeSet<String>,
    /// Traces with a result, and what they made.
    traces: BTreeSet<String>,
    /// Texts whose bytes were thrown away.
    lost: BTreeSet<String>,
}

impl Memory {
    /// The tasks that must be planned: those without a result, and those whose bytes are gone and wanted.
    fn planned(&self, tasks: &[Expected]) -> BTreeSet<usize> {
        let mut run: BTreeSet<usize> =
            (0..tasks.len()).filter(|&index| !self.kept.contains(&tasks[index].identity)).collect();
        for index in (0..tasks.len()).rev() {
            if run.contains(&index) {
                let gone = |need: &&usize| tasks[**need].told.as_ref().is_some_and(|told| self.lost.contains(told));
                run.extend(tasks[index].needs.iter().filter(gone).copied().collect::<Vec<_>>());
            }
        }
        run
    }
}

pub fn a_thousand_edits_run_what_they_planned(server: &Server) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (mut executed, mut adopted, mut kept) = (0, 0, 0);
    for seed in 0..STUDIES {
        let world = World::new(server);
        let ledger = runtime.block_on(Ledger::open(Place::private(server.postgres()))).expect("a ledger");
        let store = Arc::new(Store::open(&world.path().join(".isoflop/store")).expect("a store"));
        let (mut dice, mut memory, mut draft, mut fresh) = (Dice(seed), Memory::default(), Draft::default(), 0);
        for _ in 0..3 {
            fresh += 1;
            draft.add(&mut dice, fresh);
        }
        let mut earlier = vec![];
        for edit in 0..EDITS {
            let (tasks, names) = draft.expected();
            let wanted = memory.planned(&tasks);
            let told = runtime.block_on(world.go().keep_going().run_with(&world.plan(&draft.yaml()), &ledger, &store));
            let counts = judge(&told, &world, &tasks, &names, &wanted, &mut memory)
                .unwrap_or_else(|error| panic!("study {seed}, edit {edit}: {error}\n{}", draft.yaml()));
            executed += counts.0;
            adopted += counts.1;
            kept += counts.2;
            world.forget_marks();
            if dice.one_in(8) {
                lose(&mut dice, world.path(), &tasks, &mut memory);
            }
            earlier.push(draft.clone());
            for _ in 0..=dice.below(3) {
                draft.edit(&mut dice, &earlier, &mut fresh);
            }
        }
        runtime.block_on(ledger.close());
    }
    // A walk that hardly did anything would prove nothing.
    println!("    {} edits: {executed} tasks executed, {adopted} adopted, {kept} kept", STUDIES as usize * EDITS);
    assert!(executed > 500 && adopted > 50 && kept > 2000, "{executed} {adopted} {kept}");
}

/// Holds one run against the oracle: planned, executed and made as expected. Tells how many were executed, adopted and kept.
fn judge(
    told: &Told,
    world: &World,
    tasks: &[Expected],
    names: &BTreeMap<String, usize>,
    wanted: &BTreeSet<usize>,
    memory: &mut Memory,
) -> Result<(usize, usize, usize), String> {
    let summary = told.result.as_ref().map_err(ToString::to_string)?;
    let index = |name: &str| names.get(name).copied().ok_or_else(|| format!("nobody expected `{name}`"));
    if summary.tasks.len() != tasks.len() {
        return Err(format!("{} tasks, expected {}", summary.tasks.len(), tasks.len()));
    }
    let mut planned = BTreeSet::new();
    for (task, state) in summary.tasks.iter().zip(told.survey.states()) {
        if matches!(state, State::Run(_)) {
            planned.insert(index(&task.name)?);
        }
    }
    if planned != *wanted {
        let named = |set: &BTreeSet<usize>| {
            names.iter().filter(|(_, at)| set.contains(at)).map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        return Err(format!("planned {:?}, expected {:?}", named(&planned), named(wanted)));
    }
    // Two tasks of one identity are one piece of work.
    let mut work: BTreeMap<&str, usize> = BTreeMap::new();
    for name in world.executed() {
        let at = index(&name)?;
        if !wanted.contains(&at) {
            return Err(format!("`{name}` was executed and not planned"));
        }
        *work.entry(&tasks[at].identity).or_default() += 1;
    }
    // Failures are not kept, so each of several equal tasks may try.
    let lasting = |identity: &str| tasks.iter().any(|task| task.identity == identity && task.told.is_some());
    if let Some((identity, n)) = work.iter().find(|(identity, n)| **n > 1 && lasting(identity)) {
        return Err(format!("{identity} was executed {n} times"));
    }
    let (known, mut adopted, mut kept) = (memory.traces.clone(), 0, 0);
    for summary in &summary.tasks {
        let at = index(&summary.name)?;
        let task = &tasks[at];
        let executed = work.contains_key(task.identity.as_str());
        let blocked = task.needs.iter().any(|need| tasks[*need].told.is_none());
        let outcome = match (wanted.contains(&at), &task.told) {
            (_, Some(_)) if !wanted.contains(&at) || !executed || summary.adopted => Outcome::Kept,
            (_, Some(_)) if summary.outcome == Outcome::Kept => Outcome::Kept, // its twin made it
            (_, Some(_)) => Outcome::Made,
            (_, None) if blocked => Outcome::Blocked,
            (_, None) => Outcome::Failed,
        };
        if summary.outcome != outcome {
            return Err(format!(
                "`{}` came out as {:?}, expected {outcome:?} ({:?})",
                summary.name, summary.outcome, summary.reason
            ));
        }
        kept += usize::from(!wanted.contains(&at));
        let Some(text) = &task.told else { continue };
        if wanted.contains(&at) && !executed {
            adopted += 1;
            if !known.contains(&task.trace)
                && !tasks.iter().any(|other| other.trace == task.trace && work.contains_key(other.identity.as_str()))
            {
                return Err(format!("`{}` was neither executed nor could it be adopted", summary.name));
            }
        }
        let there = !memory.lost.contains(text);
        if executed && known.contains(&task.trace) && there && !memory.kept.contains(&task.identity) {
            return Err(format!("`{}` was executed although its inputs had been seen", summary.name));
        }
    }
    for task in tasks {
        if let Some(text) = &task.told {
            if work.contains_key(task.identity.as_str()) {
                memory.lost.remove(text);
            }
            memory.kept.insert(task.identity.clone());
            memory.traces.insert(task.trace.clone());
        }
    }
    // Names that the ledger holds must lead to the right bytes.
    for summary in &summary.tasks {
        let task = &tasks[index(&summary.name)?];
        if let Some(text) = task.told.as_ref().filter(|text| !memory.lost.contains(*text)) {
            let held = told.text(world, &summary.name);
            if held != *text {
                return Err(format!("`{}` holds {held:?}, expected {text:?}", summary.name));
            }
        }
    }
    Ok((work.len(), adopted, kept))
}

/// Throws the bytes of one result away.
fn lose(dice: &mut Dice, folder: &Path, tasks: &[Expected], memory: &mut Memory) {
    let texts: Vec<&String> = tasks.iter().filter_map(|task| task.told.as_ref()).collect();
    if texts.is_empty() {
        return;
    }
    let text = texts[dice.below(texts.len())];
    let digest = isoflop_contract::Digest::of(text).to_string();
    let blob = folder.join(".isoflop/store/blobs").join(&digest[..2]).join(&digest);
    if fs::remove_file(blob).is_ok() {
        memory.lost.insert(text.clone());
    }
}
