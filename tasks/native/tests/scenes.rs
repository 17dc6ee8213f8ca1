//! Sets of scenes as files: their bits, their prefixes, and every answer worked out again from what is drawn.

use std::{collections::BTreeMap, fs, ops::ControlFlow, path::Path};

use isoflop_contract::{Digest, Kind, Seed};
use isoflop_kinds::scenes::{
    Between, CAPTION_WIDTH, Captions, Color, Degrade, Ground, MakeScenes, QUESTION_WIDTH, RICH_CAPTION_WIDTH, Shape,
    Texture,
};
use isoflop_native::scenes::{self, WORDS};
use safetensors::SafeTensors;
use serde_json::Value;

fn make(spec: &MakeScenes, seed: u64) -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    spec.check().unwrap();
    scenes::write(spec, Seed::from_number(seed), out.path(), |_| ControlFlow::Continue(())).unwrap();
    out
}

/// All that the first revision had.
fn rich(images: u32) -> MakeScenes {
    MakeScenes {
        shapes: Shape::FIRST.iter().copied().collect(),
        groups: Between { min: 1, max: 3 },
        ..MakeScenes::of(images)
    }
}

/// All there is.
fn richest(images: u32) -> MakeScenes {
    MakeScenes {
        shapes: Shape::ALL.iter().copied().collect(),
        colors: Color::ALL.iter().copied().collect(),
        textures: Texture::ALL.iter().copied().collect(),
        grounds: Ground::ALL.iter().copied().collect(),
        synthetic: 5,
        resolution: 32,
        degrade: Degrade { share: 0.5, ..Degrade::default() },
        ..rich(images)
    }
}

fn array(folder: &Path, file: &str, name: &str) -> Vec<u8> {
    let bytes = fs::read(folder.join(file)).unwrap();
    SafeTensors::deserialize(&bytes).unwrap().tensor(name).unwrap().data().to_vec()
}

fn numbers(folder: &Path, file: &str, name: &str) -> Vec<i32> {
    let bytes = array(folder, file, name);
    bytes.as_chunks::<4>().0.iter().map(|number| i32::from_le_bytes(*number)).collect()
}

fn lines(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("scenes.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn digests(spec: &MakeScenes) -> BTreeMap<String, String> {
    let out = make(spec, 17);
    ["questions.safetensors", "scenes.jsonl", "scenes.safetensors", "vocabulary.json"]
        .map(|file| (file.to_owned(), Digest::of(fs::read(out.path().join(file)).unwrap()).to_string()))
        .into()
}

/// The bits of small sets, on every machine. Where they change, so does every study that draws scenes: raise `REVISION`, add its file, and
/// say why beside the constant.
#[test]
fn golden_bits() {
    let folder = format!("{}/golden", env!("CARGO_MANIFEST_DIR"));
    let path = format!("{folder}/make-scenes.r{}.json", MakeScenes::REVISION);
    let mut first = rich(48);
    first.resolution = 24;
    let alt = MakeScenes { captions: Captions::Alt, resolution: 64, ..richest(48) };
    let made = BTreeMap::from([("first", digests(&first)), ("richest", digests(&richest(48))), ("alt", digests(&alt))]);
    let made = serde_json::to_value(made).unwrap();
    if std::env::var_os("ISOFLOP_UPDATE").is_some() {
        fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    let read = |path: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(path).expect("each revision has its golden file")).unwrap()
    };
    assert_eq!(made, read(&path));
    // What the first revision could be asked still comes out as it did.
    assert_eq!(made["first"], read(&format!("{folder}/make-scenes.r1.json")));
}

