//! Causes, tried on small graphs.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;

/// Recipes by name, made by hand: kind, spec and needs by port.
#[derive(Default)]
struct Graph(Vec<(String, Key, String)>);

impl Graph {
    fn key(&self, name: &str) -> String {
        self.0.iter().find(|(other, ..)| other == name).map(|(_, key, _)| key.to_string()).expect("needs come first")
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads better at the calls")]
    fn add(&mut self, name: &str, spec: Value, needs: Value) -> &mut Self {
        let text = json!({"kind": "k", "revision": 1, "spec": spec, "needs": needs}).to_string();
        self.0.push((name.to_owned(), Key::of_text(&text), text));
        self
    }

    fn subjects(&self) -> Vec<Subject<'_>> {
        self.0.iter().map(|(name, key, text)| Subject { name, key: *key, recipe_text: text, task: None }).collect()
    }
}

/// Two scenes, three cells of training and scoring, a law that gathers.
fn study(steps: u32, images: u32, cells: &[&str], data: &str) -> Graph {
    let mut graph = Graph::default();
    graph.add("scenes", json!({"images": images}), json!({}));
    graph.add("heldout", json!({"images": 7}), json!({}));
    for cell in cells {
        let data = graph.key(data);
        let train = format!("train[size={cell}]");
        graph.add(&train, json!({"steps": steps, "size": cell}), json!({"data": {"one": data}}));
        let needs = json!({"model": {"one": graph.key(&train)}});
        graph.add(&format!("scores[size={cell}]"), json!({}), needs);
    }
    let points: BTreeMap<String, String> =
        cells.iter().map(|cell| (format!("size={cell}"), graph.key(&format!("scores[size={cell}]")))).collect();
    graph.add("law", json!({"form": "power"}), json!({"points": {"many": points}}));
    graph
}

/// Why `task` of `new` is not what it was in `old`.
fn reasons(old: &Graph, new: &Graph, task: &str) -> (Vec<String>, usize) {
    let mut causes = Causes::new(new.subjects());
    for (name, key, _) in &old.0 {
        causes.name(*key, name);
    }
    let subject = new.0.iter().position(|(name, ..)| name == task).expect("the task is there");
    let earlier: Key = old.key(task).parse().expect("a key is a key");
    causes.ask(subject, earlier);
    let mut rounds = 0;
    loop {
        let wanting = causes.wanting();
        if wanting.is_empty() {
            break;
        }
        rounds += 1;
        for key in wanting {
            let text = old.0.iter().find(|(_, other, _)| *other == key).map(|(_, _, text)| text.as_str());
            causes.learn(key, text);
        }
    }
    (causes.reasons(subject, earlier).iter().map(Reason::to_string).collect(), rounds)
}

#[test]
fn a_cause_is_followed_down_to_its_root() {
    let (old, new) = (study(600, 512, &["s", "m"], "scenes"), study(500, 512, &["s", "m"], "scenes"));
    assert_eq!(reasons(&old, &new, "train[size=s]").0, ["steps 600 -> 500"]);
    assert_eq!(reasons(&old, &new, "scores[size=s]").0, ["scores <- train: steps 600 -> 500"]);
    let (law, rounds) = reasons(&old, &new, "law");
    assert_eq!(law, ["law <- scores <- train: steps 600 -> 500 in all 2 cells"]);
    assert_eq!(rounds, 3, "one round a level, however many cells");
}

#[test]
fn several_roots_are_told_apart_and_each_is_told_once() {
    let (old, new) = (study(600, 512, &["s", "m"], "scenes"), study(500, 128, &["s", "m"], "scenes"));
    assert_eq!(
        reasons(&old, &new, "law").0,
        [
            "law <- scores <- train: steps 600 -> 500 in all 2 cells",
            "law <- scores <- train <- scenes: images 512 -> 128 in all 2 cells"
        ]
    );
}

#[test]
fn cells_that_come_and_go_are_named() {
    let (old, new) = (study(600, 512, &["s", "m"], "scenes"), study(600, 512, &["s", "l", "xl"], "scenes"));
    assert_eq!(reasons(&old, &new, "law").0, ["in `points`, 2 cells came (size=l; size=xl), the cell size=m went"]);
}

#[test]
fn another_task_at_a_port_is_not_an_earlier_recipe_of_this_one() {
    let (old, new) = (study(600, 512, &["s"], "scenes"), study(600, 512, &["s"], "heldout"));
    assert_eq!(reasons(&old, &new, "train[size=s]").0, ["`data` is heldout and was scenes"]);
    assert_eq!(reasons(&old, &new, "law").0, ["law <- scores <- train: `data` is heldout and was scenes"]);
}

#[test]
fn the_nearest_of_several_earlier_recipes_differs_in_the_fewest_fields() {
    let mut new = Graph::default();
    new.add("a", json!({"x": 1, "y": 2, "z": 3}), json!({}));
    let text = |spec: Value| json!({"kind": "k", "revision": 1, "spec": spec, "needs": {}}).to_string();
    let (far, near, equal) = (
        text(json!({"x": 9, "y": 9, "z": 3})),
        text(json!({"x": 1, "y": 2, "z": 9})),
        text(json!({"x": 1, "y": 7, "z": 3})),
    );
    let causes = Causes::new(new.subjects());
    let key = |text: &String| Key::of_text(text);
    let latest_first = [(key(&far), far.as_str()), (key(&near), near.as_str()), (key(&equal), equal.as_str())];
    assert_eq!(causes.nearest(0, &latest_first), Some(key(&near)), "of equals, the latest");
    assert_eq!(causes.nearest(0, &[]), None);
}

#[test]
fn a_cell_that_does_not_follow_is_named_in_full() {
    let own = "samples[size=s,seed=0]".to_owned();
    let reason = |upstream: &str| Reason { why: Why::New, chain: vec![own.clone(), upstream.to_owned()], cells: None };
    assert_eq!(reason("train[size=s]").to_string(), "samples <- train: never made");
    assert_eq!(reason("train[size=m]").to_string(), "samples <- train[size=m]: never made");
    assert_eq!(reason("judge").to_string(), "samples <- judge: never made");
}
