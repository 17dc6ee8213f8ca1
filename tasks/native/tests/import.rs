//! Importing images: every form against Pillow, every layout, every rule's count, and anybody's bytes.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use isoflop_contract::{Kind, Seed};
use isoflop_kinds::import::{Bounds, Filter, ImportImages, Keep, Layout};
use isoflop_native::{
    import::{ImportError, Names, Report, import, read_picture, read_shard},
    tensors::Stored,
};
use safetensors::Dtype;
use serde_json::Value;

fn pictures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/pictures")
}

fn picture(name: &str) -> Vec<u8> {
    fs::read(pictures().join(name)).unwrap()
}

fn spec(layout: Layout) -> ImportImages {
    let spec: ImportImages =
        serde_json::from_value(serde_json::json!({"layout": layout, "resolution": 16, "unreadable": 1.0})).unwrap();
    spec.check().unwrap();
    spec
}

/// A folder of files to import, and where the set goes. Nothing else may appear beside them.
struct Place(tempfile::TempDir);

impl Place {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for (name, bytes) in files {
            let path = place.at("in").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        fs::create_dir_all(place.at("in")).unwrap();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn import(&self, spec: &ImportImages, out: &str, threads: usize) -> Result<Report, ImportError> {
        fs::create_dir_all(self.at(out)).unwrap();
        let folders = BTreeMap::from([("data".to_owned(), self.at("in"))]);
        import(spec, &folders, &self.at(out), threads, &mut |_| true)
    }

