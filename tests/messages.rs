//! Mistakes: each gets its exit code, its place and a sentence that helps.

use std::{fmt::Write, fs};

use crate::project::Project;

#[test]
fn a_study_with_mistakes_is_told_all_of_them_with_their_places() {
    let project = Project::new();
    let broken = crate::project::STUDY
        .replace("kind: train-vqa", "kind: train-vqq")
        .replace("learning_rate: 1e-3", "learning_rat: 1e-3")
        .replace("images: samples", "images: smaples");
    project.write("study.yaml", &broken);
    let said = project.run(&["check"]).expect(3);
    for (needle, line) in
        [("train-vqq", "study.yaml:17"), ("learning_rat", "study.yaml:37"), ("smaples", "study.yaml:47")]
    {
        assert!(said.err.contains(needle) && said.err.contains(line), "{needle} at {line}:\n{}", said.err);
    }
    for hint in ["train-vqa", "learning_rate", "samples"] {
        assert!(said.err.contains(&format!("did you mean `{hint}`")), "{hint}:\n{}", said.err);
    }
    let found = project.run(&["run", "--json"]).expect(3).json();
    assert_eq!((&found["error"], &found["code"]), (&"invalid-study".into(), &3.into()), "{found}");
    let findings = found["findings"].as_array().unwrap();
    assert!(findings.len() >= 3);
    assert!(findings.iter().all(|finding| finding["line"].as_u64() > Some(0) && finding["message"].is_string()));
    assert!(!project.path(".isoflop").exists(), "a study that cannot run leaves nothing behind");
}

#[test]
fn wrong_usage_is_told_apart() {
    let project = Project::new();
    project.run(&["plan", "--nonsense"]).expect(2);
    project.run(&["plan", "nowhere"]).expect(2);
    project.run(&["show", "train"]).expect(2);
    let unknown = project.run(&["plan", "-p", "step=3"]).expect(3).err;
    assert!(unknown.contains("did you mean `steps`"), "{unknown}");
    let unknown = project.run(&["plan", "--profile", "smok"]).expect(3).err;
    assert!(unknown.contains("smok"), "{unknown}");
}

#[test]
fn a_database_that_is_not_there_is_named_without_its_password() {
    let project = Project::new();
    let said = project.run(&["run", "--database", "postgres://me:secret@127.0.0.1:1/lab"]).expect(8);
    assert!(said.err.contains("127.0.0.1:1") && !said.err.contains("secret"), "{}", said.err);
}

#[test]
fn a_missing_worker_is_named_with_what_to_do() {
    let project = Project::new();
    let output = project.command(&["run"]).env("ISOFLOP_TORCH", "/nowhere/isoflop-torch").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(said.contains("/nowhere/isoflop-torch") && said.contains("make build"), "{said}");
}

#[test]
fn a_home_that_cannot_be_written_is_named() {
    let project = Project::new();
    project.write("taken", "a file where a folder should be");
    let said = project.run(&["run", "--home", "taken/home"]).expect(8).err;
    assert!(said.contains("taken/home"), "{said}");
}

#[test]
fn a_file_that_is_something_else_is_not_written_over() {
    let project = Project::new();
    for args in [&["report", "-o"][..], &["run", "--report"][..], &["plan", "-o"][..]] {
        let said = project.run(&[args, &["study.yaml"]].concat()).expect(2).err;
        assert!(said.contains("study.yaml is there already and is no "), "{args:?}: {said}");
        assert!(said.contains("name another file or remove it"), "{args:?}: {said}");
    }
    assert_eq!(fs::read_to_string(project.path("study.yaml")).unwrap(), crate::project::STUDY);
    assert!(!project.path(".isoflop").exists(), "a run began before the place of its report was looked at");
    // Their own files they write anew.
    for _ in 0..2 {
        project.run(&["report"]).expect(0);
        project.run(&["plan", "-o", "plan.json"]).expect(0);
    }
}

#[test]
fn a_contradicted_claim_is_a_result_of_run_and_a_failure_of_claims() {
    let project = Project::new();
    project.write("study.yaml", &crate::project::STUDY.replace("size='l') > mean", "size='l') < mean"));
    project.run(&["claims", "--json"]).expect(0);
    project.run(&["run"]).expect(0);
    let claims = project.run(&["claims", "--json"]).expect(6).json();
    assert_eq!(claims["claims"][0]["verdict"], "contradicted");
    assert!(claims["claims"][0]["evidence"].as_str().unwrap().contains("scores.alignment"));
}

