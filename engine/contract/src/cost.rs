//! What a task costs, from its spec alone.

use serde::{Deserialize, Serialize};

/// One account of cost, shared by planner, trainer and fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Trainable parameters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub params: Option<u64>,
    /// Multiply-accumulates of one forward pass at batch 1: convolution and linear layers, attention products left out (the convention
    /// that reproduces Table 1 of Li et al. 2024).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub macs: Option<u64>,
    /// Floating-point operations of the whole task; a double, since the paper's runs reach 1e21.
    pub flops: f64,
}

impl Cost {
    /// Training: forward and backward are three forwards, and a multiply-accumulate is two operations (Li et al. 2024, section 5;
    /// `flops = 3 · 2 · macs · batch · steps`).
    pub fn training(params: u64, macs: u64, batch: u64, steps: u64) -> Self {
        Self { params: Some(params), macs: Some(macs), flops: 6.0 * macs as f64 * batch as f64 * steps as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SDXL's UNet for 600K steps at batch 2048: 1.46e12 GFLOPs (Li et al. 2024, Fig. 3's axis).
    #[test]
    fn the_papers_longest_run() {
        let cost = Cost::training(2_391_824_644, 198_290_000_000, 2048, 600_000);
        assert!((cost.flops / 1e9 / 1.46e12 - 1.0).abs() < 2e-3);
    }
}
