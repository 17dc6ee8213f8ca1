//! Scores of images: what a perfect renderer gets and what a shuffled one, in which order degradations stand, and that no image's score depends on how many others
//! are scored. The world is five colours over a noisy ground.

mod worker;

use std::path::Path;

use isoflop_contract::Seed;
use isoflop_kinds::model::{self, Companion};
use isoflop_torch::{
    data::read_tensors,
    draw::drawn,
    metrics::{Gaussian, frechet, kernel_distance},
    models::Inception,
    nn::Params,
};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor, no_grad};
use worker::{input, work};

const SIDE: i64 = 8;
const COLORS: [&str; 5] = ["red", "green", "blue", "yellow", "gray"];

/// Scenes whose left half has the colour that the caption names, asked what color it is; `strengths` are the deviations of noise that every picture gets, one
/// after the other.
fn write_scenes(folder: &Path, count: i64, seed: u64, strengths: &[f64]) {
    std::fs::create_dir_all(folder).unwrap();
    let colors =
        Tensor::from_slice(&[250_i64, 20, 20, 20, 250, 20, 20, 20, 250, 250, 250, 20, 128, 128, 128]).view([5, 3]);
    let (word, ground, noise) = drawn(seed, || {
        let word = Tensor::randint_low(1, 6, [count], (Kind::Int64, Device::Cpu));
        let ground = Tensor::randint(60, [count, 3, SIDE, SIDE / 2], (Kind::Int64, Device::Cpu));
        (word, ground, Tensor::randn([count, 3, SIDE, SIDE], (Kind::Float, Device::Cpu)))
    });
    let color = colors.index_select(0, &(&word - 1)).view([count, 3, 1, 1]).expand([count, 3, SIDE, SIDE / 2], false);
    let clean = Tensor::cat(&[color, ground], 3).to_kind(Kind::Float);
    let strength: Vec<f32> = (0..count as usize).map(|i| strengths[i % strengths.len()] as f32).collect();
    let images = (&clean + noise * Tensor::from_slice(&strength).view([-1, 1, 1, 1])).clamp(0.0, 255.0).round();
    let error = (&images - &clean).square().mean_dim([1_i64, 2, 3].as_slice(), false, Kind::Float).sqrt();
    let quality: Tensor = 10.0 - error * (10.0 / 128.0);
    let images = images.to_kind(Kind::Uint8);
    let captions = word.unsqueeze(1).to_kind(Kind::Int);
    let file = folder.join("scenes.safetensors");
    Tensor::write_safetensors(&[("images", &images), ("captions", &captions), ("quality", &quality)], file).unwrap();
    let scene = Tensor::arange(count, (Kind::Int, Device::Cpu));
    let asked = Tensor::from_slice(&[6_i32, 7]).view([1, 2]).expand([count, 2], false).contiguous();
    let (answer, category) = ((&word - 1).to_kind(Kind::Int), Tensor::zeros([count], (Kind::Int, Device::Cpu)));
    let questions = [("scene", &scene), ("words", &asked), ("answer", &answer), ("category", &category)];
    Tensor::write_safetensors(&questions, folder.join("questions.safetensors")).unwrap();
    let words = [&["<pad>"], &COLORS[..], &["what", "color"]].concat();
    let vocabulary = json!({"words": words, "answers": COLORS, "categories": ["color"]});
    std::fs::write(folder.join("vocabulary.json"), vocabulary.to_string()).unwrap();
}

/// The pictures of scenes as if somebody had sampled them: those of `rows`.
fn write_images(scenes: &Path, rows: &[i64], folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let images = read_tensors(&scenes.join("scenes.safetensors")).unwrap();
    let images = images["images"].index_select(0, &Tensor::from_slice(rows));
    Tensor::write_safetensors(&[("images", &images)], folder.join("images.safetensors")).unwrap();
}

fn number(said: &Value, name: &str) -> f64 {
    assert_eq!(said["notice"], "made", "{said}");
    said["scalars"][name].as_f64().unwrap_or_else(|| panic!("no {name} in {said}"))
}

