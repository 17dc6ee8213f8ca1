//! Distances of sets against scipy's matrix root and torchmetrics' kernel distance: `golden/distances.py` made the numbers.

use isoflop_torch::metrics::{Gaussian, frechet, kernel_distance};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

/// The script's features `[count, width]`.
fn features(told: &Value) -> Tensor {
    let (count, width) = (told[0].as_i64().unwrap(), told[1].as_i64().unwrap());
    let (pace, shift) = (told[2].as_f64().unwrap(), told[3].as_f64().unwrap());
    let n = Tensor::arange(count * width, (Kind::Double, Device::Cpu)).view([count, width]);
    (&n * pace + shift).sin() + (n.square() * (0.013 * pace)).sin() * 0.5
}

#[test]
fn distances_are_scipys_and_torchmetrics() {
    let golden: Value = serde_json::from_str(include_str!("../golden/distances.json")).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let (a, b) = (features(&case["a"]), features(&case["b"]));
        let (ours, theirs) = (frechet(&Gaussian::of(&a), &Gaussian::of(&b)), case["frechet"].as_f64().unwrap());
        // The last case has fewer rows than features: its covariances are singular, where scipy's root is good to a few digits.
        assert!((ours / theirs - 1.0).abs() < 1e-6, "{ours}, theirs {theirs}");
        let rows = case["kernel_rows"].as_i64().unwrap();
        let (ours, theirs) =
            (kernel_distance(&a.narrow(0, 0, rows), &b.narrow(0, 0, rows)), case["kernel"].as_f64().unwrap());
        assert!((ours / theirs - 1.0).abs() < 1e-9, "{ours}, theirs {theirs}");
    }
}
