//! What a training goes on from: all that it is between two steps. Parameters, both moments of the optimizer and the average of the weights by name,
//! the count of steps, sums under way and the curve. Nothing random is in it, since batches, levels and noise follow from seed and step.

use std::{cell::RefCell, collections::BTreeMap, ops::Range, path::Path};

use isoflop_kinds::train::{self, Weights};
use isoflop_worker::Halt;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor, no_grad};

use super::{
    AdamW, Curve, Settings,
    ema::{Ema, in_place},
    health::Watch,
    kept,
    optimizer::norm,
};
use crate::{
    data::{write_tensors, write_tensors_with},
    error::TorchError,
    nn::Packed,
    parallel::{
        fold::{Fold, stretch, turn},
        group::{add, all_gather, collect, scatter},
        team::Team,
    },
    weights::{Misfit, Shapes, Weights as Tensors},
};

/// The file of a checkpoint.
pub(super) const FILE: &str = "training.safetensors";

/// The metadata's member.
const MEMBER: &str = "training";

/// The version of what is in the metadata.
const FORMAT: u32 = 2;

/// What trains: the parameters, and of those that are one's own the optimizer's moments and their average.
#[derive(Debug)]
pub(super) struct State {
    optimizer: AdamW,
    ema: Option<Ema>,
    /// Vectors that nobody needs now: as long as the parameters, or as one's own range of them.
    spare: RefCell<Vec<Tensor>>,
}

/// All of a state, put together from what ranks have.
#[derive(Debug)]
pub(super) struct Whole {
    optimizer_steps: i32,
    /// Everything in one map, by name: `model.…`, `first.…`, `second.…`, `ema.…`.
    tensors: BTreeMap<String, Tensor>,
}

impl State {
    /// Parameters before the first step, as one of `team` has them.
    pub(super) fn new(packed: Packed, settings: Settings, ema: Option<train::Ema>, team: &Team) -> Self {
        let optimizer = AdamW::of(packed, settings, team.rank(), team.world());
        let ema = ema.map(|settings| Ema::new(&optimizer, settings));
        Self { optimizer, ema, spare: RefCell::default() }
    }

    /// Takes the gradients that this rank's backward passes of round `round` left at the parameters into `sum`.
    pub(super) fn collect(&self, round: u64, sum: &mut Fold<Tensor>, team: &Team) -> Result<(), Halt> {
        let gradient = self.gradient();
        if team.world() == 1 {
            sum.push(round, gradient, |left, right| self.added(left, right));
            return Ok(());
        }
        self.share(round, Some(&gradient), sum, team)?;
        self.spare.borrow_mut().push(gradient);
        Ok(())
    }

    /// The gradients that backward passes left at the parameters, which have none afterwards.
    pub(super) fn gradient(&self) -> Tensor {
        let packed = self.optimizer.packed();
        let gradient = self.room(packed.len());
        packed.collect(&gradient);
        gradient
    }

    /// A vector of this length, whatever is in it.
    fn room(&self, length: i64) -> Tensor {
        let mut spare = self.spare.borrow_mut();
        match spare.iter().position(|vector| vector.size() == [length]) {
            Some(at) => spare.swap_remove(at),
            None => no_grad(|| self.optimizer.packed().flat.narrow(0, 0, length).empty_like()),
        }
    }

    /// Takes gradients away that a backward pass left at the parameters, whatever they are.
    pub(super) fn forget(&self) {
        let gradient = self.gradient();
        self.spare.borrow_mut().push(gradient);
    }

