//! What training on a CUDA device rests on, operator by operator, held to the processor's numbers. `make gpu` runs it where there is one.

use std::time::Duration;

use isoflop_contract::environment;
use isoflop_torch::{
    device,
    nn::Replay,
    parallel::{group::Group, nccl::Nccl, tcp::Opening},
    shim::{self, Step},
};
use tch::{Cuda, Device, Kind, Tensor, no_grad};

const GPU: Device = Device::Cuda(0);

fn wave(length: i64, pace: f64) -> Tensor {
    ((Tensor::arange(length, (Kind::Double, Device::Cpu)) + 1.0) * pace).sin().to_kind(Kind::Float)
}

/// Panics where libtorch finds no device: a check that was asked for and could not be made has failed.
fn found() {
    assert!(
        Cuda::is_available(),
        "libtorch finds no CUDA device; its libraries are those of LIBTORCH or LD_LIBRARY_PATH"
    );
    shim::set_deterministic(true);
}

fn close(there: &Tensor, here: &Tensor, most: f64) {
    let apart = (there.to_device(Device::Cpu) - here).abs().max().double_value(&[]);
    assert!(apart <= most, "{apart:e} apart");
}

/// Five steps of the optimizer, norms and averages.
fn stepped(device: Device) -> [Tensor; 3] {
    let flat = wave(10_000, 0.3).to_device(device);
    let (first, second, average) = (flat.zeros_like(), flat.zeros_like(), flat.copy());
    let mut norm = Tensor::zeros([1], (Kind::Float, device));
    for step in 1..=5 {
        let gradient = wave(10_000, 0.1 * f64::from(step)).to_device(device);
        let segments = [gradient.narrow(0, 0, 4096), gradient.narrow(0, 4096, 5904)];
        norm = shim::norms(&segments);
        let (count, scale) =
            (Tensor::full([1], f64::from(step), (Kind::Float, device)), Tensor::full([], 2.0, (Kind::Float, device)));
        let parts = [[flat.shallow_clone(), gradient.shallow_clone(), first.shallow_clone(), second.shallow_clone()]];
        let constants = Step { rate: 0.01, betas: [0.9, 0.99], decay: 0.1, epsilon: 1e-8 };
        shim::adamw(&parts, &count, &scale, constants);
        shim::lerp(&[[average.shallow_clone(), flat.shallow_clone()]], 0.1);
    }
    [flat, average, norm]
}

#[test]
#[ignore = "needs a CUDA device"]
fn steps_are_the_processors_but_for_rounding_and_the_same_twice() {
    found();
    let (here, there) = (stepped(Device::Cpu), stepped(GPU));
    for (there, here) in there.iter().zip(&here) {
        close(there, here, 1e-4);
    }
    assert_eq!(there, stepped(GPU), "two runs of one device");
}

/// A convolution, a normalization, attention and a product, forward and backward.
fn gradients(device: Device, half: bool, thrifty: bool) -> Vec<Tensor> {
    let weight = (wave(8 * 8 * 9, 0.7) * 0.1).view([8, 8, 3, 3]).to_device(device).set_requires_grad(true);
    let matrix = (wave(64, 0.9) * 0.3).view([8, 8]).to_device(device).set_requires_grad(true);
    let input = wave(2 * 8 * 64, 0.2).view([2, 8, 8, 8]).to_device(device).set_requires_grad(true);
    let held = [weight.shallow_clone(), matrix.shallow_clone()];
    let network = move |inputs: &[Tensor]| {
        let h = inputs[0].conv2d(&held[0], None::<Tensor>, [1, 1], [1, 1], [1, 1], 1);
        let h = h.group_norm(2, None::<Tensor>, None::<Tensor>, 1e-5, false).silu();
        let h = h.flatten(2, 3).transpose(1, 2).matmul(&held[1]).view([2, 64, 2, 4]).transpose(1, 2);
        Tensor::scaled_dot_product_attention(&h, &h, &h, None::<Tensor>, 0.0, false, None::<f64>, false)
    };
    let run = || {
        if thrifty { shim::recompute(&[&input], network) } else { network(&[input.alias()]) }
    };
    let out = if half { shim::in_bfloat16(device, run) } else { run() };
    out.to_kind(Kind::Float).square().mean(Kind::Float).backward();
    let flat = no_grad(|| Tensor::zeros([8 * 8 * 9 + 64], (Kind::Float, device)));
    let left = input.grad();
    shim::collect(&[weight, matrix], &flat);
    vec![flat, left]
}

