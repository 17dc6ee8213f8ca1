//! What a denoiser is told beside a noisy input and its level.

use tch::Tensor;

/// Text and more, each for a batch of `B`. A network reads what its config makes it read; that it is there is up to who calls.
#[derive(Debug)]
pub struct Told {
    /// Text tokens `[B, T, context]`.
    pub tokens: Tensor,
    /// Which tokens are there, `[B, T]` of ones and zeros; all of them, where nothing is said. PixArt reads it.
    pub mask: Option<Tensor>,
    /// The text as a whole, `[B, P]`.
    pub pooled: Option<Tensor>,
    /// Height and width before cropping, top and left of the crop, height and width after it: `[B, 6]`.
    pub sizes: Option<Tensor>,
    /// Class numbers `[B]`; the number of classes stands for none of them.
    pub classes: Option<Tensor>,
}

impl Told {
    /// Text tokens alone.
    pub fn tokens(tokens: Tensor) -> Self {
        Self { tokens, mask: None, pooled: None, sizes: None, classes: None }
    }

    /// The text as a whole.
    pub(super) fn pooled(&self) -> &Tensor {
        self.pooled.as_ref().expect("this network reads the text as a whole: `pooled`")
    }

    /// The six sizes.
    pub(super) fn sizes(&self) -> &Tensor {
        self.sizes.as_ref().expect("this network reads sizes: `sizes`")
    }

    /// The classes.
    pub(super) fn classes(&self) -> &Tensor {
        self.classes.as_ref().expect("this network reads classes: `classes`")
    }
}