/// A file as others write it: groups of which one is too small, values that are missing, a run that came to nothing.
#[test]
fn a_verdict_does_not_depend_on_who_reads_it() {
    let project = Project::new();
    project.write("study.yaml", &crate::project::STUDY.replace("size='l') > mean", "size='l') < mean"));
    project.run(&["run"]).expect(0);
    let mut unread = project.start(&["claims"]);
    drop(unread.stdout.take());
    Project::wait(unread).expect(6);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let plan = project.command(&["plan"]).stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&plan.stderr);
    assert_eq!(plan.status.code(), Some(8), "{said}");
    assert!(said.contains("cannot write to stdout") && !said.contains("mistake in isoflop"), "{said}");
}

#[test]
fn fit_reads_the_tables_of_others() {
    let project = Project::new();
    let mut text = "\u{feff}Model family;Training compute (FLOP);Loss, nats\r\n".to_owned();
    for family in ["GPT v2", "OPT"] {
        for i in 1..=8 {
            let loss = format!("{:.6}", 3.0 * 10_f64.powi(i).powf(-0.1)).replace('.', ",");
            let _ = write!(text, "{family};1e{i};{loss}\r\n");
        }
    }
    text += "OPT;1e9;NaN\r\nOPT;1e10;n/a\r\nPaLM 540B;1e9;2,5\r\n";
    project.write("runs.csv", &text);
    let asked = [
        "fit",
        "runs.csv",
        "--form",
        "power",
        "--x",
        "Training compute (FLOP)",
        "--y",
        "Loss, nats",
        "--bootstrap",
        "100",
    ];
    let by = [&asked[..], &["--group", "Model family"]].concat();
    let fits = project.run(&[&by[..], &["--json"]].concat()).expect(0).json();
    for family in ["GPT v2", "OPT"] {
        let p = fits["groups"][family]["params"]["p"]["value"].as_f64().expect("a fit");
        assert!((p + 0.1).abs() < 1e-5, "{family}: {p}");
    }
    let why = fits["refused"]["PaLM 540B"].as_str().expect("a reason");
    assert!(why.contains("3 different values of `Training compute (FLOP)`"), "{why}");
    let told = project.run(&by).expect(0).out;
    for part in [
        "line 18 was left out: `Loss, nats` is NaN",
        "line 19 was left out: it has no `Loss, nats`",
        "Model family PaLM 540B has no fit: form power needs",
    ] {
        assert!(told.contains(part), "no `{part}` in\n{told}");
    }
    let alone = [&by[..], &["--keep", "Model family=PaLM 540B"]].concat();
    assert!(project.run(&alone).expect(2).err.contains("Model family GPT v2: form power needs"));
}