#[test]
fn a_set_is_the_first_part_of_a_larger_one() {
    let (small, large) = (make(&rich(20), 5), make(&rich(60), 5));
    for (file, name) in [
        ("scenes", "images"),
        ("scenes", "captions"),
        ("questions", "words"),
        ("questions", "answer"),
        ("questions", "scene"),
    ] {
        let file = format!("{file}.safetensors");
        assert!(array(large.path(), &file, name).starts_with(&array(small.path(), &file, name)), "{name}");
    }
    let (small, large) = (make(&richest(20), 5), make(&richest(60), 5));
    for name in ["images", "captions", "synthetic", "confidence", "quality"] {
        let read = |set: &tempfile::TempDir| array(set.path(), "scenes.safetensors", name);
        assert!(read(&large).starts_with(&read(&small)), "{name}");
    }
    let (small, other) = (make(&rich(20), 5), make(&rich(20), 6));
    let images = |folder: &tempfile::TempDir| array(folder.path(), "scenes.safetensors", "images");
    assert_ne!(images(&small), images(&other));
}

/// How much captions say changes neither pictures nor questions.
#[test]
fn density_changes_captions_alone() {
    let dense = make(&rich(50), 5);
    let sparse = make(&MakeScenes { captions: Captions::Sparse, ..rich(50) }, 5);
    let read = |folder: &tempfile::TempDir, file: &str, name: &str| array(folder.path(), file, name);
    assert_eq!(read(&dense, "scenes.safetensors", "images"), read(&sparse, "scenes.safetensors", "images"));
    assert_eq!(read(&dense, "questions.safetensors", "words"), read(&sparse, "questions.safetensors", "words"));
    assert_ne!(read(&dense, "scenes.safetensors", "captions"), read(&sparse, "scenes.safetensors", "captions"));
}

#[test]
fn arrays_hold_what_the_lines_say() {
    let out = make(&rich(200), 9);
    let vocabulary: Value = serde_json::from_slice(&fs::read(out.path().join("vocabulary.json")).unwrap()).unwrap();
    let text = |row: &[i32]| {
        let words: Vec<&str> = row.iter().filter(|n| **n != 0).map(|n| WORDS[*n as usize]).collect();
        assert!(row[words.len()..].iter().all(|n| *n == 0), "padding stands at the end");
        words.join(" ")
    };
    let captions = numbers(out.path(), "scenes.safetensors", "captions");
    let scene = numbers(out.path(), "questions.safetensors", "scene");
    let words = numbers(out.path(), "questions.safetensors", "words");
    let answer = numbers(out.path(), "questions.safetensors", "answer");
    let category = numbers(out.path(), "questions.safetensors", "category");
    let mut at = 0;
    for (index, line) in lines(out.path()).iter().enumerate() {
        assert_eq!(line["caption"], text(&captions[index * CAPTION_WIDTH..][..CAPTION_WIDTH]));
        for question in line["questions"].as_array().unwrap() {
            assert_eq!(scene[at] as usize, index);
            assert_eq!(question["question"], text(&words[at * QUESTION_WIDTH..][..QUESTION_WIDTH]));
            assert_eq!(question["answer"], vocabulary["answers"][answer[at] as usize]);
            assert_eq!(question["category"], vocabulary["categories"][category[at] as usize]);
            at += 1;
        }
        assert!((3..=8).contains(&line["questions"].as_array().unwrap().len()));
    }
    assert_eq!(at, answer.len());
}

/// Quality changes pictures and captions of a share of the images, and no question; synthetic captions change nothing but themselves, and fewer
/// of them are the first of more.
#[test]
fn knobs_change_what_they_name() {
    let clean = make(&MakeScenes { degrade: Degrade::default(), ..richest(80) }, 5);
    let poor = make(&richest(80), 5);
    let read = |folder: &tempfile::TempDir, name: &str| array(folder.path(), "scenes.safetensors", name);
    let questions = |folder: &tempfile::TempDir| fs::read(folder.path().join("questions.safetensors")).unwrap();
    assert_eq!(questions(&clean), questions(&poor));
    assert_eq!(read(&clean, "synthetic"), read(&poor, "synthetic"));
    let (before, after) = (read(&clean, "images"), read(&poor, "images"));
    let size = 3 * 32 * 32;
    let quality = isoflop_native::tensors::f32s(&read(&poor, "quality"));
    let mut suffered = BTreeMap::new();
    for (index, line) in lines(poor.path()).iter().enumerate() {
        let picture = |all: &[u8]| all[index * size..][..size].to_vec();
        let way = line["suffered"].as_str().unwrap_or("nothing").to_owned();
        let same = picture(&before) == picture(&after);
        assert_eq!(same, ["nothing", "wrong-caption"].contains(&way.as_str()), "{line}");
        assert_eq!(same, quality[index] >= 10.0);
        *suffered.entry(way).or_insert(0) += 1;
    }
    assert!(suffered.len() == 6 && (30..50).contains(&suffered["nothing"]), "{suffered:?}");

    let width = 4 * RICH_CAPTION_WIDTH;
    let best = read(&make(&MakeScenes { synthetic: 1, ..richest(80) }, 5), "synthetic");
    let all = read(&clean, "synthetic");
    for (one, five) in best.chunks(width).zip(all.chunks(5 * width)) {
        assert_eq!(one, &five[..width]);
    }
}

