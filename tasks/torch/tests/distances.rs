//! Distances of sets against scipy's matrix root and torchmetrics' kernel distance: `golden/distances.py` made the numbers.

use isoflop_torch::{
    data::bicubic,
    metrics::{
        Gaussian, Reference, cosine, directions, extrapolated, frechet, kernel_distance, preference_loss, preferred,
    },
};
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

/// Of `golden/scores.py`.
fn scores() -> Value {
    serde_json::from_str(include_str!("../golden/scores.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn distances_are_torchmetrics_and_their_line_scipys() {
    for case in scores()["distances"].as_array().unwrap() {
        let (a, b) = (features(&case["a"]), Reference::of(&features(&case["b"])));
        for (ours, theirs) in [(b.frechet(&a), &case["frechet"]), (extrapolated(&a, &b), &case["endless"])] {
            let theirs = theirs.as_f64().unwrap();
            assert!((ours / theirs - 1.0).abs() < 1e-6, "{ours}, theirs {theirs}");
        }
    }
}

#[test]
fn pictures_are_resized_as_clean_fid_does() {
    for case in scores()["resizes"].as_array().unwrap() {
        let (side, size) = (case["side"].as_i64().unwrap(), case["size"].as_i64().unwrap());
        let n = Tensor::arange(3 * side * side, (Kind::Double, Device::Cpu)).view([1, 3, side, side]);
        let picture = ((&n * 0.37 + n.square() * 0.0007).sin() * 127.5 + 127.5).round().to_kind(Kind::Uint8);
        let ours = bicubic(&picture, size);
        let flat = ours.view([-1]);
        for (place, theirs) in numbers(&case["places"]).into_iter().zip(numbers(&case["values"])) {
            let ours = flat.double_value(&[place as i64]);
            assert!((ours - theirs).abs() < 2e-4, "{side} to {size}, {place}: {ours}, theirs {theirs}");
        }
        let (sum, theirs) = (flat.sum(Kind::Double).double_value(&[]), case["sum"].as_f64().unwrap());
        assert!((sum / theirs - 1.0).abs() < 1e-7, "{side} to {size}: {sum}, theirs {theirs}");
    }
}

#[test]
fn cosines_and_the_pairwise_loss_are_those_of_torch() {
    let golden = scores();
    let case = &golden["cosines"];
    let (a, b) = (directions(&features(&case["a"])), directions(&features(&case["b"])));
    for ((x, y), theirs) in a.iter().zip(&b).zip(numbers(&case["values"])) {
        assert!((cosine(x, y) - theirs).abs() < 1e-12);
    }
    let margins = Tensor::from_slice(&numbers(&golden["pairwise"]["margins"]));
    let theirs = golden["pairwise"]["loss"].as_f64().unwrap();
    assert!((preference_loss(&margins).double_value(&[]) - theirs).abs() < 1e-6);
    assert!((preferred(&[1.0, 0.0, -1.0, 2.0]) - 0.5).abs() < 1e-12);
}