    fn lines(&self, out: &str) -> Vec<Value> {
        let index: Value = serde_json::from_slice(&fs::read(self.at(out).join("index.json")).unwrap()).unwrap();
        let shards = index["shards"].as_array().unwrap().iter();
        let text = |shard: &Value| {
            fs::read_to_string(self.at(out).join(format!("{}.jsonl", shard["name"].as_str().unwrap()))).unwrap()
        };
        shards.map(text).collect::<String>().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn left_out(&self, out: &str) -> Vec<(String, String)> {
        let mut reader = csv::Reader::from_path(self.at(out).join("left-out.csv")).unwrap();
        reader.records().map(|row| row.unwrap()).map(|row| (row[0].to_owned(), row[1].to_owned())).collect()
    }

    fn files(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.at(name)).unwrap().map(Result::unwrap);
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
    }
}

/// Turned, grey, see-through, deep, in four inks, with a palette: what Pillow makes of it (`golden/pictures.py`), to the bit where nothing was lost in
/// compression and within a few levels where decoders differ.
#[test]
fn every_form_of_image_is_seen_as_pillow_sees_it() {
    let said: BTreeMap<String, Value> = serde_json::from_slice(&picture("said.json")).unwrap();
    assert!(said.len() >= 18);
    for (name, wanted) in said {
        let seen =
            read_picture(&picture(&name), &spec(Layout::Folder)).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let (width, height) = (wanted["width"].as_u64().unwrap() as usize, wanted["height"].as_u64().unwrap() as usize);
        assert_eq!((seen.width as usize, seen.height as usize), (width, height), "{name}");
        let pixels = wanted["pixels"].as_str().unwrap();
        let pixels: Vec<u8> =
            (0..pixels.len() / 2).map(|i| u8::from_str_radix(&pixels[2 * i..2 * i + 2], 16).unwrap()).collect();
        let (left, top) = ((width - 16) / 2, (height - 16) / 2);
        let lossy = if name.starts_with("cmyk") { 8 } else { 4 };
        let allowed =
            if name.contains(".jpg") { lossy } else { u8::from(name.contains("alpha") || name == "deep.png") };
        for i in 0..3 * 256 {
            let (channel, y, x) = (i / 256, i / 16 % 16, i % 16);
            let there = pixels[((top + y) * width + left + x) * 3 + channel];
            assert!(
                seen.planes[i].abs_diff(there) <= allowed,
                "{name} at {channel} {y} {x}: {} for {there}",
                seen.planes[i]
            );
        }
    }
}

/// A JPEG whose head says that it is 50,000 pixels high and wide.
fn enormous() -> Vec<u8> {
    let mut bytes = picture("plain.jpg");
    let at = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap() + 5;
    bytes[at..at + 4].copy_from_slice(&[0xc3, 0x50, 0xc3, 0x50]);
    bytes
}

#[test]
fn a_folder_is_read_with_texts_and_lines_and_every_fault_is_counted() {
    let jpeg = picture("plain.jpg");
    let lines = concat!(
        "{\"file_name\": \"b/named.jpg\", \"caption\": \"of a line\", \"aesthetic\": 6.5, \"better\": \"a better one\"}\n",
        "{\"file_name\": \"../secret.jpg\", \"caption\": \"no\"}\n",
        "{\"file_name\": \"missing.jpg\", \"caption\": \"no\"}\n",
        "not json\n",
        "{\"caption\": \"nameless\"}\n",
    );
    let place = Place::new(&[
        ("a.jpg", &jpeg),
        ("a.txt", b" of a text \n"),
        ("b/named.jpg", &jpeg),
        ("b/named.txt", b"not this one"),
        ("cut.jpg", &jpeg[..jpeg.len() / 2]),
        ("cut.txt", b"cut off"),
        ("enormous.jpg", &enormous()),
        ("enormous.txt", b"enormous"),
        ("lonely.png", &picture("plain.png")),
        ("empty.png", b""),
        ("lines.jsonl", lines.as_bytes()),
        ("notes.md", b"no image"),
    ]);
    let secret = place.at("secret.jpg");
    fs::write(&secret, &jpeg).unwrap();
    let mut spec =
        ImportImages { synthetic: vec!["better".into()], quality: Some("aesthetic".into()), ..spec(Layout::Folder) };
    let report = place.import(&spec, "out", 1).unwrap();
    let counts = |pairs: &[(&str, u64)]| pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    let wanted: BTreeMap<String, u64> = counts(&[("no-caption", 1), ("unreadable", 6), ("unsafe-path", 1)]);
    assert_eq!((report.read, report.kept, &report.left_out), (10, 2, &wanted));
    let kept = place.lines("out");
    assert_eq!(
        (&kept[0]["source"], &kept[0]["caption"]),
        (&Value::from("data/b/named.jpg"), &Value::from("of a line"))
    );
    assert_eq!(
        (&kept[0]["synthetic"][0], &kept[0]["scores"]["aesthetic"]),
        (&Value::from("a better one"), &Value::from(6.5))
    );
    assert_eq!((&kept[1]["source"], &kept[1]["caption"]), (&Value::from("data/a.jpg"), &Value::from("of a text")));
    let reasons: BTreeMap<String, String> = place.left_out("out").into_iter().collect();
    assert_eq!(reasons["data/cut.jpg"], "unreadable");
    assert_eq!(reasons["data/enormous.jpg"], "unreadable");
    assert_eq!(reasons["data/lines.jsonl:2"], "unsafe-path");

    // A share of seven in ten is too much for half.
    spec.unreadable = 0.5;
    let error = place.import(&spec, "again", 1).unwrap_err().to_string();
    assert!(error.contains("7 of 10 images could not be read") && error.contains("data/lines.jsonl:2"), "{error}");
    spec.keep.words = Bounds { min: Some(99.0), max: None };
    spec.unreadable = 1.0;
    let error = place.import(&spec, "none", 1).unwrap_err().to_string();
    assert_eq!(error, "none of 10 images was kept: 1 no-caption, 6 unreadable, 1 unsafe-path, 2 words");
}

/// A tar of members by any name, even one that no honest program writes.
fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    builder.append_link(&mut link, "link.jpg", "/etc/passwd").unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn shards_are_read_in_order_and_lead_nowhere() {
    let jpeg = picture("plain.jpg");
    let json = br#"{"caption": "of the json", "width": 24, "AESTHETIC_SCORE": 5.25, "status": "success"}"#;
    let members: Vec<(&str, &[u8])> = vec![
        ("000.jpg", &jpeg),
        ("000.json", json),
        ("000.txt", b"of the text"),
        ("../../evil.jpg", &jpeg),
        ("/abs/evil.jpg", &jpeg),
        ("001.txt", b"of the text"),
        ("001.png", b"\x89PNG no"),
        ("002.txt", b"without an image"),
        ("003.webp.bak", b"?"),
    ];
    let whole = tar(&members);
    let place = Place::new(&[
        ("00000.tar", &whole),
        ("00001.tar", &whole[..2000]),
        ("00002.tar", b"this is no tar at all"),
        ("x.txt", b""),
    ]);
    let report = place.import(&spec(Layout::Webdataset), "out", 2).unwrap();
    let kept = place.lines("out");
    assert_eq!(kept[0]["caption"], "of the json");
    assert_eq!(kept[0]["scores"]["AESTHETIC_SCORE"], 5.25);
    assert_eq!((report.kept, report.left_out["unsafe-path"]), (1, 2), "{report:?}");
    assert!(report.left_out["broken-archive"] >= 1 && report.left_out["unreadable"] == 1, "{report:?}");
    let there: Vec<_> = fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(there.len(), 2, "something was written outside: {there:?}");
}

#[test]
fn parquet_is_read_with_bytes_in_a_column_or_in_a_group() {
    for name in ["plain.parquet", "grouped.parquet"] {
        let place = Place::new(&[(name, &picture(name)), ("broken.parquet", b"PAR1 and nothing PAR1")]);
        let spec = ImportImages { synthetic: vec!["synthetic_1".into()], ..spec(Layout::Parquet) };
        let report = place.import(&spec, "out", 1).unwrap();
        let left_out = &report.left_out;
        assert_eq!((report.kept, left_out["no-caption"], left_out["broken-archive"]), (2, 2, 1), "{name}: {report:?}");
        let kept = place.lines("out");
        assert_eq!((&kept[1]["caption"], &kept[1]["scores"]["aesthetic"]), (&"the same for print".into(), &4.0.into()));
        assert_eq!(kept[0]["synthetic"][0], "one");
        let other = ImportImages { image: "picture".into(), ..spec };
        let error = place.import(&other, "other", 1);
        // The broken file comes first and is counted; the good one lacks the column.
        let error = error.unwrap_err().to_string();
        assert!(error.contains("has no column `picture`; there are image, caption"), "{error}");
    }
}

/// The same bytes whatever the number of threads and wherever shards are cut; rules have their counts; and the hash finds what was recompressed.
#[test]
fn results_depend_on_no_thread_and_duplicates_are_found() {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for k in 0..150_u32 {
        let mut image = image::RgbImage::new(20 + k % 5 * 8, 24);
        let mut state = u64::from(k + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let corners: Vec<u8> = (0..216)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
                (state >> 56) as u8
            })
            .collect();
        for (x, y, pixel) in image.enumerate_pixels_mut() {
            let at = ((y / 3) * 9 + x * 9 / (20 + k % 5 * 8)) as usize * 3;
            pixel.0 = [corners[at], corners[at + 1], corners[at + 2]];
        }
        let mut bytes = Vec::new();
        image.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
        files.push((format!("{k:03}.png"), bytes));
        files.push((format!("{k:03}.txt"), b"a caption".to_vec()));
        if k % 10 == 0 {
            let mut bytes = Vec::new();
            let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 70);
            image.write_with_encoder(encoder).unwrap();
            files.push((format!("{k:03}-again.jpg"), bytes));
            files.push((format!("{k:03}-again.txt"), b"a caption".to_vec()));
        }
    }
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let place = Place::new(&files);
    let keep = Keep { aspect: Bounds { min: None, max: Some(2.0) }, duplicates: Some(6), ..Keep::default() };
    let spec = ImportImages { keep, shard: 50, filter: Filter::Lanczos, ..spec(Layout::Folder) };
    let report = place.import(&spec, "one", 1).unwrap();
    assert_eq!(report, place.import(&spec, "four", 4).unwrap());
    assert_eq!(place.files("one"), place.files("four"));
    // Where a copy sorts first, the original is the duplicate.
    assert_eq!((report.read, report.left_out["aspect"]), (165, 30), "{report:?}");
    assert!((12..=15).contains(&report.left_out["duplicate"]), "{report:?}");

    let index: Value = serde_json::from_slice(&place.files("one")["index.json"]).unwrap();
    let mut count = 0;
    for shard in index["shards"].as_array().unwrap() {
        let name = shard["name"].as_str().unwrap();
        assert!(name.ends_with(&shard["digest"].as_str().unwrap()[..12]));
        let mut file = Stored::open(&place.at("one").join(format!("{name}.safetensors"))).unwrap();
        let rows = file.shape("images", Dtype::U8, 4).unwrap().unwrap()[0];
        assert_eq!((rows as u64, rows <= 50), (shard["images"].as_u64().unwrap(), true));
        assert_eq!(file.rows("images", 0, rows).unwrap().len(), rows * 3 * 256);
        count += rows as u64;
    }
    assert_eq!(count, report.kept);
}