/// One drawn object, seen without knowledge of groups.
struct Seen<'a> {
    shape: &'a str,
    color: &'a str,
    size: &'a str,
    texture: &'a str,
    x: i64,
    y: i64,
}

fn seen(line: &Value) -> Vec<Seen<'_>> {
    line["drawn"]["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| {
            let group = &line["drawn"]["groups"][object["group"].as_u64().unwrap() as usize];
            let width = object["width"].as_i64().unwrap();
            Seen {
                shape: group["shape"].as_str().unwrap(),
                color: group["color"].as_str().unwrap(),
                size: if width > 400 { "large" } else { "small" },
                texture: group["texture"].as_str().unwrap_or("solid"),
                x: 2 * object["left"].as_i64().unwrap() + width,
                y: 2 * object["top"].as_i64().unwrap() + width,
            }
        })
        .collect()
}

/// The objects that a noun phrase means.
fn meant<'a>(objects: &'a [Seen<'a>], phrase: &[&str]) -> Vec<&'a Seen<'a>> {
    let singular = |word: &str| {
        word.strip_suffix("es").filter(|w| *w == "cross").or(word.strip_suffix('s')).unwrap_or(word).to_owned()
    };
    objects
        .iter()
        .filter(|object| {
            phrase.iter().filter(|word| !["the", "a", "an"].contains(word)).all(|word| {
                let noun = if *word == "cross" { "cross".to_owned() } else { singular(word) };
                noun == "object" || [object.shape, object.color].contains(word) || noun == object.shape
            })
        })
        .collect()
}

/// The one value that all objects share; panics where a question is ambiguous.
fn shared<'a>(objects: &[&'a Seen<'a>], of: impl Fn(&'a Seen<'a>) -> &'a str) -> &'a str {
    let first = of(objects[0]);
    assert!(objects.iter().all(|object| of(object) == first), "ambiguous");
    first
}

fn answer(objects: &[Seen], question: &str) -> String {
    let words: Vec<&str> = question.split(' ').collect();
    let whether = |so: bool| if so { "yes" } else { "no" }.to_owned();
    match words.as_slice() {
        ["is", "there", phrase @ ..] => whether(!meant(objects, phrase).is_empty()),
        ["how", "many", phrase @ .., "are", "there"] => meant(objects, phrase).len().to_string(),
        ["what", what, verb, phrase @ ..] => {
            let them = meant(objects, phrase);
            assert_eq!(*verb == "are", them.len() > 1, "{question}");
            match *what {
                "color" => shared(&them, |object| object.color),
                "shape" => shared(&them, |object| object.shape),
                "texture" => shared(&them, |object| object.texture),
                _ => shared(&them, |object| object.size),
            }
            .to_owned()
        }
        ["is" | "are", phrase @ .., size @ ("small" | "large")] => {
            whether(shared(&meant(objects, phrase), |object| object.size) == *size)
        }
        ["is" | "are", phrase @ .., texture @ ("solid" | "striped" | "dotted" | "checkered")] => {
            whether(shared(&meant(objects, phrase), |object| object.texture) == *texture)
        }
        ["is", "the", c, s, relation @ .., "the", d, t] => {
            let ([a], [b]) = (&meant(objects, &[c, s])[..], &meant(objects, &[d, t])[..]) else { panic!("{question}") };
            whether(match relation {
                ["left", "of"] => a.x < b.x,
                ["right", "of"] => a.x > b.x,
                ["above"] => a.y < b.y,
                _ => a.y > b.y,
            })
        }
        other => panic!("no such question: {other:?}"),
    }
}

