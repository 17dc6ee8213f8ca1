//! The Vega-Lite specification of every figure of the catalogue, judged by the schema that Vega-Lite publishes.

use isoflop_report::to_vega;
use serde_json::Value;

#[path = "../engine/report/tests/it/noise.rs"]
mod noise;
#[path = "../engine/report/tests/it/planted.rs"]
mod planted;

#[test]
fn specifications_are_valid_vega_lite() {
    let schema: Value = serde_json::from_str(include_str!("fixtures/vega-lite-5.23.0.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for figure in planted::all() {
        let spec = to_vega(&figure);
        let wrong: Vec<String> =
            validator.iter_errors(&spec).map(|e| format!("{} at {}", e, e.instance_path())).collect();
        let told: Vec<String> = wrong.iter().map(|e| e.chars().take(300).collect()).collect();
        assert!(told.is_empty(), "{}: {told:#?}", figure.id);
    }
    // The judge refuses what is wrong.
    let mut spec = to_vega(&planted::training());
    spec["layer"][1]["mark"]["type"] = "lime".into();
    assert!(!validator.is_valid(&spec));
}
