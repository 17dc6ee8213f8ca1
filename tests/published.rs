//! `studies/published-laws`, whole: published coefficients, refitted from the data published with them, with no libtorch anywhere.

use std::{fs, path::Path};

use crate::project::Project;

fn copy(from: &Path, into: &Path) {
    fs::create_dir_all(into).expect("a folder of this test's own");
    for entry in fs::read_dir(from).expect("the study is there").flatten() {
        let target = into.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a folder of this test's own");
        }
    }
}

#[test]
fn published_laws_are_reproduced_or_contradicted_as_the_readme_says() {
    let project = Project::new();
    let study = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("studies/published-laws");
    copy(&study, &project.path("published-laws"));
    let run = project.run(&["run", "published-laws", "-j", "2", "-p", "bootstrap=200", "--json"]).expect(0).json();
    assert_eq!(run["totals"]["made"], 14, "{run}");
    for claim in run["claims"].as_array().expect("a run judges its claims") {
        // Two sentences are not so: the headline is no Huber fit, and five rows do decide.
        let name = claim["name"].as_str().expect("a name");
        let wrong = ["headline-is-huber", "rows-do-not-matter"].contains(&name);
        let few = name == "errors-of-the-bootstrap"; // judged with 200 resamples here
        let expected = if wrong { "contradicted" } else { "reproduced" };
        assert!(few || claim["verdict"] == expected, "{claim}");
    }
    let again = project.run(&["run", "published-laws", "-p", "bootstrap=200", "--json"]).expect(0).json();
    assert_eq!(again["totals"]["kept"], 14);
}
