//! A group: processes that compute one task together, each a rank, numbered from 0.
//!
//! Everything is made of one thing, an exchange: each rank gives each other one some numbers and gets some. It moves as many bytes over each
//! link as a ring does, and leaves the order of additions to whoever receives, which a ring decides by the places in it. What is added is added
//! along [`Fold`](super::fold::Fold)'s tree, so a group gives the bits that one process gives alone.

use std::fmt;

use tch::{Tensor, no_grad};

use super::{cut::Cut, error::RankError};

/// What a rank can do with the others. All ranks make the same calls in the same order.
pub trait Group: fmt::Debug {
    /// This rank.
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn world(&self) -> usize;

    /// Gives rank `r` the tensors `out[r]` and fills `into[r]` with what it gives: as many numbers in all as `out` of that rank has for this one.
    /// Tensors are contiguous f32 on the group's device; a rank gives itself nothing. Nobody else touches the tensors meanwhile.
    fn exchange(&self, out: &[Vec<Tensor>], into: &mut [Vec<Tensor>]) -> Result<(), RankError>;

    /// Tells every rank `word`, a few bytes at most, and returns what each rank told, in the order of ranks.
    fn tell(&self, word: &[u8]) -> Result<Vec<Vec<u8>>, RankError>;

    /// Waits until every rank is here.
    fn barrier(&self) -> Result<(), RankError> {
        self.tell(&[]).map(|_| ())
    }

    /// What rank 0 tells, on every rank. The word of others is not listened to.
    fn broadcast(&self, word: &[u8]) -> Result<Vec<u8>, RankError> {
        let word = if self.rank() == 0 { word } else { &[] };
        Ok(self.tell(word)?.swap_remove(0))
    }

    /// Numbers of all ranks, end to end in the order of ranks.
    fn gather(&self, mine: &[f64]) -> Result<Vec<f64>, RankError> {
        let bytes: Vec<u8> = mine.iter().flat_map(|x| x.to_le_bytes()).collect();
        let told = self.tell(&bytes)?;
        let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("chunks of eight are eight"));
        Ok(told.iter().flat_map(|bytes| bytes.chunks_exact(8).map(number)).collect())
    }
}

/// One process by itself: nothing is exchanged and nothing is copied.
#[derive(Debug, Clone, Copy, Default)]
pub struct Solo;

impl Group for Solo {
    fn rank(&self) -> usize {
        0
    }

    fn world(&self) -> usize {
        1
    }

    fn exchange(&self, _: &[Vec<Tensor>], _: &mut [Vec<Tensor>]) -> Result<(), RankError> {
        Ok(())
    }

    fn tell(&self, word: &[u8]) -> Result<Vec<Vec<u8>>, RankError> {
        Ok(vec![word.to_vec()])
    }
}

/// A rank 0 that hears these words, for tests.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Heard(pub(crate) Vec<Vec<u8>>);

#[cfg(test)]
impl Group for Heard {
    fn rank(&self) -> usize {
        0
    }

    fn world(&self) -> usize {
        self.0.len()
    }

    fn exchange(&self, _: &[Vec<Tensor>], _: &mut [Vec<Tensor>]) -> Result<(), RankError> {
        unreachable!("it hears words alone")
    }

    fn tell(&self, _: &[u8]) -> Result<Vec<Vec<u8>>, RankError> {
        Ok(self.0.clone())
    }
}

/// That all ranks have made `done` steps: sums of different steps' gradients would pass unseen.
pub fn agree(group: &dyn Group, done: u64) -> Result<(), RankError> {
    let told = group.tell(&done.to_le_bytes())?;
    match told.iter().position(|word| *word != told[0]) {
        None => Ok(()),
        Some(rank) => {
            let number = |word: &[u8]| {
                word.try_into().map_or_else(|_| "none".to_owned(), |word| u64::from_le_bytes(word).to_string())
            };
            let problem =
                format!("it begins after step {}, and rank 0 after step {}", number(&told[rank]), number(&told[0]));
            Err(RankError::OutOfStep { rank, problem })
        }
    }
}