/// Two towers trained on clean scenes in `data`, measured on `heldout`.
fn write_clip(at: &dyn Fn(&str) -> std::path::PathBuf) {
    let tower = json!({"width": 16, "layers": 1, "heads": 2, "mlp": 32, "activation": "gelu"});
    let spec = json!({
        "text": tower, "image": tower, "vocabulary": 9, "tokens": 4, "resolution": SIDE, "patch": 4, "projection": 8, "steps": 60, "batch": 24,
        "learning_rate": 4e-3, "warmup": 5, "evaluate_every": 60
    });
    let needs = json!({"data": input(&at("data"), "scenes"), "heldout": input(&at("heldout"), "scenes")});
    let said = work("train-clip", &spec, &needs, Some(3), &at("clip"));
    assert!(number(&said, "retrieval") > 0.9, "{said}");
}

fn values(folder: &Path) -> Vec<String> {
    std::fs::read_to_string(folder.join("values.csv")).unwrap().lines().map(str::to_owned).collect()
}

fn metric(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("metric.json")).unwrap()).unwrap()
}

/// What programs of a study's own say: answers are held against the questions asked of each prompt, and everything that is missing or too much is named by its line.
#[test]
fn answers_and_ratings_from_outside_are_scored() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("prompts"), 6, 1, &[0.0]);
    // Prompts alone, with texts as they were: no pictures, no questions.
    let tensors = read_tensors(&at("prompts").join("scenes.safetensors")).unwrap();
    Tensor::write_safetensors(&[("captions", &tensors["captions"])], at("prompts").join("scenes.safetensors")).unwrap();
    std::fs::remove_file(at("prompts").join("questions.safetensors")).unwrap();
    let texts: String = (0..6).map(|i| json!({"caption": format!("Scene {}.", i % 3)}).to_string() + "\n").collect();
    std::fs::write(at("prompts").join("texts.jsonl"), texts).unwrap();
    for name in ["images", "questions", "answers", "ratings"] {
        std::fs::create_dir_all(at(name)).unwrap();
    }
    let images = Tensor::zeros([4, 3, SIDE, SIDE], (Kind::Uint8, Device::Cpu));
    Tensor::write_safetensors(&[("images", &images)], at("images").join("images.safetensors")).unwrap();
    let question = |caption: &str, text: &str, element: &str| {
        json!({
            "id": "1", "caption": caption, "question": text, "choices": ["yes", "no"], "answer": "yes", "element_type": element
        })
    };
    let questions = json!({"version": 1, "questions": [
        question("scene 0", "is it?", "object"), question("Scene 0", "is it so?", "animal/human"), question("scene 1", "is it?", "object")
    ]});
    std::fs::write(at("questions").join("questions.json"), questions.to_string()).unwrap();
    let needs = json!({
        "images": input(&at("images"), "images"), "prompts": input(&at("prompts"), "captioned"), "questions": input(&at("questions"), "questions"),
        "answers": input(&at("answers"), "answers")
    });
    let score = |answers: &[(u64, u64, &str)]| {
        let line = |&(image, question, answer): &(u64, u64, &str)| {
            json!({"image": image, "question": question, "answer": answer}).to_string() + "\n"
        };
        std::fs::write(at("answers").join("answers.jsonl"), answers.iter().map(line).collect::<String>()).unwrap();
        work("score-alignment", &json!({"bootstrap": 100}), &needs, None, &at("score"))
    };
    // Images 0 and 3 are of scene 0, image 1 is of scene 1; nothing is asked about scene 2.
    let all = [(0, 0, "Yes"), (0, 1, "no"), (1, 2, "yes"), (3, 0, "no"), (3, 1, "a horse, brown")];
    let said = score(&all);
    assert!((number(&said, "alignment") - (0.5 + 1.0 + 0.0) / 3.0).abs() < 1e-12, "{said}");
    let (object, human) = (number(&said, "alignment_object"), number(&said, "alignment_animal_human"));
    assert!((object - 2.0 / 3.0).abs() < 1e-12 && human.abs() < 1e-12, "{said}");
    assert_eq!((number(&said, "prompts"), number(&said, "questions")), (3.0, 5.0));
    assert!(said["scalars"]["ceiling"].is_null(), "{said}");
    let table = std::fs::read_to_string(at("score").join("answers.csv")).unwrap();
    let lines = [
        "scene,category,question,right,given,correct",
        "0,object,is it?,yes,Yes,1",
        "0,animal_human,is it so?,yes,no,0",
        "1,object,is it?,yes,yes,1",
        "3,object,is it?,yes,no,0",
        "3,animal_human,is it so?,yes,\"a horse, brown\",0",
    ];
    assert_eq!(table.lines().collect::<Vec<_>>(), lines);
    assert_eq!(metric(&at("score"))["preprocessing"], "that of the program that answered");

    let refused = |answers: &[(u64, u64, &str)]| {
        let said = score(answers);
        said["message"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let said = refused(&all[..4]);
    assert!(said.ends_with("1 of 5 questions have no answer; the first is question 1 about image 3"), "{said}");
    let said = refused(&[&all[..], &[(1, 0, "yes")]].concat());
    assert!(said.ends_with("line 6 answers question 0 about image 1, which is not asked about it"), "{said}");
    let said = refused(&[&all[..], &all[..1]].concat());
    assert!(said.ends_with("line 6 answers question 0 about image 0 once more"), "{said}");

    let needs = json!({
        "images": input(&at("images"), "images"), "prompts": input(&at("prompts"), "captioned"), "ratings": input(&at("ratings"), "ratings")
    });
    let rate = |lines: &str| {
        std::fs::write(at("ratings").join("ratings.jsonl"), lines).unwrap();
        work("score-reward", &json!({"bootstrap": 100}), &needs, None, &at("reward"))
    };
    let lines: Vec<String> = [0.5, -1.0, 0.25, 1.25]
        .iter()
        .zip(0..)
        .map(|(rating, image)| json!({"image": image, "rating": rating}).to_string())
        .collect();
    let said = rate(&lines.join("\n"));
    assert!((number(&said, "reward") - 0.25).abs() < 1e-12, "{said}");
    let said = rate(&lines[..3].join("\n"))["message"].as_str().unwrap().to_owned();
    assert!(said.ends_with("image 3 of 4 has no rating"), "{said}");
    let said = rate(&format!("{}\n{{\"image\": 9}}", lines.join("\n")))["message"].as_str().unwrap().to_owned();
    assert!(said.contains("line 5 does not say what it should: missing field `rating`"), "{said}");
}

/// Numbers of the scenes, each shifted by `turn`.
fn turned(count: i64, turn: i64) -> Vec<i64> {
    (0..count).map(|i| (i + turn) % count).collect()
}

#[test]
fn a_perfect_renderer_scores_the_ceiling_and_a_shuffled_one_chance() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("data"), 96, 1, &[0.0]);
    write_scenes(&at("worse"), 96, 1, &[70.0]);
    write_scenes(&at("heldout"), 150, 2, &[0.0]);
    write_scenes(&at("heldout-worse"), 150, 2, &[70.0]);
    write_clip(&at);
    let scenes = |name: &str| input(&at(name), "scenes");
    let spec = json!({"steps": 60, "batch": 24, "learning_rate": 4e-3, "warmup": 5, "evaluate_every": 60});
    let needs = json!({"data": scenes("data"), "heldout": scenes("heldout")});
    let said = work("train-vqa", &spec, &needs, Some(3), &at("vqa"));
    assert!(number(&said, "accuracy") > 0.9, "{said}");
    let needs = json!({
        "data": scenes("data"), "worse": scenes("worse"), "heldout": scenes("heldout"), "heldout_worse": scenes("heldout-worse"), "clip": input(&at("clip"), "clip")
    });
    let spec = json!({"steps": 120, "batch": 24, "warmup": 5, "evaluate_every": 120, "learning_rate": 4e-3});
    let said = work("train-reward", &spec, &needs, Some(3), &at("reward"));
    assert!(number(&said, "accuracy_altered") > 0.9 && number(&said, "accuracy_degraded") > 0.7, "{said}");

    write_images(&at("heldout"), &turned(150, 0), &at("perfect"));
    write_images(&at("heldout"), &turned(150, 1), &at("shuffled"));
    write_images(&at("heldout"), &turned(70, 0), &at("first"));
    for (kind, name, extra) in [
        ("score-clip", "clip_score", json!({"clip": input(&at("clip"), "clip")})),
        (
            "score-reward",
            "reward",
            json!({"clip": input(&at("clip"), "clip"), "reward": input(&at("reward"), "reward")}),
        ),
        ("score-alignment", "alignment", json!({"vqa": input(&at("vqa"), "vqa")})),
    ] {
        let score = |images: &str| {
            let mut needs = json!({"images": input(&at(images), "images"), "prompts": scenes("heldout")});
            needs.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let out = at(&format!("{kind}-{images}"));
            (work(kind, &json!({}), &needs, None, &out), out)
        };
        let ((perfect, whole), (shuffled, _), (first, part)) = (score("perfect"), score("shuffled"), score("first"));
        let bits = |said: &Value, name: &str| number(said, name).to_bits();
        assert_eq!(bits(&perfect, name), bits(&perfect, "ceiling"), "{kind}: {perfect}");
        assert_eq!(bits(&shuffled, name), bits(&perfect, "chance"), "{kind}: {shuffled}");
        assert!(number(&perfect, name) > number(&shuffled, name) + 0.1, "{kind}: {perfect} {shuffled}");
        let ends = |said: &Value| (number(said, &format!("{name}_lower")), number(said, &format!("{name}_upper")));
        assert!(ends(&perfect).0 <= number(&perfect, name) && number(&perfect, name) <= ends(&perfect).1);
        assert!(ends(&perfect).0 > ends(&shuffled).1 && number(&shuffled, &format!("{name}_stderr")) > 0.0);
        // What an image scores is its own affair.
        let table = if kind == "score-alignment" { "answers.csv" } else { "values.csv" };
        let lines = |folder: &Path| std::fs::read_to_string(folder.join(table)).unwrap();
        assert!(lines(&whole).starts_with(&lines(&part)) && lines(&part).lines().count() == 71, "{kind}: {first}");
        let told = metric(&whole);
        assert_eq!((&told["version"], &told["metric"]), (&json!(2), &json!(name)));
        assert_eq!(told["scores"][0]["value"].as_f64(), Some(number(&perfect, name)));
        assert!(told["preprocessing"].as_str().unwrap().contains("no resizing"));
        let inputs: Vec<&String> = told["inputs"].as_object().unwrap().keys().collect();
        assert!(inputs.contains(&&"images".to_owned()) && inputs.contains(&&"prompts".to_owned()), "{told}");
    }
    // Rewards are standardized: right and worse images of the reference set have the mean zero and the deviation one.
    let config: Value = serde_json::from_slice(&std::fs::read(at("reward").join("config.json")).unwrap()).unwrap();
    assert_eq!(config["reference"]["n"], 450);
    let said = |images: &str| -> Vec<f64> {
        let values = values(&at(&format!("score-reward-{images}")));
        values[1..].iter().map(|line| line.rsplit(',').next().unwrap().parse().unwrap()).collect()
    };
    assert!(said("perfect").iter().all(|x| x.abs() < 6.0));

    tifa(&at, &scenes("heldout"));

    // The right scenes under ever more noise, until nothing is to be seen in them.
    let mut faithful = Vec::new();
    for strength in [0.0, 150.0, 400.0, 1500.0] {
        write_scenes(&at("noisy"), 150, 2, &[strength]);
        write_images(&at("noisy"), &turned(150, 0), &at("noisy-images"));
        let needs = json!({
            "images": input(&at("noisy-images"), "images"), "prompts": scenes("heldout"), "vqa": input(&at("vqa"), "vqa")
        });
        let said = work("score-alignment", &json!({}), &needs, None, &at("out"));
        faithful.push((number(&said, "alignment"), number(&said, "alignment_stderr")));
    }
    assert!(faithful.windows(2).all(|two| two[1].0 <= two[0].0 + two[0].1.max(two[1].1)), "{faithful:?}");
    assert!(faithful[3].0 < faithful[0].0 - 5.0 * faithful[3].1, "{faithful:?}");
}

