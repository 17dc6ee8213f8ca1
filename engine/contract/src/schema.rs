//! JSON Schema of a type, for editors: what fields there are, what they mean, what they may be.
//!
//! One schema stands by itself: the types inside are written out where they are used, so that a field's own sentence wins over its type's.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

/// The schema of `T` as it is read, in draft 2020-12.
pub fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{demand::Demand, environment::Torch};

    #[test]
    fn docs_defaults_and_closed_sets_are_told() {
        let demand = of::<Demand>();
        assert_eq!(demand["additionalProperties"], json!(false));
        assert_eq!(
            demand["properties"]["gpus"]["description"],
            "Devices it leases; less than one leases part of a device that it shares with other such tasks."
        );
        assert_eq!(
            (&demand["properties"]["cpus"]["default"], &demand["properties"]["cpus"]["minimum"]),
            (&json!(1), &json!(1))
        );
        let torch = of::<Torch>();
        assert_eq!(torch["properties"]["isa"]["oneOf"][0]["const"], "avx2");
        assert_eq!(torch["properties"]["isa"]["default"], "avx2");
        assert!(torch.get("$defs").is_none() && torch.get("$schema").is_none());
    }
}