#[test]
#[ignore = "needs a CUDA device"]
fn gradients_are_the_processors_the_same_twice_and_the_same_recomputed() {
    found();
    for half in [false, true] {
        let there = gradients(GPU, half, false);
        assert_eq!(there, gradients(GPU, half, false), "two runs, lower precision: {half}");
        assert_eq!(there, gradients(GPU, half, true), "recomputed, lower precision: {half}");
        for (there, here) in there.iter().zip(gradients(Device::Cpu, false, false)) {
            close(there, &here, if half { 2e-2 } else { 1e-4 });
        }
    }
}

/// What is recorded makes the same bits as operator by operator, on other numbers than it was recorded with, in both precisions and recomputed; what has another
/// shape is left to the caller.
#[test]
#[ignore = "needs a CUDA device"]
fn what_is_recorded_makes_the_same_bits() {
    found();
    assert_eq!(device::find(environment::Device::Cuda(device::capability(0).unwrap()), 0).unwrap(), GPU);
    for (half, thrifty) in [(false, false), (true, false), (true, true)] {
        let weight = (wave(8 * 8 * 9, 0.7) * 0.1).view([8, 8, 3, 3]).to_device(GPU).set_requires_grad(true);
        let pass = |given: &[Tensor]| {
            let held = weight.shallow_clone();
            let network = move |inputs: &[Tensor]| {
                let h = inputs[0].conv2d(&held, None::<Tensor>, [1, 1], [1, 1], [1, 1], 1);
                h.group_norm(2, None::<Tensor>, None::<Tensor>, 1e-5, false).silu()
            };
            let input = given[0].alias().set_requires_grad(true);
            let run = || if thrifty { shim::recompute(&[&input], network) } else { network(&[input]) };
            let out = if half { shim::in_bfloat16(GPU, run) } else { run() };
            let loss = out.to_kind(Kind::Float).square().mean(Kind::Float);
            loss.backward();
            let flat = no_grad(|| Tensor::zeros([8 * 8 * 9], (Kind::Float, GPU)));
            shim::collect(&[weight.shallow_clone()], &flat);
            vec![loss.detach(), flat]
        };
        let mut replay = Replay::on(GPU);
        let given = |n: i32| [wave(2 * 8 * 64, 0.1 + 0.01 * f64::from(n)).view([2, 8, 8, 8]).to_device(GPU)];
        for n in 0..8 {
            let again = replay.again(&given(n), pass).map(|made| made.iter().map(Tensor::copy).collect::<Vec<_>>());
            assert_eq!(again.is_some(), n >= 3, "call {n}");
            let anew = pass(&given(n));
            if let Some(again) = again {
                assert_eq!(again, anew, "call {n}, lower precision: {half}, recomputed: {thrifty}");
            }
        }
        let other = [wave(8 * 64, 0.3).view([1, 8, 8, 8]).to_device(GPU)];
        assert!(replay.again(&other, pass).is_none(), "of another shape");
        assert!(replay.again(&given(9), pass).is_some_and(|made| made[0] == pass(&given(9))[0]));
    }
    // What brings something to the device cannot be recorded; that is said, and the caller goes on as before.
    let mut replay = Replay::on(GPU);
    let numbers = [wave(4, 0.3).to_device(GPU)];
    let brings = |given: &[Tensor]| vec![&given[0] + wave(4, 0.7).to_device(GPU)];
    for n in 0..5 {
        assert!(replay.again(&numbers, brings).is_none(), "call {n}");
        assert_eq!(replay.broke(), n == 3, "call {n}");
        assert_eq!(brings(&numbers), brings(&numbers));
    }
}

/// A group of one exchanges with itself: every call of NCCL's is made, on the stream that made the numbers.
#[test]
#[ignore = "needs a CUDA device"]
fn numbers_go_over_nccl() {
    found();
    let words = Opening::new().unwrap().meet(1, Duration::from_mins(1), || Ok(())).unwrap();
    let group = Nccl::new(words, GPU).unwrap();
    let sent = wave(100_000, 0.3).to_device(GPU) * 2.0;
    let arrived = sent.zeros_like();
    group.exchange(&[vec![sent.shallow_clone()]], &mut [vec![arrived.shallow_clone()]]).unwrap();
    assert_eq!(arrived, sent);
    group.barrier().unwrap();
}

#[test]
#[ignore = "needs a CUDA device"]
fn a_device_tells_what_it_is() {
    found();
    let class = device::capability(0).expect("it tells its capability");
    assert!(class.major >= 5, "{class}");
    let held = Tensor::zeros([1 << 20], (Kind::Float, GPU));
    assert!(shim::peak_memory(0).is_some_and(|bytes| bytes >= 4 << 20), "{held:?}");
    assert_eq!(device::find(environment::Device::Cuda(class), 0).unwrap(), GPU);
}