    /// Takes `gradient`, this rank's of round `round`, into `sum`. It may be used up, and is nobody else's until the step is taken; where there are several parts, a copy is taken.
    pub(super) fn take(&self, round: u64, gradient: &Tensor, sum: &mut Fold<Tensor>, team: &Team) -> Result<(), Halt> {
        if team.world() > 1 {
            return self.share(round, Some(gradient), sum, team);
        }
        let spare = self.spare.borrow_mut().pop();
        if sum.shards() == 1 {
            // The spare one is this place too, which the step before gave back.
            sum.push(round, gradient.shallow_clone(), |_, _| unreachable!("one part has nothing to be added to"));
            return Ok(());
        }
        let copy = no_grad(|| match spare {
            Some(mut spare) => {
                spare.copy_(gradient);
                spare
            }
            None => gradient.copy(),
        });
        sum.push(round, copy, |left, right| self.added(left, right));
        Ok(())
    }

    /// Hands this rank's gradient of round `round` on, range by range to whom it belongs, and takes its own range of everybody's into `sum`. In the last round a
    /// rank may have none.
    pub(super) fn share(
        &self,
        round: u64,
        mine: Option<&Tensor>,
        sum: &mut Fold<Tensor>,
        team: &Team,
    ) -> Result<(), Halt> {
        let turn = turn(round, team.world(), sum.shards());
        let present = (turn.end - turn.start) as usize;
        let Range { start, end } = self.optimizer.range();
        let room = || self.room(end - start);
        let own = team.together(|group| scatter(group, self.optimizer.cut(), mine, present, room))?;
        for (part, own) in turn.zip(own) {
            sum.push(part, own, |left, right| self.added(left, right));
        }
        Ok(())
    }

    /// Their sum, in place of the left one; the right one can be used again.
    fn added(&self, left: Tensor, right: Tensor) -> Tensor {
        let sum = add(left, &right);
        self.spare.borrow_mut().push(right);
        sum
    }

    /// One step down the sum of all parts' gradients, of which this rank has its range. Answers with the sum's norm.
    pub(super) fn step(&mut self, sum: Fold<Tensor>, rate: f64, team: &Team) -> Result<Tensor, Halt> {
        let gradient = sum.into_root().expect("all parts have gone in");
        let optimizer = &mut self.optimizer;
        let cut = optimizer.cut();
        let norms = optimizer.norms(&gradient);
        let norms = if team.world() == 1 { norms } else { gathered(&norms, team)? };
        let norm = norm(&norms);
        optimizer.descend(&gradient, &norm, rate);
        team.together(|group| all_gather(group, cut, &optimizer.packed().flat))?;
        if let Some(ema) = &mut self.ema {
            ema.update(optimizer, optimizer.steps() as u64);
        }
        self.spare.get_mut().push(gradient);
        Ok(norm)
    }

    /// What `run` finds for each of so many `looks` with these weights in place. Ranks share them as they share a batch's parts, and all get all answers.
    pub(super) fn seen(
        &self,
        weights: Weights,
        looks: u64,
        team: &Team,
        run: impl FnMut(u64) -> f64,
    ) -> Result<Vec<f64>, Halt> {
        let mine = stretch(team.rank(), team.world(), looks);
        let idle = mine.is_empty();
        let found = || mine.map(run).collect();
        let found: Vec<f64> = match (&self.ema, weights) {
            (Some(ema), Weights::Ema) => {
                let averages = self.everywhere(ema, team)?;
                if idle { Vec::new() } else { in_place(self.optimizer.packed(), &averages, found) }
            }
            _ => found(),
        };
        team.together(|group| group.gather(&found))
    }

    /// The whole average, of which each rank has its range, on every rank.
    fn everywhere(&self, ema: &Ema, team: &Team) -> Result<Tensor, Halt> {
        if team.world() == 1 {
            return Ok(ema.flat().shallow_clone());
        }
        let Range { start, end } = self.optimizer.range();
        let whole = no_grad(|| {
            let whole = self.optimizer.packed().flat.empty_like();
            whole.narrow(0, start, end - start).copy_(ema.flat());
            whole
        });
        team.together(|group| all_gather(group, self.optimizer.cut(), &whole))?;
        Ok(whole)
    }

