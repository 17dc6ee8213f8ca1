//! Good studies: cells, needs, templates, keys.

use std::collections::BTreeMap;

use isoflop_contract::{Environment, Need, Value};
use isoflop_plan::{Memory, Options, Plan, TaskNeed, plan, read_value, select};
use serde_json::json;

use crate::catalog::catalog;

pub fn planned(text: &str) -> Plan {
    planned_with(text, &Options::default())
}

fn planned_with(text: &str, options: &Options) -> Plan {
    plan(&Memory::single("s.yaml", text), "s.yaml", &catalog(), options).unwrap_or_else(|findings| panic!("{findings}"))
}

pub const STUDY: &str = r#"
study: width-ladder
about: Loss falls with width.
seed: 17
params: { steps: 600, images: 512, presets: { small: 8, large: 64 } }
profiles: { smoke: { steps: 2 } }
tasks:
  law:
    kind: fit-scaling
    gather: { points: scores }
    with: { x: compute, y: loss }
  laws:
    kind: fit-scaling
    gather: { points: { from: scores, by: [variant], where: "{{ seed < 2 }}" } }
    with: { x: compute, y: "loss of {{ variant }}" }
  scores:
    each: train
    kind: score-alignment
    needs: { model: train }
  train:
    matrix:
      variant: [small, large]
      seed: "{{ range(3) }}"
    let:
      width: "{{ presets[variant] }}"
      backbone: { width: "{{ width }}", depths: ["{{ width // 8 }}", 2] }
    kind: train-denoiser
    needs: { data: scenes }
    with: { backbone: "{{ backbone }}", steps: "{{ steps }}", rate: 1 }
    on: { memory: "{{ 1 + seed }}GiB", time: 2h }
    environment: { threads: 2 }
  tuned:
    kind: train-denoiser
    needs: { data: scenes, start: "train[variant=large,seed=1]" }
    with: { backbone: { width: 64 }, steps: 1 }
  scenes:
    kind: make-scenes
    with: { images: "{{ images }}", captions: dense }
environment: { isa: avx512 }
claims:
  wider-is-better:
    says: Wider is better.
    source: "Li et al. 2024, section 3.2"
    check: "{{ mean('scores', 'loss', variant='large') < mean('scores', 'loss', variant='small') }}"
"#;

fn names(plan: &Plan) -> Vec<&str> {
    plan.tasks().iter().map(|task| task.name.as_str()).collect()
}

#[test]
fn a_study_becomes_tasks_in_topological_order() {
    let plan = planned(STUDY);
    assert_eq!(
        names(&plan),
        [
            "scenes",
            "train[variant=small,seed=0]",
            "train[variant=small,seed=1]",
            "train[variant=small,seed=2]",
            "train[variant=large,seed=0]",
            "train[variant=large,seed=1]",
            "train[variant=large,seed=2]",
            "scores[variant=small,seed=0]",
            "scores[variant=small,seed=1]",
            "scores[variant=small,seed=2]",
            "scores[variant=large,seed=0]",
            "scores[variant=large,seed=1]",
            "scores[variant=large,seed=2]",
            "law",
            "laws[variant=small]",
            "laws[variant=large]",
            "tuned",
        ]
    );
    for (index, task) in plan.tasks().iter().enumerate() {
        assert_eq!(plan.index_of(&task.name), Some(index));
        assert!(plan.producers(index).all(|producer| producer < index));
        assert!(plan.producers(index).all(|producer| plan.consumers(producer).any(|consumer| consumer == index)));
        assert_eq!(task.recipe.text().unwrap(), task.recipe_text);
        assert_eq!(task.recipe.key().unwrap(), task.key);
    }
    assert_eq!((plan.study.name.as_str(), plan.study.seed, plan.study.file.as_str()), ("width-ladder", 17, "s.yaml"));
    assert!(plan.claims[0].check.starts_with("mean('scores'"));
    assert_eq!(plan.claims[0].origin.line, 44);
}

