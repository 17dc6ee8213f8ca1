//! A recipe: a task's identity. What counts, and what does not:
//!
//! | | hashed | recorded with the attempt | ignored |
//! |---|---|---|---|
//! | kind, its revision, `with:` after defaults | yes | | |
//! | seed (study seed, task name, cell), of kinds that use one | yes | | |
//! | hard environment (libtorch, device class, instruction set, precision, determinism, threads) | yes | | |
//! | key of every need, by port; of a gather, by cell label | yes | | |
//! | files of the study that it reads, code included: paths and bytes, by name | yes | | |
//! | name of the task, of the study, of upstream tasks | | yes | |
//! | host, processor, driver, commit, worker binary, program of a `command` | | yes | |
//! | `on:`, `about:`, order, comments, spelling, where the study lies, the clock | | | yes |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    canon::{self, CanonError},
    digest::Digest,
    environment::Environment,
    key::Key,
    seed::Seed,
};

/// The version of this layout. Raised when a member is added that counts, or one changes its meaning.
pub const FORMAT: u32 = 1;

/// What would be made, by what, from what.
///
/// `N` is how a need is named: by [`Key`] in a recipe proper, by [`Digest`] in a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe<N = Key> {
    /// [`FORMAT`].
    pub format: u32,
    /// The kind's name.
    pub kind: String,
    /// The kind's revision.
    pub revision: u32,
    /// The kind's `with:` in canonical form.
    pub spec: Value,
    /// The task's seed, where the kind uses one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seed: Option<Seed>,
    /// The hard environment.
    pub environment: Environment,
    /// Needs by port.
    pub needs: BTreeMap<String, Need<N>>,
    /// Files of the study by name: each the digest of a manifest of shape [`FILES`](crate::shape::FILES).
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub files: BTreeMap<String, Digest>,
}

/// What stands at one port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need<N = Key> {
    /// One artifact.
    One(N),
    /// A gather: artifacts by cell label. In a trace, a cell that made nothing (it diverged) is `None`.
    Many(BTreeMap<String, Option<N>>),
}

impl<N: Serialize> Recipe<N> {
    /// The canonical text, stored beside its hash.
    pub fn text(&self) -> Result<String, CanonError> {
        canon::text(self)
    }
}

impl Recipe<Key> {
    /// The recipe's key.
    pub fn key(&self) -> Result<Key, CanonError> {
        self.text().map(|text| Key::of_text(&text))
    }

