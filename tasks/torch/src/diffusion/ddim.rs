//! The deterministic walk of DDIM (Song et al. 2020, arXiv 2010.02502, η = 0), and classifier-free guidance (Ho & Salimans 2022, arXiv
//! 2207.12598).

use isoflop_kinds::sample::Spacing;
use tch::Tensor;

use super::Estimate;

/// The levels that `steps` steps visit out of `total`, from noise to image: evenly spaced. Leading, they are one above multiples of the stride, as
/// with Stable Diffusion (offset 1); trailing, they are rounded from the last level down.
pub fn levels(total: usize, steps: usize, spacing: Spacing) -> Vec<usize> {
    let steps = steps.min(total);
    match spacing {
        Spacing::Leading => (0..steps).rev().map(|i| (i * (total / steps) + 1).min(total - 1)).collect(),
        Spacing::Trailing => {
            let stride = total as f64 / steps as f64;
            (0..steps).map(|i| (total as f64 - i as f64 * stride).round_ties_even() as usize - 1).collect()
        }
    }
}

/// A guided output, `u + scale · (c − u)`. At one level noise, velocity and image follow from each other linearly, so it is the same whichever of them
/// is guided.
pub fn guide(unconditional: &Tensor, conditional: &Tensor, scale: f64) -> Tensor {
    unconditional + (conditional - unconditional) * scale
}

/// One step from ᾱ = `from` to ᾱ = `to`, given what the model sees in `x`. With `clip`, the estimate of the image is held to [-1, 1] and the noise made
/// to agree with it.
pub fn step(x: &Tensor, seen: Estimate, from: f64, to: f64, clip: bool) -> Tensor {
    let Estimate { image, noise } = seen;
    if !clip {
        return image * to.sqrt() + noise * (1.0 - to).sqrt();
    }
    let image = image.clamp(-1.0, 1.0);
    let noise = (x - &image * from.sqrt()) / (1.0 - from).sqrt();
    image * to.sqrt() + noise * (1.0 - to).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_spaced_as_the_reference_spaces_them() {
        let leading = |total, steps| levels(total, steps, Spacing::Leading);
        assert_eq!(leading(1000, 4), [751, 501, 251, 1]);
        assert_eq!(leading(1000, 50)[..3], [981, 961, 941]);
        assert_eq!(leading(1000, 1000)[..2], [999, 999]);
        assert_eq!(leading(10, 20).len(), 10);
        assert_eq!(levels(1000, 4, Spacing::Trailing), [999, 749, 499, 249]);
        assert_eq!(levels(10, 3, Spacing::Trailing), [9, 6, 2]);
    }

    #[test]
    fn guidance_at_one_is_the_caption_plainly() {
        let (u, c) = (Tensor::from_slice(&[1.0, 2.0]), Tensor::from_slice(&[3.0, 5.0]));
        assert_eq!(guide(&u, &c, 1.0), c);
        assert_eq!(Vec::<f64>::try_from(guide(&u, &c, 2.0)).unwrap(), [5.0, 8.0]);
    }
}