    /// The average of the weights by name, where one is kept, on the leader.
    pub(super) fn ema(&self, team: &Team) -> Result<Option<BTreeMap<String, Tensor>>, Halt> {
        let Some(ema) = &self.ema else { return Ok(None) };
        Ok(self.collected(ema.flat(), team)?.map(|flat| self.optimizer.packed().cut(&flat)))
    }

    /// The norm of the weights.
    pub(super) fn norm(&self) -> f64 {
        no_grad(|| self.optimizer.packed().flat.norm()).double_value(&[])
    }

    /// Writes the weights, and their average, as those of checkpoint `step` into `folder`, on the leader.
    pub(super) fn keep(&self, folder: &Path, step: u64, team: &Team) -> Result<(), Halt> {
        let packed = self.optimizer.packed();
        if team.leads() {
            write_tensors(&folder.join(kept::name(step, Weights::Raw)), &packed.cut(&packed.flat))?;
        }
        if let Some(ema) = self.ema(team)? {
            write_tensors(&folder.join(kept::name(step, Weights::Ema)), &ema)?;
        }
        Ok(())
    }

    /// All of what each rank has its range of, on the leader.
    fn collected(&self, own: &Tensor, team: &Team) -> Result<Option<Tensor>, Halt> {
        team.together(|group| collect(group, self.optimizer.cut(), own))
    }

    /// Everything, on the leader. One vector at a time is put together on the device and leaves it.
    pub(super) fn whole(&self, team: &Team) -> Result<Option<Whole>, Halt> {
        let packed = self.optimizer.packed();
        let mut tensors = BTreeMap::new();
        let mut put = |prefix: &str, flat: &Tensor| {
            let parts = packed.cut(&flat.to_device(Device::Cpu)); // one copy, not one a tensor
            tensors.extend(parts.into_iter().map(|(name, tensor)| (format!("{prefix}.{name}"), tensor)));
        };
        if team.leads() {
            put("model", &packed.flat);
        }
        let (first, second) = self.optimizer.moments();
        let ema = self.ema.as_ref().map(|ema| ("ema", ema.flat()));
        for (prefix, own) in [("first", first), ("second", second)].into_iter().chain(ema) {
            if let Some(flat) = self.collected(own, team)? {
                put(prefix, &flat);
            }
        }
        Ok(team.leads().then(|| Whole { optimizer_steps: self.optimizer.steps(), tensors }))
    }

    /// Reads everything back, one tensor at a time, and of what each rank has its range of no more than that. Nothing is touched unless all of it fits.
    pub(super) fn load(&mut self, path: &Path) -> Result<Progress, TorchError> {
        let wrong = |problem: &str| TorchError::Inconsistent { path: path.to_owned(), problem: problem.to_owned() };
        let file = Tensors::open(path)?;
        let head = file.text(MEMBER).ok_or_else(|| wrong("it says nothing of a training"))?;
        let head: Head =
            serde_json::from_str(head).map_err(|source| TorchError::Json { path: path.to_owned(), source })?;
        if head.format != FORMAT {
            return Err(wrong("it was written in another format"));
        }
        let packed = self.optimizer.packed();
        let ((first, second), own) = (self.optimizer.moments(), self.optimizer.range());
        let mut parts = vec![("model", &packed.flat, 0..packed.len()), ("first", first, own.clone())];
        parts.push(("second", second, own.clone()));
        parts.extend(self.ema.as_ref().map(|ema| ("ema", ema.flat(), own)));

        let wanted: Shapes = packed.stretches().map(|(name, _, shape)| (name.to_owned(), shape)).collect();
        for (prefix, ..) in &parts {
            let found = |full: &str| {
                let name = full.strip_prefix(prefix)?.strip_prefix('.')?;
                Some((name.to_owned(), file.shape(full)?))
            };
            Misfit::between(&wanted, &file.names().filter_map(found).collect())
                .map_err(|misfit| wrong(&format!("of `{prefix}`, {}", TorchError::Misfit(Box::new(misfit)))))?;
        }
        if file.names().count() != parts.len() * packed.names().len() {
            return Err(wrong("it holds more or fewer tensors than this training has"));
        }
        for (prefix, flat, range) in parts {
            for (name, at, _) in packed.stretches() {
                let shared = at.start.max(range.start)..at.end.min(range.end);
                if shared.is_empty() {
                    continue;
                }
                let length = shared.end - shared.start;
                let whole = file.tensor(&format!("{prefix}.{name}"))?.view(-1);
                no_grad(|| {
                    let mut place = flat.narrow(0, shared.start - range.start, length);
                    place.copy_(&whole.narrow(0, shared.start - at.start, length));
                });
            }
        }
        self.optimizer.go_on(head.optimizer_steps);
        Ok(head.progress)
    }
}

