//! A body: the function that runs a kind.

use std::{collections::BTreeMap, fmt};

use isoflop_contract::{
    Kind, Value,
    port::{Given, Ports},
};

use crate::{context::Context, halt::Halt, made::Made};

type Run = dyn Fn(Value, BTreeMap<String, Given>, &mut Context) -> Result<Made, Halt> + Send + Sync;

/// A body with its kind's types erased.
pub struct Body {
    pub(crate) kind: &'static str,
    pub(crate) revision: u32,
    run: Box<Run>,
}

impl Body {
    /// The body of `K`.
    pub fn of<K: Kind>(run: fn(K, K::Needs, &mut Context) -> Result<Made, Halt>) -> Self {
        let typed = move |spec, needs, context: &mut Context| {
            let spec: K =
                serde_json::from_value(spec).map_err(|e| format!("the spec of {} does not read: {e}", K::NAME))?;
            spec.check().map_err(|complaint| format!("`{}` {}", complaint.field, complaint.problem))?;
            run(spec, K::Needs::take(needs)?, context)
        };
        Self { kind: K::NAME, revision: K::REVISION, run: Box::new(typed) }
    }

    /// The kind's name.
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// The kind's revision.
    pub const fn revision(&self) -> u32 {
        self.revision
    }

    pub(crate) fn run(&self, spec: Value, needs: BTreeMap<String, Given>, context: &mut Context) -> Result<Made, Halt> {
        (self.run)(spec, needs, context)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} r{}", self.kind, self.revision)
    }
}
