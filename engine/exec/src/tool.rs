//! Tools: programs of the machine that tasks run. Which file a name led to is recorded with the attempt, with the digest of its bytes: no
//! key holds it, and a reviewer may want to know.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use isoflop_contract::{Digest, Value};
use serde_json::json;

/// What is known of the tools of a run; each is looked at once.
#[derive(Debug, Default)]
pub(crate) struct Tools(Mutex<BTreeMap<String, Value>>);

impl Tools {
    /// The soft environment `soft` of an attempt that runs `program`.
    pub(crate) fn soft(&self, soft: &Value, program: Option<&str>, variables: &[(OsString, OsString)]) -> Value {
        let mut soft = soft.clone();
        if let (Some(program), Value::Object(members)) = (program, &mut soft) {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let tool = known.entry(program.to_owned()).or_insert_with(|| look(program, variables));
            members.insert("program".to_owned(), tool.clone());
        }
        soft
    }
}

/// Where a program is, and what it is; nothing of either if it is not there, which its body will say.
fn look(program: &str, variables: &[(OsString, OsString)]) -> Value {
    let path = find(program, variables);
    let digest =
        path.as_ref().and_then(|path| Digest::of_reader(File::open(path).ok()?).ok()).map(|(digest, _)| digest);
    json!({ "name": program, "path": path, "digest": digest })
}

fn find(program: &str, variables: &[(OsString, OsString)]) -> Option<PathBuf> {
    if program.contains('/') {
        return fs::canonicalize(program).ok();
    }
    let (_, path) = variables.iter().find(|(name, _)| name == "PATH")?;
    let mut places = env::split_paths(path).map(|folder| folder.join(program));
    places.find(|place| is_program(place)).and_then(|place| fs::canonicalize(place).ok())
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_found_as_a_shell_would_find_it() {
        let variables = [("PATH".into(), "/nowhere:/usr/bin:/bin".into())];
        let tools = Tools::default();
        let soft = tools.soft(&json!({"host": "here"}), Some("sh"), &variables);
        assert_eq!(soft["host"], "here");
        assert!(soft["program"]["path"].as_str().unwrap().starts_with('/'), "{soft}");
        assert!(soft["program"]["digest"].is_string());
        let none = tools.soft(&json!({}), Some("no-such-program"), &variables);
        assert_eq!(none["program"], json!({"name": "no-such-program", "path": null, "digest": null}));
        assert_eq!(tools.soft(&json!({}), None, &variables), json!({}));
    }
}
