//! What to run next: a suggestion from a table, written as a part of a study, is a study's own matrix; and what `check` says of names that figures cannot set.

use crate::project::Project;

/// Twenty models as a paper's table has them: sizes in millions, data in billions, three digits of loss.
fn table() -> String {
    let (sizes, data) = ([70.0, 160.0, 410.0, 1000.0_f64], [2.0, 6.0, 20.0, 60.0, 200.0_f64]);
    let row = |k: usize| {
        let (n, d) = (sizes[k / 5], data[k % 5]);
        let wobble = 1.0 + 0.004 * (2.3 * k as f64).sin();
        let loss = (1.69 + 406.4 / (1e6 * n).powf(0.34) + 410.7 / (1e9 * d).powf(0.28)) * wobble;
        format!("m-{k};{n}M;{d}B;{loss:.3}\n")
    };
    "model;Params;Tokens;val loss\n".to_owned() + &(0..20).map(row).collect::<Vec<String>>().concat()
}

#[test]
fn a_suggestion_is_a_part_of_a_study() {
    let project = Project::new();
    project.write("runs.csv", &table());
    let law = ["fit", "runs.csv", "--form", "chinchilla", "--x", "N=Params", "--x", "D=Tokens", "--y", "val loss"];
    let more = ["--bootstrap", "100", "--suggest", "--budget", "3e21", "--runs", "4", "--into", "next.yaml", "--json"];
    let said = project.run(&[&law[..], &more[..]].concat()).expect(0).json();
    let runs = said["suggestion"]["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 4);
    // It is written over by another suggestion, and the study by none.
    let to = |file| {
        let args = [&law[..], &more[..]].concat();
        let args: Vec<&str> = args.into_iter().map(|arg| if arg == "next.yaml" { file } else { arg }).collect();
        project.run(&args)
    };
    to("next.yaml").expect(0);
    let said = to("study.yaml").expect(2).err;
    assert!(said.contains("study.yaml is there already and is no suggestion of isoflop"), "{said}");
    let study = "study: next\nseed: 3\ninclude: [next.yaml]\ntasks:\n  train:\n    matrix: { run: \"{{ suggested }}\" }\n    kind: command\n    with:\n      \
                 argv: [sh, -c, 'echo $1 $2 $3 >$4', sh, \"{{ run.N }}\", \"{{ run.D }}\", \"{{ run.seed }}\", \"{out.x}\"]\n      outputs: { x: {} }\n";
    project.write("study.yaml", study);
    project.run(&["check"]).expect(0);
    let plan = project.run(&["plan", "--json"]).expect(0).json();
    let names: Vec<&str> =
        plan["tasks"].as_array().expect("tasks").iter().filter_map(|task| task["name"].as_str()).collect();
    assert_eq!(names, ["train[run=next-1]", "train[run=next-2]", "train[run=next-3]", "train[run=next-4]"]);
    project.run(&["run"]).expect(0);
    let budget: f64 =
        runs.iter().map(|run| 6.0 * run["at"]["N"].as_f64().unwrap() * run["at"]["D"].as_f64().unwrap()).sum();
    assert!(budget <= 3e21, "{budget}");
}

#[test]
fn check_names_letters_that_pictures_lack() {
    let project = Project::new();
    let study = |size: &str| {
        format!(
            "study: own\nseed: 3\ntasks:\n  a:\n    matrix: {{ size: [{size}] }}\n    kind: command\n    with:\n      argv: [sh, -c, 'echo > $1', sh, \"{{out.x}}\", \
             \"{{{{ size }}}}\"]\n      outputs: {{ x: {{}} }}\n"
        )
    };
    project.write("study.yaml", &study("groß, Größe"));
    let said = project.run(&["check"]).expect(0);
    assert!(!said.out.contains("warning"), "{}", said.out);
    project.write("study.yaml", &study("大, 小"));
    let said = project.run(&["check"]).expect(0);
    assert!(
        said.out.contains("warning: the font of PNG and PDF figures lacks 大小 (in a[size=大] and 1 more"),
        "{}",
        said.out
    );
    let json = project.run(&["check", "--json"]).expect(0).json();
    assert_eq!(json["boxes"][0]["letters"], "大");
}

#[test]
fn check_names_what_claims_ask_for_in_vain() {
    let project = Project::new();
    let study = |size: &str| {
        format!(
            "study: own\nprofiles: {{ few: {{ sizes: [s] }} }}\nparams: {{ sizes: [s, large] }}\ntasks:\n  a:\n    matrix: {{ size: \"{{{{ sizes }}}}\" }}\n    \
             kind: command\n    with:\n      argv: [sh, -c, 'echo > $1', sh, \"{{out.x}}\", \"{{{{ size }}}}\"]\n      outputs: {{ x: {{}} }}\n\
             claims:\n  more: {{ says: More., check: \"{{{{ count('a', 'n', size='{size}') > 0 }}}}\" }}\n"
        )
    };
    project.write("study.yaml", &study("lrage"));
    let said = project.run(&["check"]).expect(0).out;
    let warning = "warning: study.yaml:12:31: no task of `a` is at size=lrage, which the claim `more` asks for; did you mean `large`?";
    assert!(said.contains(warning), "{said}");
    let unmet = &project.run(&["check", "--json"]).expect(0).json()["unmet"];
    assert_eq!((&unmet[0]["claim"], &unmet[0]["line"]), (&"more".into(), &12.into()), "{unmet}");
    project.write("study.yaml", &study("large"));
    for args in [vec!["check"], vec!["check", "--profile", "few"], vec!["check", "-p", "sizes=['s']"]] {
        let said = project.run(&args).expect(0).out;
        assert!(!said.contains("warning"), "{args:?}: {said}");
    }
}
