//! Attention over heads (Vaswani et al. 2017, arXiv 1706.03762), through libtorch's fused kernel.

use tch::Tensor;

use super::tally;

/// `q: [B, N, width]`, `k` and `v: [B, M, width]` to `[B, N, width]`, in `heads` heads. `bias`, which broadcasts to `[B, heads, N, M]`, is added to the
/// scores. `name` is whose it is, for the tally.
pub fn attend(name: &str, [q, k, v]: [&Tensor; 3], heads: i64, bias: Option<&Tensor>) -> Tensor {
    let (batch, length, width) = q.size3().expect("sequences have three dimensions");
    let keys = k.size()[1];
    tally::products(name, || 2 * (length * keys * width) as u64);
    let split = |t: &Tensor, length: i64| t.view([batch, length, heads, width / heads]).transpose(1, 2); // [B, heads, N, head]
    let (q, k, v) = (split(q, length), split(k, keys), split(v, keys));
    let out = Tensor::scaled_dot_product_attention(&q, &k, &v, bias, 0.0, false, None::<f64>, false);
    out.transpose(1, 2).reshape([batch, length, width])
}