/// Numbers of all ranks in the order of ranks, of which `mine` are this one's.
fn gathered(mine: &Tensor, team: &Team) -> Result<Tensor, Halt> {
    let numbers = Vec::<f64>::try_from(mine.to_kind(Kind::Double).to_device(Device::Cpu)).expect("one dimension");
    let all = team.together(|group| group.gather(&numbers))?;
    Ok(Tensor::from_slice(&all).to_device(mine.device()))
}

/// A mean under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    /// The mean so far.
    pub(super) fn mean(self) -> f64 {
        self.sum / self.count.max(1) as f64
    }

    /// The mean so far, and a fresh start.
    pub(super) fn take(&mut self) -> f64 {
        std::mem::take(self).mean()
    }
}

/// How far a training is, besides its tensors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress {
    /// Steps taken.
    pub(super) done: u64,
    /// Losses since a point of the series `loss`.
    pub(super) window: Mean,
    /// Losses since a point of the curve.
    pub(super) since: Mean,
    /// Losses of the last tenth.
    pub(super) last: Mean,
    /// How the losses fare.
    pub(super) watch: Watch,
    pub(super) history: Vec<Curve>,
}

/// What the metadata holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: u32,
    optimizer_steps: i32,
    progress: Progress,
}

impl Progress {
    /// Writes everything to the file `path`.
    pub(super) fn save(&self, path: &Path, whole: &Whole) -> Result<(), TorchError> {
        let head = Head { format: FORMAT, optimizer_steps: whole.optimizer_steps, progress: self.clone() };
        let head = serde_json::to_string(&head).map_err(|source| TorchError::Json { path: path.to_owned(), source })?;
        write_tensors_with(path, &whole.tensors, &[(MEMBER, &head)])
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use isoflop_contract::Seed;
    use isoflop_kinds::train::Decays;

    use super::*;
    use crate::{
        nn::{Init, Params},
        parallel::{error::RankError, group::Group},
    };

    fn network(seed: u64, ema: bool) -> (Params, State) {
        let params = Params::new(Seed::from_number(seed));
        let _ = params.root().param("weight", &[3, 2], Init::Normal(1.0));
        let _ = params.root().param("bias", &[2], Init::Normal(1.0));
        let settings =
            Settings { betas: [0.9, 0.99], epsilon: 1e-8, weight_decay: 0.1, decays: Decays::Matrices, clip: 1.0 };
        let state =
            State::new(params.pack(), settings, ema.then_some(train::Ema { decay: 0.9, ramp: true }), &Team::solo());
        (params, state)
    }

    fn step(params: &Params, state: &mut State) {
        let named = params.named();
        let out = Tensor::ones([1, 3], (Kind::Float, Device::Cpu)).matmul(&named["weight"]) + &named["bias"];
        out.square().sum(None).backward();
        let mut sum = Fold::new(1);
        state.collect(0, &mut sum, &Team::solo()).unwrap();
        let _ = state.step(sum, 0.01, &Team::solo()).unwrap();
    }

    fn all(state: &State) -> BTreeMap<String, Tensor> {
        let whole = state.whole(&Team::solo()).unwrap().unwrap();
        whole.tensors.into_iter().map(|(name, tensor)| (name, no_grad(|| tensor.copy()))).collect()
    }

    #[test]
    fn a_training_goes_on_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for ema in [false, true] {
            let (params, mut state) = network(1, ema);
            step(&params, &mut state);
            step(&params, &mut state);
            let mut progress = Progress { done: 2, ..Progress::default() };
            progress.window.add(0.1);
            progress.window.add(0.2);
            progress.history.push(Curve { step: 2, loss: 1.0 / 3.0, heldout: 2.0_f64.sqrt() });
            progress.save(&path, &state.whole(&Team::solo()).unwrap().unwrap()).unwrap();
            let saved = all(&state);
            assert_eq!(saved.len(), if ema { 8 } else { 6 });
            step(&params, &mut state);
            assert!(saved.iter().all(|(name, tensor)| *tensor != all(&state)[name]), "a step moves everything");

            // Another start, which must leave no trace.
            let (other, mut resumed) = network(2, ema);
            assert_eq!(resumed.load(&path).unwrap(), progress);
            assert_eq!(all(&resumed), saved);
            step(&other, &mut resumed);
            assert_eq!(all(&resumed), all(&state));
            assert_eq!(resumed.optimizer.steps(), 3);
        }
    }