/// Questions from a file take the place of the scenes' own, with choices.
fn tifa(at: &dyn Fn(&str) -> std::path::PathBuf, prompts: &Value) {
    let folder = at("questions");
    std::fs::create_dir_all(&folder).unwrap();
    let ask = |questions: &[Value]| {
        let text = json!({"version": 1, "questions": questions}).to_string();
        std::fs::write(folder.join("questions.json"), text).unwrap();
        let needs = json!({
            "images": input(&at("perfect"), "images"), "prompts": prompts, "vqa": input(&at("vqa"), "vqa"), "questions": input(&folder, "questions")
        });
        work("score-alignment", &json!({}), &needs, None, &at("asked"))
    };
    let question = |caption: &str, answer: &str, choices: &[&str], element: &str| json!({"id": caption, "caption": caption, "question": "What color?", "choices": choices, "answer": answer, "element_type": element});
    // The right answer is no choice of the second question about red, so every red picture has one of two right.
    let said = ask(&[
        question("Red.", "red", &["red", "blue"], "color"),
        question("red", "green", &["green", "blue"], "animal/human"),
        question("blue", "blue", &["red", "blue"], "color"),
        question("nothing", "blue", &["red", "blue"], "color"),
    ]);
    assert!(number(&said, "alignment_color") > 0.9, "{said}");
    let (other, prompts) = (number(&said, "alignment_animal_human"), number(&said, "prompts"));
    let red = number(&said, "questions") - prompts; // scenes that were asked twice
    let color = number(&said, "alignment_color") * prompts;
    let own = number(&said, "alignment") * prompts;
    // Each red picture's two shares count half.
    let answers = std::fs::read_to_string(at("asked").join("answers.csv")).unwrap();
    let right = |red: bool| {
        let mut shares = std::collections::BTreeMap::<&str, Vec<f64>>::new();
        for line in answers.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            shares.entry(cells[0]).or_default().push(cells[5].parse().unwrap());
        }
        let of = shares.into_values().filter(|share| (share.len() == 2) == red);
        of.map(|share| share.iter().sum::<f64>() / share.len() as f64).sum::<f64>()
    };
    assert!(
        (own - right(true) - right(false)).abs() < 1e-9 && red > 10.0 && color > 0.0 && (0.0..=1.0).contains(&other)
    );

    let message = |said: Value| said["message"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned();
    let said = message(ask(&[json!({
        "id": "x", "caption": "red", "question": "Which hue?", "choices": ["red"], "answer": "red", "element_type": "color"
    })]));
    assert!(said.ends_with("the question-answering network does not know the words `hue`, `which`"), "{said}");
    let said = message(ask(&[question("red", "teal", &["teal"], "color")]));
    assert!(said.ends_with("the question-answering network never answers `teal`"), "{said}");
    let said = message(ask(&[question("nothing", "red", &["red"], "color")]));
    assert!(said.ends_with("none of its questions is about a caption of `prompts`"), "{said}");
}

