//! What is said of images, as a denoiser takes it: words that its own encoder reads, or what a frozen one has read.

use tch::{Kind, Tensor};

/// What a frozen text encoder makes of captions.
#[derive(Debug)]
pub struct Reading {
    /// `[N, T, W]`.
    pub tokens: Tensor,
    /// The text as a whole, `[N, P]`: in the space shared with images, where there is one.
    pub pooled: Tensor,
    /// 1 where a text is, its end included: i64 `[N, T]`.
    pub mask: Tensor,
}

impl Reading {
    /// The tensors' names in files, in the order of [`of`](Self::of).
    pub const NAMES: [&'static str; 3] = ["tokens", "pooled", "mask"];

    /// Made up of these tensors.
    pub fn of([tokens, pooled, mask]: [Tensor; 3]) -> Self {
        Self { tokens, pooled, mask }
    }

    /// The same of each of its tensors.
    #[must_use]
    pub fn map(&self, change: impl Fn(&Tensor) -> Tensor) -> Self {
        Self::of([&self.tokens, &self.pooled, &self.mask].map(change))
    }

    /// The mean of the tokens that are there, `[N, W]`.
    pub fn mean(&self) -> Tensor {
        let there = self.mask.to_kind(Kind::Float).unsqueeze(2);
        let sum = (&self.tokens * &there).sum_dim_intlist(1_i64, false, None::<Kind>);
        sum / there.sum_dim_intlist(1_i64, false, None::<Kind>).clamp_min(1.0)
    }
}

/// What is said of `B` images.
#[derive(Debug)]
pub enum Said {
    /// Word numbers i64 `[B, T]`, 0 where a caption has ended.
    Words(Tensor),
    /// What a frozen encoder read.
    Read(Reading),
}

impl Said {
    /// The same where `kept` (bool `[B, 1]`) says so, and elsewhere nothing: the empty caption, which `empty` is as a frozen encoder read it.
    #[must_use]
    pub fn kept(self, kept: &Tensor, empty: Option<&Reading>) -> Self {
        match (self, empty) {
            (Self::Words(words), _) => Self::Words(words * kept),
            (Self::Read(read), None) => Self::Read(read),
            (Self::Read(read), Some(empty)) => Self::Read(Reading::of([
                read.tokens.where_self(&kept.unsqueeze(2), &empty.tokens),
                read.pooled.where_self(kept, &empty.pooled),
                read.mask.where_self(kept, &empty.mask),
            ])),
        }
    }

    /// The same of each of its tensors.
    #[must_use]
    pub fn map(&self, change: impl Fn(&Tensor) -> Tensor) -> Self {
        match self {
            Self::Words(words) => Self::Words(change(words)),
            Self::Read(read) => Self::Read(read.map(change)),
        }
    }

    /// Its tensors: one of words, three of what was read.
    pub fn into_tensors(self) -> Vec<Tensor> {
        match self {
            Self::Words(words) => vec![words],
            Self::Read(Reading { tokens, pooled, mask }) => vec![tokens, pooled, mask],
        }
    }

    /// Made up of [its tensors](Self::into_tensors).
    pub fn of(tensors: &[Tensor]) -> Self {
        match tensors {
            [words] => Self::Words(words.shallow_clone()),
            [tokens, pooled, mask] => Self::Read(Reading::of([tokens, pooled, mask].map(Tensor::shallow_clone))),
            others => panic!("{} tensors are neither words nor what was read", others.len()),
        }
    }

    /// What is said of all of these, one after another: all of them words, or all of them read.
    #[must_use]
    pub fn join(parts: impl Iterator<Item = Self>) -> Self {
        let parts: Vec<Vec<Tensor>> = parts.map(Self::into_tensors).collect();
        let columns = parts.first().map_or(0, Vec::len);
        let column = |at: usize| Tensor::cat(&parts.iter().map(|part| &part[at]).collect::<Vec<_>>(), 0);
        Self::of(&(0..columns).map(column).collect::<Vec<_>>())
    }

    /// What is said of `length` of them, from number `start` on.
    #[must_use]
    pub fn narrow(&self, start: i64, length: i64) -> Self {
        self.map(|tensor| tensor.narrow(0, start, length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_the_empty_caption() {
        let numbers = |values: &[f32], size: &[i64]| Tensor::from_slice(values).view(size);
        let read = Reading::of([
            numbers(&[1.0, 2.0, 3.0, 4.0], &[2, 2, 1]),
            numbers(&[5.0, 6.0], &[2, 1]),
            Tensor::from_slice(&[1_i64, 0, 1, 1]).view([2, 2]),
        ]);
        assert_eq!(read.mean(), numbers(&[1.0, 3.5], &[2, 1]));
        let empty = Reading::of([
            numbers(&[7.0, 8.0], &[1, 2, 1]),
            numbers(&[9.0], &[1, 1]),
            Tensor::from_slice(&[1_i64, 0]).view([1, 2]),
        ]);
        let kept = Tensor::from_slice(&[true, false]).view([2, 1]);
        let Said::Read(said) = Said::Read(read).kept(&kept, Some(&empty)) else { panic!("it was read") };
        assert_eq!(said.tokens, numbers(&[1.0, 2.0, 7.0, 8.0], &[2, 2, 1]));
        assert_eq!(said.pooled, numbers(&[5.0, 9.0], &[2, 1]));
        assert_eq!(said.mask, Tensor::from_slice(&[1_i64, 0, 1, 0]).view([2, 2]));
        let words = Said::Words(Tensor::from_slice(&[3_i64, 4, 5, 6]).view([2, 2])).kept(&kept, None);
        let Said::Words(words) = words.narrow(1, 1) else { panic!("they are words") };
        assert_eq!(words, Tensor::from_slice(&[0_i64, 0]).view([1, 2]));
    }
}