#[test]
fn every_answer_is_right_and_no_question_is_ambiguous() {
    let mut asked: BTreeMap<(String, String), u32> = BTreeMap::new();
    let many = MakeScenes { resolution: 16, ..richest(3000) };
    for line in lines(make(&many, 3).path()) {
        let objects = seen(&line);
        for question in line["questions"].as_array().unwrap() {
            let text = question["question"].as_str().unwrap();
            let ground = &line["drawn"]["ground"];
            match text.split(' ').collect::<Vec<_>>().as_slice() {
                ["what", "is", "the", "ground"] => assert_eq!(question["answer"], *ground),
                ["is", "the", "ground", asked] => assert_eq!(question["answer"] == "yes", *ground == **asked, "{line}"),
                _ => assert_eq!(question["answer"], answer(&objects, text), "{text} of {line}"),
            }
            let key = (question["category"].to_string(), question["answer"].to_string());
            *asked.entry(key).or_default() += 1;
        }
    }
    let count = |category: &str, answer: &str| asked[&(format!("{category:?}"), format!("{answer:?}"))];
    assert_eq!(count("existence", "yes"), count("existence", "no"));
    for (category, a, b) in [
        ("spatial", "yes", "no"),
        ("size", "yes", "no"),
        ("size", "small", "large"),
        ("texture", "yes", "no"),
        ("ground", "yes", "no"),
    ] {
        let (a, b) = (f64::from(count(category, a)), f64::from(count(category, b)));
        assert!((a / (a + b) - 0.5).abs() < 0.08, "{category}: {a} against {b}");
    }
    assert!(asked.keys().filter(|(category, _)| category == "\"counting\"").count() == 5, "{asked:?}");
}

/// The widths are what the grammar can make, met and not exceeded.
#[test]
fn rows_are_as_wide_as_the_longest_sentence() {
    let mut spec = rich(4000);
    spec.groups = Between { min: 2, max: 3 };
    let out = make(&spec, 11);
    let longest = |pick: &dyn Fn(&Value) -> Vec<usize>| lines(out.path()).iter().flat_map(pick).max().unwrap();
    let words = |value: &Value| value.as_str().unwrap().split(' ').count();
    assert_eq!(longest(&|line| vec![words(&line["caption"])]), CAPTION_WIDTH);
    let asked = |line: &Value| line["questions"].as_array().unwrap().iter().map(|q| words(&q["question"])).collect();
    assert_eq!(longest(&asked), QUESTION_WIDTH);
    let out = make(&MakeScenes { groups: Between { min: 2, max: 3 }, resolution: 16, ..richest(4000) }, 11);
    let longest = |pick: &dyn Fn(&Value) -> Vec<usize>| lines(out.path()).iter().flat_map(pick).max().unwrap();
    let all = |line: &Value| {
        let synthetic = line["synthetic"].as_array().unwrap().iter().map(|one| words(&one["caption"]));
        synthetic.chain([words(&line["caption"])]).collect()
    };
    assert_eq!(longest(&all), RICH_CAPTION_WIDTH);
}

#[test]
fn a_world_of_one_shape_and_one_color_still_has_questions() {
    let spec = MakeScenes {
        shapes: [Shape::Star].into(),
        colors: [Color::Blue].into(),
        groups: Between { min: 1, max: 1 },
        ..MakeScenes::of(30)
    };
    for line in lines(make(&spec, 1).path()) {
        let questions = line["questions"].as_array().unwrap();
        assert!(questions.len() >= 3 && questions.iter().all(|q| q["category"] != "existence"));
    }
}