/// Adds `right` to `left` in place.
pub fn add(mut left: Tensor, right: &Tensor) -> Tensor {
    no_grad(|| left += right);
    left
}

/// Hands on the vectors of one round: ranks below `present` have one each, of the length that `cut` cuts, and `mine` is this rank's. Each rank is given the range
/// that it owns of every one, and answers with those in the order of ranks. `room` makes a place for one; `mine` is free again.
pub fn scatter(
    group: &dyn Group,
    cut: Cut,
    mine: Option<&Tensor>,
    present: usize,
    mut room: impl FnMut() -> Tensor,
) -> Result<Vec<Tensor>, RankError> {
    let (rank, world) = (group.rank(), group.world());
    let part = |whole: &Tensor, rank: usize| {
        let range = cut.range(rank, world);
        whole.narrow(0, range.start as i64, (range.end - range.start) as i64)
    };
    let out: Vec<Vec<Tensor>> =
        (0..world).map(|to| mine.filter(|_| to != rank).map(|whole| part(whole, to)).into_iter().collect()).collect();
    let others = |from: usize| from < present && from != rank;
    let mut into: Vec<Vec<Tensor>> =
        (0..world).map(|from| if others(from) { vec![room()] } else { Vec::new() }).collect();
    group.exchange(&out, &mut into)?;
    if let Some(whole) = mine {
        let mut own = room();
        no_grad(|| own.copy_(&part(whole, rank)));
        into[rank].push(own);
    }
    Ok(into.into_iter().flatten().collect())
}

/// Fills in the ranges of `whole` that other ranks own with what they have there.
pub fn all_gather(group: &dyn Group, cut: Cut, whole: &Tensor) -> Result<(), RankError> {
    let (rank, world) = (group.rank(), group.world());
    if world == 1 {
        return Ok(());
    }
    let part = |rank: usize| {
        let range = cut.range(rank, world);
        whole.narrow(0, range.start as i64, (range.end - range.start) as i64)
    };
    let others = |what: &dyn Fn(usize) -> Tensor| -> Vec<Vec<Tensor>> {
        (0..world).map(|other| if other == rank { Vec::new() } else { vec![what(other)] }).collect()
    };
    let out = others(&|_| part(rank));
    let mut into = others(&part);
    group.exchange(&out, &mut into)
}

/// The whole vector of which each rank has the range that it owns, on rank 0; elsewhere nothing.
pub fn collect(group: &dyn Group, cut: Cut, mine: &Tensor) -> Result<Option<Tensor>, RankError> {
    let (rank, world) = (group.rank(), group.world());
    if world == 1 {
        return Ok(Some(mine.shallow_clone()));
    }
    let mut out: Vec<Vec<Tensor>> = (0..world).map(|_| Vec::new()).collect();
    let mut into: Vec<Vec<Tensor>> = (0..world).map(|_| Vec::new()).collect();
    if rank > 0 {
        out[0].push(mine.contiguous());
        group.exchange(&out, &mut into)?;
        return Ok(None);
    }
    let whole = Tensor::empty([cut.length() as i64], (mine.kind(), mine.device()));
    let part = |rank: usize| {
        let range = cut.range(rank, world);
        whole.narrow(0, range.start as i64, (range.end - range.start) as i64)
    };
    no_grad(|| part(0).copy_(mine));
    for (from, into) in into.iter_mut().enumerate().skip(1) {
        into.push(part(from));
    }
    group.exchange(&out, &mut into)?;
    Ok(Some(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_that_begin_at_different_steps_are_told_apart() {
        let heard = |steps: &[u64]| Heard(steps.iter().map(|step| step.to_le_bytes().to_vec()).collect());
        agree(&heard(&[6, 6, 6]), 6).unwrap();
        let said = agree(&heard(&[6, 6, 3]), 6).unwrap_err().to_string();
        assert_eq!(said, "rank 2 is out of step: it begins after step 3, and rank 0 after step 6");
    }
}
