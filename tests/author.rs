//! What helps an author: `init`, and completion as a shell sees it.

use std::{fs, process::Command};

use crate::project::{Project, programs};

#[test]
fn init_writes_a_study_that_is_sound_and_overwrites_nothing() {
    let project = Project::new();
    let rehearsed = project.run(&["init", "first", "-n"]).expect(0).out;
    assert!(rehearsed.contains("would write first/study.yaml") && !project.path("first").exists(), "{rehearsed}");
    let said = project.run(&["init", "first"]).expect(0).out;
    for line in ["wrote first/study.yaml", "wrote first/.gitignore", "  isoflop plan first\n", "  isoflop run first\n"]
    {
        assert!(said.contains(line), "{line}:\n{said}");
    }
    let study = fs::read_to_string(project.path("first/study.yaml")).unwrap();
    assert!(study.contains("\nstudy: first\n"), "the study is called as its folder");
    let schema = fs::read_to_string(project.path("first/study.schema.json")).unwrap();
    assert_eq!(schema, project.run(&["schema", "study"]).expect(0).out);
    project.run(&["check", "first"]).expect(0);
    project.run(&["check", "first", "--profile", "smoke"]).expect(0);

    let said = project.run(&["init", "first"]).expect(2).err;
    assert!(said.contains("first/study.yaml") && said.contains("would be overwritten"), "{said}");
    project.run(&["init", "first", "--dry-run"]).expect(2);
    fs::create_dir(project.path("second")).unwrap();
    fs::write(project.path("second/README.md"), "mine").unwrap();
    let said = project.run(&["init", "second"]).expect(2).err;
    assert!(said.contains("second/README.md would be overwritten"), "{said}");
    assert!(!project.path("second/study.yaml").exists(), "nothing is written where something is in the way");
    assert_eq!(fs::read_to_string(project.path("second/README.md")).unwrap(), "mine");
    assert!(project.run(&["init", "bin/isoflop-torch"]).expect(2).err.contains("is not a folder"));
    project.run(&["init", "third", "--template", "nothing"]).expect(2);

    let json = project.run(&["init", "a b/deep", "--json"]).expect(0).json();
    assert_eq!(json["next"][0], "isoflop plan 'a b/deep'");
    assert_eq!(json["files"].as_array().unwrap().len(), 4);
}

/// A project with a study, and another below `studies/`.
fn project() -> Project {
    let project = Project::new();
    fs::create_dir_all(project.path("studies/other")).unwrap();
    let study = "study: other\nparams: { speed: 3, name: x }\nprofiles: { fast: { speed: 9 } }\ntasks:\n  \
                 alone: { kind: make-scenes, with: { images: 8 } }\n";
    project.write("studies/other/study.yaml", study);
    project
}