    /// A batch in one part, in four, in three of uneven order: the same loss curve but for rounding, and not the same bits.
    #[test]
    fn parts_of_a_batch_train_as_the_whole_does() {
        let rows = Tensor::arange(12 * 3, (Kind::Float, Device::Cpu)).view([12, 3]).cos();
        let curve = |parts: i64| -> Vec<f64> {
            let (params, mut state) = network(1, true);
            let named = params.named();
            let step = || {
                let mut sum = Fold::new(parts as u64);
                let mut whole = 0.0;
                for (part, rows) in rows.chunk(parts, 0).iter().enumerate() {
                    let out = rows.matmul(&named["weight"]) + &named["bias"];
                    let loss = (out - 1.0).square().mean(Kind::Float) / parts as f64;
                    loss.backward();
                    whole += loss.double_value(&[]);
                    state.collect(part as u64, &mut sum, &Team::solo()).unwrap();
                }
                let _ = state.step(sum, 0.05, &Team::solo()).unwrap();
                whole
            };
            std::iter::repeat_with(step).take(40).collect()
        };
        let whole = curve(1);
        assert!(whole[39] < 0.5 * whole[0], "it learns: {whole:?}");
        for parts in [2, 3, 4, 6] {
            let apart = curve(parts).iter().zip(&whole).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(apart < 1e-5 && apart > 0.0, "{parts} parts are {apart:e} apart");
        }
    }

    /// Rank 0 of four, given ones; what it was given and gave is recorded.
    #[derive(Debug, Default)]
    struct Counting {
        exchanged: Rc<RefCell<Vec<[Vec<usize>; 2]>>>,
    }

    impl Group for Counting {
        fn rank(&self) -> usize {
            0
        }

        fn world(&self) -> usize {
            4
        }

        fn exchange(&self, out: &[Vec<Tensor>], into: &mut [Vec<Tensor>]) -> Result<(), RankError> {
            no_grad(|| into.iter_mut().flatten().for_each(|part| drop(part.fill_(1.0))));
            let lengths = |parts: &[Vec<Tensor>]| parts.iter().flatten().map(Tensor::numel).collect();
            self.exchanged.borrow_mut().push([lengths(out), lengths(into)]);
            Ok(())
        }

        fn tell(&self, word: &[u8]) -> Result<Vec<Vec<u8>>, RankError> {
            Ok(vec![word.to_vec(); 4])
        }
    }