#[test]
fn degradations_stand_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("data"), 96, 1, &[0.0]);
    write_scenes(&at("heldout"), 96, 2, &[0.0]);
    write_scenes(&at("worse"), 96, 1, &[60.0]);
    write_scenes(&at("heldout-worse"), 96, 2, &[60.0]);
    write_scenes(&at("graded"), 192, 3, &[0.0, 20.0, 50.0, 90.0]);
    write_clip(&at);
    let (scenes, clip) = (|name: &str| input(&at(name), "scenes"), input(&at("clip"), "clip"));
    let spec = json!({"steps": 150, "batch": 32, "warmup": 5, "evaluate_every": 150, "learning_rate": 4e-3});
    let many = json!({"many": {"graded": scenes("graded")["one"]}});
    let needs = json!({"data": many, "heldout": scenes("graded"), "clip": clip});
    let said = work("train-aesthetic", &spec, &needs, Some(3), &at("aesthetic"));
    assert!(number(&said, "explained") > 0.5, "{said}");
    let needs = json!({
        "data": scenes("data"), "worse": scenes("worse"), "heldout": scenes("heldout"), "heldout_worse": scenes("heldout-worse"), "clip": clip
    });
    let spec = json!({"steps": 120, "batch": 24, "warmup": 5, "evaluate_every": 120, "learning_rate": 4e-3});
    work("train-reward", &spec, &needs, Some(3), &at("reward"));

    let (mut aesthetic, mut reward, mut distances) = (Vec::new(), Vec::new(), Vec::new());
    for strength in [0_i64, 30, 60, 90] {
        let name = format!("noise-{strength}");
        write_scenes(&at(&name), 96, 2, &[strength as f64]);
        write_images(&at(&name), &turned(96, 0), &at("images"));
        let images = input(&at("images"), "images");
        let needs = json!({"images": images, "aesthetic": input(&at("aesthetic"), "aesthetic"), "clip": clip});
        aesthetic.push(number(&work("score-aesthetic", &json!({}), &needs, None, &at("out")), "aesthetic"));
        let needs = json!({"images": images, "prompts": scenes("heldout"), "reward": input(&at("reward"), "reward"), "clip": clip});
        reward.push(number(&work("score-reward", &json!({}), &needs, None, &at("out")), "reward"));
        let needs = json!({"images": images, "reference": scenes("heldout"), "clip": clip});
        let spec = json!({"bootstrap": 100, "endless": strength == 90});
        distances.push(work("score-frechet", &spec, &needs, None, &at(&format!("distance-{strength}"))));
    }
    assert!(aesthetic.is_sorted_by(|a, b| a > b) && aesthetic[0] > aesthetic[3] + 1.0, "{aesthetic:?}");
    assert!(reward.is_sorted_by(|a, b| a > b), "{reward:?}");
    for name in ["frechet", "kernel_distance"] {
        let found: Vec<f64> = distances.iter().map(|said| number(said, name)).collect();
        assert!(found.is_sorted_by(|a, b| a < b), "{name}: {found:?}");
        let last = &distances[3];
        let (lower, upper) = (number(last, &format!("{name}_lower")), number(last, &format!("{name}_upper")));
        assert!(lower < found[3] && found[3] < upper, "{name}: {last}");
        // The kernel distance of a set from itself lies below zero: each picture meets itself in the other set, and not in its own.
        let own = if name == "frechet" { found[0].abs() < found[1] / 10.0 && lower > found[1] } else { found[0] < 0.0 };
        assert!(own, "{name}: {found:?}");
    }
    let (plain, endless) = (number(&distances[3], "frechet"), number(&distances[3], "frechet_endless"));
    assert!(endless > 0.0 && endless < plain && number(&distances[3], "features") as u64 == 16, "{}", distances[3]);
    let told = metric(&at("distance-90"));
    assert_eq!(
        told["scores"].as_array().unwrap().iter().map(|score| score["n"].as_u64()).collect::<Vec<_>>(),
        [Some(96); 3]
    );

    // Pictures from elsewhere, in two shards, are the same pictures.
    std::fs::create_dir_all(at("pictures")).unwrap();
    for (name, rows) in [("a", 0..40), ("b", 40..96)] {
        write_images(&at("heldout"), &rows.collect::<Vec<_>>(), &at("part"));
        std::fs::rename(at("part").join("images.safetensors"), at("pictures").join(format!("{name}.safetensors")))
            .unwrap();
    }
    let index = json!({"version": 1, "resolution": SIDE, "images": 96, "shards": [{"name": "a", "images": 40}, {"name": "b", "images": 56}]});
    std::fs::write(at("pictures").join("index.json"), index.to_string()).unwrap();
    let needs = json!({"images": input(&at("images"), "images"), "reference_pictures": input(&at("pictures"), "pictures"), "clip": clip});
    let said = work("score-frechet", &json!({"bootstrap": 100}), &needs, None, &at("out"));
    assert_eq!(number(&said, "frechet").to_bits(), number(&distances[3], "frechet").to_bits(), "{said}");

    // Scenes stand for images; what cannot be measured is said.
    let needs = json!({"data": scenes("graded"), "aesthetic": input(&at("aesthetic"), "aesthetic"), "clip": clip});
    let said = work("score-aesthetic", &json!({}), &needs, None, &at("out"));
    assert!(number(&said, "aesthetic") < aesthetic[0] && values(&at("out")).len() == 193, "{said}");
    let two = input(&at("two"), "images");
    write_images(&at("heldout"), &[0, 1], &at("two"));
    let needs = json!({"images": two, "reference": scenes("heldout"), "clip": clip});
    let said = work("score-frechet", &json!({"endless": true}), &needs, None, &at("out"));
    assert_eq!(said["message"], "a distance of sets wants 10 images or more, and there are 2");
    let needs = json!({"data": scenes("data"), "worse": scenes("heldout"), "heldout": scenes("heldout"), "heldout_worse": scenes("heldout"), "clip": clip});
    let said = work("train-reward", &spec, &needs, Some(3), &at("out"));
    assert!(said["message"].as_str().unwrap().starts_with("`worse` does not show the scenes of `data`"), "{said}");
}