/// A device is planned for where there is none: by its class, which is hashed, and one for each task, which is not.
#[test]
fn a_device_is_declared_by_its_class() {
    use isoflop_contract::environment::{Capability, Device};
    let plan = |environment: &str, on: &str| {
        planned(&format!(
            "study: s\ntasks:\n  scenes: {{ kind: make-scenes, with: {{ images: 8 }} }}\n  train:\n    kind: train-denoiser\n    needs: {{ data: scenes }}\n    \
             with: {{ backbone: {{ width: 8 }}, steps: 10 }}\n{environment}{on}"
        ))
    };
    let of = |environment: &str, on: &str| {
        let plan = plan(environment, on);
        let task = plan.get("train").unwrap();
        (task.key, task.recipe.environment.device().unwrap(), task.demand.gpus.devices(), task.demand.ranks().get())
    };
    let h100 = "    environment: { device: sm_90 }\n";
    let (silent, processor, hopper) = (of("", ""), of("    environment: { device: cpu }\n", ""), of(h100, ""));
    assert_eq!((silent, silent.1, silent.2), (processor, Device::Cpu, 0));
    assert_eq!((hopper.1, hopper.2, hopper.3), (Device::Cuda(Capability { major: 9, minor: 0 }), 1, 1));
    assert!(hopper.0 != silent.0 && hopper.0 != of("    environment: { device: sm_80 }\n", "").0);
    // Where it runs is not what it is: two devices, or two ranks on one.
    for (on, devices, ranks) in [("{ gpus: 2 }", 2, 2), ("{ gpus: 1, ranks: 2 }", 1, 2), ("{ ranks: 2 }", 1, 2)] {
        let shared = of(h100, &format!("    on: {on}\n"));
        assert_eq!((shared.0, shared.2, shared.3), (hopper.0, devices, ranks), "{on}");
    }
}

#[test]
fn templates_become_typed_values_and_defaults_are_written_out() {
    let plan = planned(STUDY);
    let train = plan.get("train[variant=large,seed=1]").unwrap();
    assert_eq!(
        train.recipe.spec,
        json!({"backbone": {"width": 64, "depths": [8, 2]}, "steps": 600, "batch": 64, "rate": 1.0})
    );
    assert_eq!(train.demand.memory.unwrap().0, 2 << 30);
    assert_eq!(train.cost.params, Some(64));
    let Environment::Torch(torch) = &train.recipe.environment else { panic!("train is a libtorch kind") };
    assert_eq!((torch.threads, torch.isa), (2, isoflop_contract::environment::Isa::Avx512));
    assert_eq!(plan.get("laws[variant=small]").unwrap().recipe.spec["y"], "loss of small");
    let origin = |path| train.origin_of(path).to_string();
    assert_eq!(origin("steps"), "s.yaml:29:48");
    assert_eq!(origin("backbone.depths.0"), "s.yaml:29:23");
    assert_eq!(origin("batch"), "s.yaml:20:3"); // a default: the task
}

#[test]
fn needs_join_on_shared_axes_and_gathers_go_by_label() {
    let plan = planned(STUDY);
    let one = |task: &str, port: &str| match &plan.get(task).unwrap().needs[port] {
        TaskNeed::One(index) => plan.tasks()[*index].name.clone(),
        TaskNeed::Many(_) => panic!("{port} takes one"),
    };
    assert_eq!(one("scores[variant=large,seed=2]", "model"), "train[variant=large,seed=2]");
    assert_eq!(one("tuned", "start"), "train[variant=large,seed=1]");
    let many = |task: &str| match &plan.get(task).unwrap().needs["points"] {
        TaskNeed::Many(tasks) => {
            tasks.iter().map(|(label, index)| (label.clone(), plan.tasks()[*index].name.clone())).collect()
        }
        TaskNeed::One(_) => panic!("points takes many"),
    };
    let all: BTreeMap<String, String> = many("law");
    assert_eq!(all.len(), 6);
    assert_eq!(all["seed=2,variant=small"], "scores[variant=small,seed=2]");
    let large = many("laws[variant=large]");
    assert_eq!(large.keys().collect::<Vec<_>>(), ["seed=0,variant=large", "seed=1,variant=large"]);
    let law = plan.get("law").unwrap();
    let Need::Many(keys) = &law.recipe.needs["points"] else { panic!("a gather is many") };
    assert_eq!(keys["seed=0,variant=large"], Some(plan.get("scores[variant=large,seed=0]").unwrap().key));
}

#[test]
fn seeds_are_given_to_kinds_that_use_one() {
    let plan = planned(STUDY);
    assert!(plan.get("scores[variant=large,seed=0]").unwrap().recipe.seed.is_none());
    let train = plan.get("train[variant=large,seed=0]").unwrap();
    assert_eq!(train.recipe.seed, Some(isoflop_contract::Seed::of_task(17, "train", &train.cell)));
}

#[test]
fn profiles_and_flags_replace_parameters() {
    let steps = |params: &[(&str, &str)], profile: Option<&str>| {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let plan = planned_with(STUDY, &Options { params, profile: profile.map(str::to_owned) });
        plan.get("train[variant=small,seed=0]").unwrap().recipe.spec["steps"].clone()
    };
    assert_eq!(
        (steps(&[], None), steps(&[], Some("smoke")), steps(&[("steps", "5")], Some("smoke"))),
        (600.into(), 2.into(), 5.into())
    );
}