/// Anybody's bytes: good files with bits turned over, cut and doubled. An answer each time, never a panic, and nothing that grows.
#[test]
fn broken_files_are_answered() {
    let mut seeds: Vec<Vec<u8>> = fs::read_dir(pictures())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end != "json" && end != "parquet"))
        .map(|path| fs::read(path).unwrap())
        .collect();
    seeds.sort();
    seeds.push(tar(&[("0.jpg", &picture("plain.jpg")), ("0.txt", b"text"), ("0.json", b"{}")]));
    let spec = ImportImages { max_pixels: 1 << 16, ..spec(Layout::Folder) };
    let names = Names { caption: "caption", synthetic: &[] };
    let mut refused = 0;
    for round in 0..600_u64 {
        let draw = |index: u64, below: usize| {
            (Seed::from_number(round).stream("mutation", index).get() % below as u64) as usize
        };
        let mut bytes = seeds[draw(0, seeds.len())].clone();
        for k in 0..=draw(1, 8) as u64 {
            let at = draw(10 + 3 * k, bytes.len());
            match draw(11 + 3 * k, 3) {
                0 => bytes[at] ^= 1 << draw(12 + 3 * k, 8),
                1 => bytes[at] = [0, 255, 127][draw(12 + 3 * k, 3)],
                _ => bytes.truncate(at.max(16)),
            }
        }
        refused += u32::from(read_picture(&bytes, &spec).is_err());
        read_shard(&bytes[..], "x", &names, &mut |_| Ok(())).unwrap();
    }
    assert!(refused > 200, "{refused}");
    let parquet = picture("plain.parquet");
    for round in 0..60 {
        let mut bytes = parquet.clone();
        for k in 0..4_u64 {
            let at = Seed::from_number(round).stream("mutation", k).get() as usize % bytes.len();
            bytes[at] ^= 0x55;
        }
        let place = Place::new(&[("a.parquet", &bytes)]);
        let _ = place.import(&ImportImages { max_pixels: 1 << 16, ..self::spec(Layout::Parquet) }, "out", 1);
    }
}
