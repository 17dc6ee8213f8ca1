//! Splitting imported images: parts that do not overlap and stay when images are added, words of one table, texts as they were.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use isoflop_kinds::{import::ImportImages, split::SplitPictures};
use isoflop_native::{
    describe::{Set, describe},
    import::import,
    split::split,
    tensors::{Stored, i32s},
};
use safetensors::Dtype;
use serde_json::{Value, json};

const NOUNS: [&str; 4] = ["dog", "cat", "boat", "tree"];

/// An imported set of so many images, in shards of seven, whose captions number them.
fn imported(folder: &Path, count: usize) -> PathBuf {
    let (files, out) = (folder.join(format!("in-{count}")), folder.join(format!("set-{count}")));
    fs::create_dir_all(&files).unwrap();
    fs::create_dir_all(&out).unwrap();
    let picture = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/pictures/plain.png")).unwrap();
    let mut lines = String::new();
    for number in 0..count {
        fs::write(files.join(format!("{number}.png")), &picture).unwrap();
        let noun = NOUNS[number % 4];
        let mut line = json!({"file_name": format!("{number}.png"), "caption": format!("A {noun}, number {number}")});
        if number % 3 > 0 {
            line["best"] = format!("the {noun} again").into();
        }
        writeln!(lines, "{line}").unwrap();
    }
    fs::write(files.join("captions.jsonl"), lines).unwrap();
    let spec: ImportImages =
        serde_json::from_value(json!({"layout": "folder", "resolution": 16, "shard": 7, "synthetic": ["best"]}))
            .unwrap();
    import(&spec, &BTreeMap::from([("data".to_owned(), files)]), &out, 2, &mut |_| true).unwrap();
    out
}

struct Part {
    sources: BTreeSet<String>,
    texts: Vec<Value>,
    words: Vec<String>,
    rows: Vec<Vec<i32>>,
    said: BTreeMap<String, f64>,
}

fn part(set: &Path, out: &Path, more: &Value) -> Part {
    fs::create_dir_all(out).unwrap();
    let mut spec = json!({"part": "training", "share": 0.3, "words": 8, "tokens": 5, "synthetic": 2});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let spec: SplitPictures = serde_json::from_value(spec).unwrap();
    let said = split(&spec, set, out, &mut |_, _| true).unwrap();
    let texts: Vec<Value> = fs::read_to_string(out.join("texts.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let vocabulary: Value = serde_json::from_slice(&fs::read(out.join("vocabulary.json")).unwrap()).unwrap();
    let mut file = Stored::open(&out.join("scenes.safetensors")).unwrap();
    let count = texts.len();
    assert_eq!(file.shape("images", Dtype::U8, 4).unwrap(), Some(&[count, 3, 16, 16][..]));
    assert_eq!(file.shape("synthetic", Dtype::I32, 3).unwrap(), Some(&[count, 2, 5][..]));
    Part {
        sources: texts.iter().map(|line| line["source"].as_str().unwrap().to_owned()).collect(),
        words: serde_json::from_value(vocabulary["words"].clone()).unwrap(),
        rows: i32s(&file.rows("captions", 0, count).unwrap()).chunks(5).map(<[i32]>::to_vec).collect(),
        texts,
        said,
    }
}

#[test]
fn parts_share_words_and_nothing_else_and_stay_when_images_come_in() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let set = imported(folder.path(), 60);
    let (training, heldout) =
        (part(&set, &at("training"), &json!({})), part(&set, &at("heldout"), &json!({"part": "held-out"})));
    assert!(training.sources.is_disjoint(&heldout.sources));
    assert_eq!(training.sources.len() + heldout.sources.len(), 60);
    assert!((8..30).contains(&heldout.sources.len()), "{} of 60 for a share of 0.3", heldout.sources.len());
    assert_eq!(training.words, heldout.words);
    assert_eq!(training.words.len(), 2 + 8);
    assert_eq!(training.words[..2], ["<pad>", "<unknown>"]);
    assert!(NOUNS.iter().all(|noun| training.words.iter().any(|word| word == noun)), "{:?}", training.words);

    // A caption's words by their numbers; the numbers themselves are no words of the table.
    for (row, text) in training.rows.iter().zip(&training.texts) {
        let caption = text["caption"].as_str().unwrap();
        let noun = NOUNS.iter().find(|noun| caption.contains(*noun)).unwrap();
        assert_eq!(training.words[row[1] as usize], **noun, "{caption}");
        assert_eq!((row[3], row[4]), (1, 0), "{caption}");
        let synthetic: Vec<&str> =
            text["synthetic"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        let other = format!("the {noun} again");
        assert!(synthetic == [other.as_str(); 2] || synthetic == [caption; 2], "{text}");
    }
    let said = |name: &str| format!("{}", training.said[name]);
    assert_eq!((said("images"), said("cut_captions")), (training.sources.len().to_string(), "0".to_owned()));
    assert!(training.said["unknown_words"] > 0.0);

    // The same bytes again; more images move nobody; another split moves some.
    let again = part(&set, &at("again"), &json!({}));
    assert_eq!(again.sources, training.sources);
    for name in ["scenes.safetensors", "texts.jsonl", "vocabulary.json", "preview.png"] {
        assert!(fs::read(at("again").join(name)).unwrap() == fs::read(at("training").join(name)).unwrap(), "{name}");
    }
    let more = part(&imported(folder.path(), 80), &at("more"), &json!({}));
    assert!(training.sources.is_subset(&more.sources) && heldout.sources.is_disjoint(&more.sources));
    assert_ne!(part(&set, &at("other"), &json!({"split": 1})).sources, training.sources);

    // It is described like any set.
    let described = describe(&Set::Scenes(at("training")), true, &BTreeSet::new(), &mut |_, _| true).unwrap();
    assert_eq!(described.images, training.sources.len() as u64);
}

#[test]
fn a_part_of_nothing_and_a_set_that_lies_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let set = imported(folder.path(), 3);
    let out = folder.path().join("out");
    fs::create_dir_all(&out).unwrap();
    let spec: SplitPictures = serde_json::from_value(json!({"part": "held-out", "share": 1e-9})).unwrap();
    let error = split(&spec, &set, &out, &mut |_, _| true).unwrap_err().to_string();
    assert!(error.starts_with("none of 3 images is in this part"), "{error}");
    let name = fs::read_dir(&set)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "jsonl"));
    let lines = name.unwrap();
    fs::write(&lines, fs::read_to_string(&lines).unwrap().lines().next().unwrap()).unwrap();
    let spec: SplitPictures = serde_json::from_value(json!({"part": "training"})).unwrap();
    let error = split(&spec, &set, &out, &mut |_, _| true).unwrap_err().to_string();
    assert!(error.contains("has other images than its captions and the index say"), "{error}");
}