/// A profile may go on from another: what it sets itself holds, and of the rest what the other sets; every value says which it is from.
#[test]
fn a_profile_goes_on_from_another() {
    let study = |profiles: &str| {
        format!(
            "study: s\nparams: {{ images: 1, seed: 1, steps: 1 }}\nprofiles: {{ {profiles} }}\n\
             tasks: {{ scenes: {{ kind: make-scenes, with: {{ images: \"{{{{ images }}}}\" }} }} }}\n"
        )
    };
    let large = "large: { images: 3, seed: 3, steps: 3 }, small: { profile: large, images: 2 }, least: { profile: small, steps: 1 }";
    let params = |profile: &str| {
        let plan = planned_with(&study(large), &Options { profile: Some(profile.to_owned()), ..Options::default() });
        ["images", "seed", "steps"].map(|name| {
            let from = &plan.study.param_origins[name].what;
            (plan.study.params[name].as_u64().unwrap(), format!("{from:?}"))
        })
    };
    let from = |value: u64, profile: &str| (value, format!("Profile(\"{profile}\")"));
    assert_eq!(params("large"), [from(3, "large"), from(3, "large"), from(3, "large")]);
    assert_eq!(params("small"), [from(2, "small"), from(3, "large"), from(3, "large")]);
    assert_eq!(params("least"), [from(2, "small"), from(3, "large"), from(1, "least")]);

    let wrong = |profiles: &str| crate::findings::refused(&study(profiles), &Options::default());
    let said = wrong("large: { images: 3 }, small: { profile: larg }");
    assert!(said.contains("3:53: the study has no profile `larg`; did you mean `large`?"), "{said}");
    let said = wrong("one: { profile: other }, other: { profile: one }, third: { profile: one }");
    assert_eq!(said.matches("goes on from itself").count(), 2, "{said}");
    let said = wrong("one: { profile: 3 }");
    assert!(said.contains("`profile` of the profile `one` must be the name of a profile"), "{said}");
    let said = crate::findings::refused(&study("one: {}").replace("steps: 1", "profile: 1"), &Options::default());
    assert!(said.contains("`profile` cannot name a parameter"), "{said}");
}

#[test]
fn a_plans_digest_names_what_is_made() {
    assert_eq!(planned(STUDY).digest(), planned(&format!("# a comment\n{STUDY}")).digest());
    assert_ne!(planned(STUDY).digest(), planned(&STUDY.replace("seed: 17", "seed: 18")).digest());
}

#[test]
fn selections_are_names_groups_globs_and_parts_of_cells() {
    let plan = planned(STUDY);
    let selected = |text: &str| select(&plan, text).map(|tasks| tasks.len()).map_err(|error| error.to_string());
    assert_eq!(selected("train"), Ok(6));
    assert_eq!(selected("train[variant=small,seed=0]"), Ok(1));
    assert_eq!(selected("train[seed=0,variant=small]"), Ok(1));
    assert_eq!(selected("train[seed=0]"), Ok(2));
    assert_eq!(selected("*[seed=0]"), Ok(4));
    assert_eq!(selected("*[variant=s*]"), Ok(7));
    assert_eq!(selected("law*"), Ok(3));
    assert_eq!(selected("*"), Ok(17));
    assert_eq!(selected("trian"), Err("no task is called `trian`; did you mean `train`?".into()));
    assert_eq!(
        selected("train[variant=smal,seed=0]"),
        Err("`train[variant=smal,seed=0]` is no cell of `train`; of `variant`, did you mean `small`?".into())
    );
    assert!(selected("train[").is_err());
}

#[test]
fn plain_values_are_read() {
    assert_eq!(read_value("{ a: [1, 2.5, nay], b: ~ }").unwrap(), json!({"a": [1, 2.5, "nay"], "b": null}));
    assert!(read_value("a: {{ b }}").is_err() && read_value("a: '{{ b }}'").is_err() && read_value("").is_err());
    for entry in catalog().iter() {
        let example: Value = read_value(entry.example).unwrap();
        entry.read(&example).unwrap();
    }
}

/// Ten thousand cells and a gather of all of them, each with templates. The bound is far above what it takes, for slow machines.
#[test]
fn ten_thousand_cells_are_planned_quickly() {
    let text = r#"
study: many
params: { steps: 600 }
tasks:
  scenes: { kind: make-scenes, with: { images: 8 } }
  train:
    matrix: { width: "{{ range(8, 808, 8) }}", seed: "{{ range(50) }}" }
    kind: train-denoiser
    needs: { data: scenes }
    let: { twice: "{{ steps * 2 }}" }
    with: { backbone: { width: "{{ width }}" }, steps: "{{ twice }}" }
  score: { each: train, kind: score-alignment, needs: { model: train } }
  law: { kind: fit-scaling, gather: { points: score }, with: { x: compute, y: loss } }
"#;
    let start = std::time::Instant::now();
    let plan = planned(text);
    let seconds = start.elapsed().as_secs_f64();
    println!("{} tasks in {seconds:.3} s", plan.tasks().len());
    assert_eq!(plan.tasks().len(), 10_002);
    assert!(seconds < 5.0, "{seconds} s");
}
