//! `completions`: the script that a shell reads to complete isoflop's command line.

use serde_json::json;

use crate::{args::CompletionsArgs, completion, output::Output, stop::Stop};

/// Prints the script. It calls this program back, so it stays right when verbs and options change.
pub fn completions(args: &CompletionsArgs, out: &mut Output) -> Result<(), Stop> {
    let script = completion::script(args.shell);
    if out.json {
        return out.data(&json!({ "version": 1, "shell": completion::name(args.shell), "script": script }));
    }
    out.line(script.trim_end())
}