    /// However many parts a rank computes, it has one vector as long as the parameters; all else is as long as its own range of them.
    #[test]
    fn a_rank_holds_one_whole_gradient() {
        let params = Params::new(Seed::from_number(1));
        let _ = params.root().param("weight", &[200, 200], Init::Normal(1.0));
        let group = Counting::default();
        let exchanged = Rc::clone(&group.exchanged);
        let team = Team::of(Box::new(group));
        let settings =
            Settings { betas: [0.9, 0.99], epsilon: 1e-8, weight_decay: 0.1, decays: Decays::Matrices, clip: 1.0 };
        let mut state = State::new(params.pack(), settings, None, &team);
        let (whole, own) = (40_000, 12_288); // three of ten segments
        assert_eq!(state.optimizer.range(), 0..own as i64);
        let (rounds, parts) = (16, 63); // in the last round one rank has none
        for _ in 0..2 {
            let mut sum = Fold::new(parts);
            for round in 0..rounds {
                params.named()["weight"].square().sum(None).backward();
                state.collect(round, &mut sum, &team).unwrap();
                let lengths: Vec<usize> = state.spare.borrow().iter().map(Tensor::numel).collect();
                assert_eq!(lengths.iter().filter(|&&length| length == whole).count(), 1, "{lengths:?}");
                assert!(lengths.iter().all(|&length| length == whole || length == own), "{lengths:?}");
            }
            let _ = state.step(sum, 1e-3, &team).unwrap();
            // Those that wait in the tree, of 63 parts six deep, those that arrive, and the gradient's own.
            assert!(state.spare.borrow().len() <= 1 + 6 + 4, "{:?}", state.spare.borrow());
        }
        let others = [12_288, 8_192, 7_232];
        let exchanged = exchanged.borrow();
        assert_eq!(exchanged.len(), 2 * (rounds as usize + 1));
        for (at, [out, into]) in exchanged.iter().enumerate() {
            match at % (rounds as usize + 1) {
                16 => assert_eq!((&out[..], &into[..]), (&[own; 3][..], &others[..]), "the new parameters"),
                15 => assert_eq!((&out[..], &into[..]), (&others[..], &[own; 2][..]), "the last round"),
                _ => assert_eq!((&out[..], &into[..]), (&others[..], &[own; 3][..])),
            }
        }
    }

    #[test]
    fn what_does_not_fit_touches_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let (params, mut state) = network(1, false);
        step(&params, &mut state);
        Progress::default().save(&path, &state.whole(&Team::solo()).unwrap().unwrap()).unwrap();

        let other = Params::new(Seed::from_number(2));
        let _ = other.root().param("weight", &[3, 2], Init::Normal(1.0));
        let _ = other.root().param("bias", &[2], Init::Normal(1.0));
        let _ = other.root().param("more", &[1], Init::Ones);
        let mut resumed = State::new(other.pack(), state.optimizer.settings(), None, &Team::solo());
        let before = other.named()["weight"].copy();
        let error = resumed.load(&path).unwrap_err().to_string();
        assert!(
            error.contains("of `model`, these are not the numbers of this model: 1 missing\n  missing: more [1]"),
            "{error}"
        );
        assert_eq!(other.named()["weight"], before);

        let (averaged, mut resumed) = network(2, true);
        let error = resumed.load(&path).unwrap_err().to_string();
        assert!(error.contains("of `ema`, these are not the numbers of this model: 2 missing"), "{error}");
        let with = folder.path().join("with.safetensors");
        Progress::default().save(&with, &resumed.whole(&Team::solo()).unwrap().unwrap()).unwrap();
        let error = state.load(&with).unwrap_err().to_string();
        assert!(error.contains("more or fewer tensors"), "{error}");
        assert_ne!(averaged.named()["weight"], params.named()["weight"]);

        write_tensors(&path, &params.named()).unwrap();
        let error = state.load(&path).unwrap_err().to_string();
        assert!(error.contains("says nothing of a training"), "{error}");
    }
}