/// Towers that were tuned are towers: the same files, other numbers, and none where nothing was to be trained.
#[test]
fn tuned_towers_see_what_is_better() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("data"), 96, 1, &[0.0]);
    write_scenes(&at("worse"), 96, 1, &[60.0]);
    write_scenes(&at("heldout"), 96, 2, &[0.0]);
    write_scenes(&at("heldout-worse"), 96, 2, &[60.0]);
    write_clip(&at);
    let scenes = |name: &str| input(&at(name), "scenes");
    let needs = json!({
        "data": scenes("data"), "worse": scenes("worse"), "heldout": scenes("heldout"), "heldout_worse": scenes("heldout-worse"), "clip": input(&at("clip"), "clip")
    });
    let spec = |frozen: Value| json!({"steps": 120, "batch": 24, "learning_rate": 4e-3, "warmup": 5, "evaluate_every": 120, "frozen": frozen});
    let tune = |frozen: Value, out: &str| work("tune-clip", &spec(frozen), &needs, Some(3), &at(out));
    let said = tune(json!({}), "tuned");
    assert!(number(&said, "accuracy_altered") > 0.9 && number(&said, "accuracy_degraded") > 0.7, "{said}");
    assert!(number(&said, "accuracy") > number(&said, "accuracy_before") + 0.05, "{said}");
    assert_eq!(tune(json!({}), "again")["scalars"], said["scalars"]);
    let bytes = |folder: &str, file: &str| std::fs::read(at(folder).join(file)).unwrap();
    assert!(bytes("again", "model.safetensors") == bytes("tuned", "model.safetensors"));

    // What is frozen stays to the bit, and less is trained.
    let part = tune(json!({"text": 1}), "part");
    assert!(number(&part, "params") < number(&said, "params"), "{part} {said}");
    let weights = |folder: &str| read_tensors(&at(folder).join("model.safetensors")).unwrap();
    let (before, after) = (weights("clip"), weights("part"));
    assert!(before.keys().eq(after.keys()));
    for (name, tensor) in &after {
        let early = name.starts_with("text_model.embeddings") || name.starts_with("text_model.encoder.layers.0.");
        assert_eq!(*tensor == before[name], early, "{name}");
    }

    // They score as towers do, and the more there is to dislike, the less.
    let clip = input(&at("tuned"), "clip");
    let scores = [0_i64, 30, 60, 90].map(|strength| {
        write_scenes(&at("spoilt"), 96, 2, &[strength as f64]);
        write_images(&at("spoilt"), &turned(96, 0), &at("images"));
        let needs = json!({"images": input(&at("images"), "images"), "prompts": scenes("heldout"), "clip": clip});
        let said = work("score-clip", &json!({}), &needs, None, &at("out"));
        assert!(number(&said, "ceiling") > number(&said, "chance") + 0.1, "{said}");
        number(&said, "clip_score")
    });
    assert!(scores.is_sorted_by(|a, b| a > b), "{scores:?}");

    // What cannot be tuned is said.
    let said = tune(json!({"image": 2}), "out");
    assert_eq!(said["message"], "`frozen.image` is 2, and that tower of `clip` has 1 layers");
    let mut config: Value = serde_json::from_slice(&bytes("clip", "config.json")).unwrap();
    config["text"]["logit_scale"] = json!(false);
    std::fs::write(at("clip").join("config.json"), config.to_string()).unwrap();
    let said = tune(json!({}), "out");
    assert!(said["message"].as_str().unwrap().contains("its text tower has no `logit_scale`"), "{said}");
}

