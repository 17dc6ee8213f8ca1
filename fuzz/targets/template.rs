//! Any text as an expression: read and evaluated, or refused; never a panic, in bounded time and memory.
#![no_main]

use std::{collections::BTreeMap, sync::LazyLock};

use isoflop_plan::template::Expression;
use libfuzzer_sys::fuzz_target;

type Scope = BTreeMap<String, serde_json::Value>;

static SCOPE: LazyLock<Scope> = LazyLock::new(|| {
    serde_json::from_str(
        r#"{"steps": 600, "rate": 1e-3, "name": "xs", "flag": true, "none": null, "list": [1, 2.5, "three"],
            "model": {"width": 64, "depth": [1, 2]}}"#,
    )
    .expect("the scope is JSON")
});

fuzz_target!(|text: &str| {
    let Ok(expression) = Expression::compile(text) else { return };
    let _ = expression.evaluate(&SCOPE, &BTreeMap::new());
});