    /// The same recipe with needs by digest, for early cut-off: two recipes with one trace make the same bytes. `digest` names what was made
    /// under a key, `None` if that diverged.
    pub fn trace(&self, digest: impl Fn(&Key) -> Option<Digest>) -> Option<Recipe<Digest>> {
        let needs = self.needs.iter().map(|(port, need)| {
            let need = match need {
                Need::One(key) => Need::One(digest(key)?),
                Need::Many(keys) => Need::Many(
                    keys.iter().map(|(label, key)| (label.clone(), key.as_ref().and_then(&digest))).collect(),
                ),
            };
            Some((port.clone(), need))
        });
        Some(Recipe {
            format: self.format,
            kind: self.kind.clone(),
            revision: self.revision,
            spec: self.spec.clone(),
            seed: self.seed,
            environment: self.environment.clone(),
            needs: needs.collect::<Option<_>>()?,
            files: self.files.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::Runtime;

    fn recipe() -> Recipe {
        Recipe {
            format: FORMAT,
            kind: "train-denoiser".into(),
            revision: 1,
            spec: json!({"steps": 600, "rate": 8e-5}),
            seed: Some(Seed::from_number(17)),
            environment: Environment::default_for(Runtime::Torch),
            needs: BTreeMap::from([
                ("data".to_owned(), Need::One(Key::of_text("data"))),
                ("past".to_owned(), Need::Many(BTreeMap::from([("seed=0".to_owned(), Some(Key::of_text("a")))]))),
            ]),
            files: BTreeMap::new(),
        }
    }

    /// Literal text and key: a change here orphans every ledger there is. Raise `FORMAT`, and say why in a decision.
    #[test]
    fn literal_text_and_key() {
        let recipe = recipe();
        let text = concat!(
            r#"{"environment":{"deterministic":true,"device":"cpu","isa":"avx2.2","libtorch":"2.11.0","precision":"fp32","#,
            r#""runtime":"torch","threads":1},"format":1,"kind":"train-denoiser","needs":{"#,
            r#""data":{"one":"d58f5d460f674ab8bc9e5b3b5b6f926af9de02d911625803fb119432a64a4a90"},"#,
            r#""past":{"many":{"seed=0":"04a51d889aae19b600021465d46059bf2024543a2c59198ffdacee2c1c333b14"}}},"#,
            r#""revision":1,"seed":17,"spec":{"rate":8e-5,"steps":600}}"#
        );
        assert_eq!(recipe.text().unwrap(), text);
        assert_eq!(
            recipe.key().unwrap().to_string(),
            "3d900f01a14a76ab27299ea9762d68eeeacc0790b896cae01e8163bee66acf9f"
        );
    }

    /// The same with files of the study: a member of its own, which a recipe without files does not have.
    #[test]
    fn literal_text_with_files() {
        let mut recipe = recipe();
        recipe.needs.clear();
        recipe.files.insert("code".into(), Digest::of("a"));
        let text = concat!(
            r#"{"environment":{"deterministic":true,"device":"cpu","isa":"avx2.2","libtorch":"2.11.0","precision":"fp32","#,
            r#""runtime":"torch","threads":1},"files":{"code":"17762fddd969a453925d65717ac3eea21320b66b54342fde15128d6caf21215f"},"#,
            r#""format":1,"kind":"train-denoiser","needs":{},"revision":1,"seed":17,"spec":{"rate":8e-5,"steps":600}}"#
        );
        assert_eq!(recipe.text().unwrap(), text);
        assert_eq!(recipe.key().unwrap(), Key::of_text(text));
    }

    #[test]
    fn every_member_counts() {
        let base = recipe().key().unwrap();
        let changed = |change: fn(&mut Recipe)| {
            let mut recipe = recipe();
            change(&mut recipe);
            recipe.key().unwrap()
        };
        let torch = |recipe: &mut Recipe, change: fn(&mut crate::environment::Torch)| {
            let Environment::Torch(torch) = &mut recipe.environment else {
                unreachable!("the recipe above is for torch")
            };
            change(torch);
        };
        let keys = [
            changed(|r| r.format += 1),
            changed(|r| r.kind.push('s')),
            changed(|r| r.revision += 1),
            changed(|r| r.spec["steps"] = 601.into()),
            changed(|r| r.seed = None),
            changed(|r| r.environment = Environment::Native),
            {
                let mut recipe = recipe();
                torch(&mut recipe, |t| t.threads = 2);
                recipe.key().unwrap()
            },
            {
                let mut recipe = recipe();
                torch(&mut recipe, |t| t.isa = crate::environment::Isa::Avx512);
                recipe.key().unwrap()
            },
            changed(|r| {
                let data = r.needs.remove("data").expect("the recipe above has a port `data`");
                r.needs.insert("date".into(), data);
            }),
            changed(|r| {
                r.needs.insert("data".into(), Need::One(Key::of_text("other")));
            }),
            changed(|r| {
                let past = BTreeMap::from([("seed=1".to_owned(), Some(Key::of_text("a")))]);
                r.needs.insert("past".into(), Need::Many(past));
            }),
            changed(|r| r.files = BTreeMap::from([("code".into(), Digest::of("a"))])),
            changed(|r| r.files = BTreeMap::from([("code".into(), Digest::of("b"))])),
            changed(|r| r.files = BTreeMap::from([("data".into(), Digest::of("a"))])),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().chain([&base]).collect();
        assert_eq!(distinct.len(), keys.len() + 1);
    }

    #[test]
    fn a_trace_needs_every_single_digest_and_forgives_a_diverged_cell() {
        let recipe = recipe();
        let data = Key::of_text("data");
        assert!(recipe.trace(|_| None).is_none());
        let trace = recipe.trace(|key| (*key == data).then(|| Digest::of("data"))).unwrap();
        assert_eq!(trace.needs["past"], Need::Many(BTreeMap::from([("seed=0".to_owned(), None)])));
        let mut reading = recipe;
        reading.files.insert("code".into(), Digest::of("a"));
        let other = reading.trace(|key| (*key == data).then(|| Digest::of("data"))).unwrap();
        assert_ne!(other.text().unwrap(), trace.text().unwrap(), "files count in traces too");
    }
}