/// The published features, here of a network that nobody trained: from the port to the distance.
#[test]
fn inception_is_a_network_among_others() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let config = model::Inception { resize: model::inception::Resize::PytorchFid };
    let params = Params::new(Seed::from_number(1));
    let network = Inception::new(&params.root(), &config);
    // As it comes, each of the many layers would make less of what it sees.
    for (name, parameter) in params.named() {
        if name.ends_with("bn.weight") {
            no_grad(|| drop(parameter.shallow_clone().fill_(2.4)));
        }
    }
    std::fs::create_dir_all(at("inception")).unwrap();
    let text = serde_json::to_string(&Companion::Inception(config)).unwrap();
    std::fs::write(at("inception").join("config.json"), text).unwrap();
    let state = params.state();
    let tensors: Vec<(&str, &Tensor)> = state.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    Tensor::write_safetensors(&tensors, at("inception").join("model.safetensors")).unwrap();

    write_scenes(&at("reference"), 6, 1, &[0.0]);
    write_scenes(&at("images"), 4, 2, &[60.0]);
    let needs = json!({
        "data": input(&at("images"), "scenes"), "reference": input(&at("reference"), "scenes"), "inception": input(&at("inception"), "inception")
    });
    let said = work("score-frechet", &json!({"bootstrap": 100}), &needs, None, &at("out"));
    let see = |name: &str| {
        let pictures = &read_tensors(&at(name).join("scenes.safetensors")).unwrap()["images"];
        no_grad(|| network.features(pictures))
    };
    let (images, reference) = (see("images"), see("reference"));
    let wanted = frechet(&Gaussian::of(&reference), &Gaussian::of(&images));
    let near = |name: &str, wanted: f64| {
        let value = number(&said, name);
        assert!((value - wanted).abs() < 1e-3 * wanted.abs(), "{name} is {value}, and {wanted} was worked out");
    };
    near("frechet", wanted);
    near("kernel_distance", kernel_distance(&images, &reference));
    assert_eq!(number(&said, "features") as u64, 2048, "{said}");
    let (lower, upper) = (number(&said, "frechet_lower"), number(&said, "frechet_upper"));
    assert!(0.0 < wanted && lower < wanted && wanted < upper, "{said}");
    let told = metric(&at("out"));
    assert_eq!(
        told["preprocessing"],
        "to 299×299, bilinear, pixels as squares (pytorch-fid's); pixels to about [-1, 1]"
    );
    assert!(told["inputs"].as_object().unwrap().contains_key("inception"), "{told}");
}