/// What the protocol answers, candidates only.
fn asked(project: &Project, shell: &str, words: &[&str]) -> Vec<String> {
    let said = project.run(&[&["complete", shell, "--"], words].concat()).expect(0);
    assert_eq!(said.err, "", "completion is silent");
    said.out.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn names_come_from_the_study_at_hand() {
    let project = project();
    let offered = |words: &[&str]| asked(&project, "fish", &[&["isoflop"], words].concat());
    assert_eq!(offered(&["why", "s"]), ["scenes", "samples", "scores"]);
    assert_eq!(offered(&["why", "train[size=m"]), ["train[size=m,seed=0]", "train[size=m,seed=1]"]);
    assert_eq!(offered(&["why", "-s", "studies/other", ""]), ["alone"]);
    assert_eq!(offered(&["why", "--study=studies/other", "a"]), ["alone"]);
    assert_eq!(offered(&["show", "sco"])[0], "scores");
    assert_eq!(offered(&["plan", "st"]), ["studies/other"]);
    assert_eq!(offered(&["serve", "st"]), ["studies/other"]);
    assert_eq!(offered(&["claims", "studies/other", "st"]), ["studies/other"]);
    assert_eq!(offered(&["plan", "-p", "st"]), ["steps="]);
    assert_eq!(offered(&["plan", "-p", "steps="]), ["steps=50"]);
    assert_eq!(offered(&["run", "studies/other", "--profile", ""]), ["fast"]);
    assert_eq!(offered(&["run", "studies/other", "--profile=f"]), ["--profile=fast"]);
    assert_eq!(offered(&["run", "studies/other", "-p", "speed="]), ["speed=3", "speed=9"]);
    assert_eq!(offered(&["schema", "s"])[..3], ["sample-images", "score-aesthetic", "score-alignment"]);
    assert_eq!(offered(&["model", "sd2"]), ["sd2.1", "sd2-c512"]);
    assert!(offered(&["model", "stu"]).iter().any(|path| path == "study.yaml" || path == "studies/"));
    let told = project.run(&["complete", "zsh", "--", "isoflop", "why", "tr"]).expect(0).out;
    assert!(told.starts_with("train\ttrain-denoiser, 6 cells\n"), "{told}");
}

#[test]
fn a_broken_study_gives_what_it_can_and_says_nothing() {
    let project = project();
    let study = crate::project::STUDY.replace("learning_rate", "learning_rat");
    project.write("study.yaml", &study);
    assert_eq!(asked(&project, "zsh", &["isoflop", "why", "s"]), ["scenes", "samples", "scores"]);
    assert_eq!(asked(&project, "zsh", &["isoflop", "plan", "-p", "st"]), ["steps="]);
    for text in ["tasks: [", "", "\u{0}\u{1}", "tasks: 3", &"[".repeat(100_000)] {
        project.write("study.yaml", text);
        assert_eq!(asked(&project, "zsh", &["isoflop", "why", "s"]), Vec::<String>::new());
        assert_eq!(asked(&project, "bash", &["isoflop plan -p s"]), Vec::<String>::new());
    }
    fs::remove_file(project.path("study.yaml")).unwrap();
    assert_eq!(asked(&project, "zsh", &["isoflop", "why", "s"]), Vec::<String>::new());
    for words in [
        &[][..],
        &["isoflop"],
        &["isoflop", "nonsense", ""],
        &["isoflop", "plan", "--", ""],
        &["isoflop", "--json", ""],
    ] {
        asked(&project, "fish", words);
    }
    assert!(!project.path(".isoflop").exists(), "completion leaves nothing behind");
}

/// What bash itself would put there: the script is sourced, and the function is called as bash calls it.
fn bash(project: &Project, line: &str) -> String {
    let program = programs().join("isoflop");
    let script = r#"
        isoflop() { command "$ISOFLOP" "$@"; }
        PATH="${ISOFLOP%/*}:$PATH"
        source <(isoflop completions bash)
        complete -p isoflop >/dev/null || exit 9
        COMP_LINE=$LINE COMP_POINT=${#LINE}
        read -ra COMP_WORDS <<< "$LINE"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
        _isoflop isoflop "${COMP_WORDS[COMP_CWORD]}" ""
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let output = Command::new("bash")
        .args(["--norc", "-c", script])
        .env("ISOFLOP", program)
        .env("LINE", line)
        .current_dir(project.path(""))
        .output()
        .expect("there is bash");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn bash_completes_with_the_script_it_is_given() {
    let project = project();
    assert_eq!(bash(&project, "isoflop pl"), "plan\n");
    assert_eq!(bash(&project, "isoflop why sc"), "scenes\nscores\n");
    assert_eq!(bash(&project, "isoflop why jud"), "judge\n");
    assert_eq!(bash(&project, "isoflop why 'train[size=m"), "train[size=m,seed=0]\ntrain[size=m,seed=1]\n");
    assert_eq!(bash(&project, r"isoflop why train\[size=m"), "m,seed=0\\]\nm,seed=1\\]\n");
    assert_eq!(bash(&project, "isoflop plan -p ste"), "steps=\n");
    assert_eq!(bash(&project, "isoflop plan -p steps="), "50\n");
    assert_eq!(bash(&project, "isoflop run --profile=f"), "\n");
    assert_eq!(bash(&project, "isoflop run studies/other --profile=f"), "fast\n");
    assert_eq!(bash(&project, "isoflop why \"nothing$(touch pwned)"), "\n");
    assert!(!project.path("pwned").exists());
}

#[test]
fn each_shell_has_a_script_that_asks_this_program() {
    let project = Project::new();
    for (shell, needle) in
        [("bash", "complete -"), ("zsh", "compdef _isoflop isoflop"), ("fish", "complete --command isoflop")]
    {
        let script = project.run(&["completions", shell]).expect(0).out;
        assert!(script.contains(needle) && script.contains(&format!("complete {shell}")), "{script}");
        assert_eq!(project.run(&["completions", shell, "--json"]).expect(0).json()["shell"], shell);
    }
    project.run(&["completions", "tcsh"]).expect(2);
    assert!(project.run(&["completions", "--help"]).expect(0).out.contains("source <(isoflop completions bash)"));
}