#[test]
fn fit_and_model_answer_without_a_study() {
    let project = Project::new();
    let row = |i| format!("{},{}", 10_f64.powi(i), 3.0 * 10_f64.powi(i).powf(-0.1));
    let rows: Vec<String> = std::iter::once("compute,loss".to_owned()).chain((1..=12).map(row)).collect();
    project.write("data.csv", &rows.join("\n"));
    let fit = project
        .run(&["fit", "data.csv", "--form", "power", "--x", "compute", "--y", "loss", "--json"])
        .expect(0)
        .json();
    assert!((fit["params"]["p"]["value"].as_f64().unwrap() + 0.1).abs() < 1e-9, "{}", fit["params"]);
    assert_eq!(fit["n"], 12);
    project.write("bad.csv", "compute,loss\n1,2\n2,many\n3,4\n");
    let said = project.run(&["fit", "bad.csv", "--form", "power", "--x", "compute", "--y", "loss"]).expect(2).err;
    assert!(said.contains("row 2") || said.contains("line 3"), "{said}");
    assert!(said.contains("many") && said.contains("loss"), "{said}");

    let model = project.run(&["model", "sd2.1", "--json"]).expect(0).json();
    assert_eq!(model["params"], 865_910_724);
    let blocks = model["blocks"].as_array().unwrap();
    assert_eq!(blocks.iter().map(|block| block["params"].as_u64().unwrap()).sum::<u64>(), 865_910_724);
    assert_eq!(
        (model["macs"].as_u64(), model["size"].as_u64(), model["tokens"].as_u64()),
        (Some(86_272_573_440), Some(32), Some(77))
    );
    assert!(model["attention_products"].as_u64() > Some(4_000_000_000));
    let larger = project.run(&["model", "sd2.1", "--size", "64", "--tokens", "120", "--json"]).expect(0).json();
    assert!(larger["macs"].as_u64() > Some(4 * 80_000_000_000) && larger["params"] == model["params"]);
    let two = project.run(&["model", "--compare", "sdxl-c320", "sdxl-td4_4", "--json"]).expect(0).json();
    assert!((two["ratio"]["params"].as_f64().unwrap() - 0.5527).abs() < 1e-4, "{}", two["ratio"]);
    let table = project.run(&["model", "--compare", "dit-xl2", "pixart-alpha-xl2"]).expect(0).out;
    assert!(
        table.contains("transformer_blocks") && table.contains("674,834,720") && table.contains("610,856,096"),
        "{table}"
    );
    let list = project.run(&["model", "--list", "--json"]).expect(0).json();
    let names: Vec<&str> =
        list["models"].as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap()).collect();
    for name in [
        "sd2.1",
        "if-xl-c704",
        "sdxl-td4_4",
        "pixart-h1024-d56",
        "sdxl-base",
        "dit-xl2",
        "uvit-h2",
        "vae-sdxl",
        "t5-xxl",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    assert!(project.run(&["model", "sd2.1", "--size", "33"]).expect(2).err.contains("33×33"));
    project.write("vit.yaml", "family: uvit\nsize: 8\nwidth: 32\ndepth: 2\nheads: 2\ncontext: 24\ntokens: 5\n");
    assert_eq!(project.run(&["model", "vit.yaml", "--json"]).expect(0).json()["size"], 8);
    assert!(project.run(&["model", "sd2.2"]).expect(2).err.contains("sd2.1"));
    project.write("odd.yaml", "family: [uvit\nsize: 8\n");
    let said = project.run(&["model", "odd.yaml"]).expect(2).err;
    assert!(said.contains("odd.yaml:2:5: this is not YAML"), "{said}");
    assert!(!project.path(".isoflop").exists());
}

/// Some kinds are one process: a second rank would have nothing to do.
#[test]
fn more_processes_than_a_kind_has_are_refused() {
    let project = Project::new();
    for (on, field) in [("gpus: 2", "gpus"), ("ranks: 3", "ranks"), ("gpus: 1", "")] {
        project.write(
            "study.yaml",
            &format!(
                "study: s\nseed: 1\ntasks:\n  scenes: {{ kind: make-scenes, with: {{ images: 8, resolution: 16 }} }}\n  \
                 judge:\n    kind: train-vqa\n    needs: {{ data: scenes, heldout: scenes }}\n    with: {{ steps: 1, batch: 1, warmup: 0 }}\n    on: {{ {on} }}\n"
            ),
        );
        let checked = project.run(&["check"]);
        if field.is_empty() {
            checked.expect(0);
            continue;
        }
        let said = checked.expect(3).err;
        assert!(said.contains(&format!("`{field}`")) && said.contains("study.yaml:9"), "{said}");
        assert!(said.contains("must be 1 at most: a task of kind `train-vqa` is one process"), "{said}");
    }
}

/// As many processes can share a training as a batch has parts.
#[test]
fn more_processes_than_a_batch_has_parts_are_refused() {
    let project = Project::new();
    for (micro, ranks, problem) in [
        ("", 2, "must be 1 at most: a batch of this task is one part"),
        (", micro_batch: 4", 3, "must be 2 at most: a batch of this task has so many parts"),
        (", micro_batch: 4", 2, ""),
    ] {
        project.write(
            "study.yaml",
            &format!(
                "study: s\nseed: 1\ntasks:\n  scenes: {{ kind: make-scenes, with: {{ images: 8, resolution: 16 }} }}\n  train:\n    kind: train-denoiser\n    \
                 needs: {{ data: scenes, heldout: scenes }}\n    with:\n      backbone: {{ family: dit, width: 32, depth: 1, heads: 2, condition: {{ text: 64 }} }}\n      \
                 steps: 1\n      batch: 8\n      learning_rate: 1e-3\n      warmup: 0{}\n    on: {{ ranks: {ranks} }}\n",
                micro.replace(", ", "\n      ")
            ),
        );
        let checked = project.run(&["check"]);
        if problem.is_empty() {
            checked.expect(0);
            continue;
        }
        let said = checked.expect(3).err;
        assert!(said.contains("`ranks`") && said.contains(problem), "{said}");
    }
}
