//! Any bytes to the importer as JSON Lines: an answer to each line, never a panic, and what is read is what a plain reader of JSON sees.
#![no_main]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use isoflop_native::import::{Beside, Names, read_lines};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let files =
        BTreeMap::from([("deep/x.jsonl".to_owned(), PathBuf::new()), ("deep/a.jpg".to_owned(), PathBuf::new())]);
    let synthetic = ["better".to_owned()];
    let names = Names { caption: "caption", synthetic: &synthetic };
    let beside = Beside { files: &files, label: "x", name: "deep/x.jsonl" };
    let (mut told, mut items) = (BTreeSet::new(), Vec::new());
    read_lines(bytes, &beside, &mut told, &names, &mut |item| {
        items.push(item);
        Ok(())
    })
    .expect("whatever is wrong with a line is counted");
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    assert!(told.iter().all(|name| name == "deep/a.jpg"), "{told:?} is not there");
    let mut count = 0;
    for (line, item) in lines.zip(&items) {
        count += 1;
        // The empty path of the picture cannot be read, so that every image is a fault; of which line is in its source, or it was named.
        assert!(item.bytes.is_err());
        let Ok(record) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line) else { continue };
        let caption = record.get("caption").and_then(|value| value.as_str()).unwrap_or_default();
        assert_eq!(item.caption, caption.trim());
        let numbers = record.iter().filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)));
        assert_eq!(item.scores, numbers.collect::<BTreeMap<String, f64>>());
    }
    assert_eq!(count, items.len());
});
