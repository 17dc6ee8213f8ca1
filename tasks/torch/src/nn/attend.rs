//! Attention over heads (Vaswani et al. 2017, arXiv 1706.03762), through libtorch's fused kernel.

use tch::{Device, Kind, Tensor};

use super::tally;

/// `q: [B, N, width]`, `k` and `v: [B, M, width]` to `[B, N, width]`, in `heads` heads. `bias`, which broadcasts to `[B, heads, N, M]`, is added to the
/// scores. `name` is whose it is, for the tally.
pub fn attend(name: &str, [q, k, v]: [&Tensor; 3], heads: i64, bias: Option<&Tensor>) -> Tensor {
    let (batch, length, width) = q.size3().expect("sequences have three dimensions");
    let keys = k.size()[1];
    tally::products(name, || 2 * (length * keys * width) as u64);
    let split = |t: &Tensor, length: i64| t.view([batch, length, heads, width / heads]).transpose(1, 2); // [B, heads, N, head]
    let (q, k, v) = (split(q, length), split(k, keys), split(v, keys));
    let out = if q.kind() == Kind::BFloat16 && q.device() == Device::Cpu && bias.is_none() {
        // The processor's kernel takes two to five times as long for the backward pass in bfloat16 as in single precision, which is far more than the casts
        // cost. Called by its own name, it is none of the operators that lower precision casts for.
        let [q, k, v] = [&q, &k, &v].map(|t| t.to_kind(Kind::Float));
        let kernel = Tensor::internal_scaled_dot_product_flash_attention_for_cpu::<Tensor>;
        kernel(&q, &k, &v, 0.0, false, None, None::<f64>).0.to_kind(Kind::BFloat16)
    } else {
        Tensor::scaled_dot_product_attention(&q, &k, &v, bias, 0.0, false, None::<f64>, false)
    };
    out.transpose(1, 2).reshape([batch, length, width])
}

#[cfg(test)]
mod tests {
    use isoflop_contract::environment::Precision;

    use super::*;
    use crate::nn::precise;

    /// In lower precision attention is that of single precision but for the rounding of what goes in and comes out, and so are its gradients.
    #[test]
    fn lower_precision_rounds_at_its_edges_alone() {
        let wave = |pace: f64| {
            let wave = (Tensor::arange(2 * 6 * 8, (Kind::Double, Device::Cpu)) * pace).sin().view([2, 6, 8]);
            wave.to_kind(Kind::BFloat16).to_kind(Kind::Float).set_requires_grad(true)
        };
        let run = |precision: Precision| {
            let inputs = [wave(0.3), wave(0.7), wave(1.1)];
            let out = precise(precision, || {
                let kind = if precision == Precision::Bf16 { Kind::BFloat16 } else { Kind::Float };
                let [q, k, v] = [&inputs[0], &inputs[1], &inputs[2]].map(|t| t.to_kind(kind));
                attend("a", [&q, &k, &v], 2, None)
            });
            let kind = out.kind();
            out.to_kind(Kind::Float).square().sum(Kind::Float).backward();
            let [q, k, v] = inputs.map(|input| input.grad());
            (kind, [out.detach().to_kind(Kind::Float), q, k, v])
        };
        let ((whole, exact), (half, lower)) = (run(Precision::Fp32), run(Precision::Bf16));
        assert_eq!((whole, half), (Kind::Float, Kind::BFloat16));
        for (exact, lower) in exact.iter().zip(&lower) {
            let most = 0.02 * exact.abs().max().double_value(&[]);
            assert!((exact - lower).abs().max().double_value(&[]) < most);
        }
        // Scores, weights and sums in bfloat16 would differ from what was rounded once.
        let rounded = exact[0].to_kind(Kind::BFloat16).to_kind(Kind::Float);
        assert_eq!(lower[0], rounded);
    }
}
