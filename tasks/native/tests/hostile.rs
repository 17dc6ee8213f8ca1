//! Parquet files and JSON Lines that say of themselves what is not so: each is answered in a sentence, and costs no more than its own length.

use std::{collections::BTreeMap, fs};

use isoflop_kinds::import::{ImportImages, Layout};
use isoflop_native::import::{Item, Names, Report, import, read_table};

/// Thrift's compact protocol, as far as Parquet uses it.
enum Thrift {
    /// A number, of a type's number.
    Number(u8, i64),
    Text(Vec<u8>),
    List(Vec<Thrift>),
    Struct(Vec<(i16, Thrift)>),
}

use Thrift::{List, Struct};

fn int(number: i64) -> Thrift {
    Thrift::Number(5, number)
}

fn long(number: i64) -> Thrift {
    Thrift::Number(6, number)
}

fn text(text: &str) -> Thrift {
    Thrift::Text(text.into())
}

impl Thrift {
    fn kind(&self) -> u8 {
        match self {
            Self::Number(kind, _) => *kind,
            Self::Text(_) => 8,
            List(_) => 9,
            Struct(_) => 12,
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Number(_, number) => varint(to, ((number << 1) ^ (number >> 63)).cast_unsigned()),
            Self::Text(text) => {
                varint(to, text.len() as u64);
                to.extend(text);
            }
            List(entries) => {
                to.push(0xf0 | entries.first().map_or(12, Self::kind));
                varint(to, entries.len() as u64);
                for entry in entries {
                    entry.write(to);
                }
            }
            Struct(fields) => {
                for (field, value) in fields {
                    to.push(value.kind());
                    varint(to, u64::try_from(field << 1).unwrap());
                    value.write(to);
                }
                to.push(0);
            }
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap()
}

fn varint(to: &mut Vec<u8>, mut number: u64) {
    while number > 127 {
        to.push(number as u8 | 128);
        number >>= 7;
    }
    to.push(number as u8);
}

const PLAIN: i64 = 0;
const DELTA_LENGTHS: i64 = 6;
const SNAPPY: i64 = 1;
const GZIP: i64 = 2;

/// A file of one column `image` of bytes, and all that can be said wrongly of it.
struct File {
    schema: Vec<Thrift>,
    rows: i64,
    codec: i64,
    /// Where the column's pages begin and how long they are, if that is not so.
    lies: Option<(i64, i64)>,
    /// Whether the page is a dictionary.
    dictionary: bool,
    values: i64,
    encoding: i64,
    unpacked: i64,
    page: Vec<u8>,
    /// What the footer is instead.
    footer: Option<Vec<u8>>,
}

fn element(name: &str, children: i64) -> Thrift {
    let own = if children > 0 { vec![(5, int(children))] } else { vec![] };
    let plain = if children > 0 { vec![(3, int(0))] } else { vec![(1, int(6)), (3, int(0))] };
    Struct(plain.into_iter().chain([(4, text(name))]).chain(own).collect())
}

impl Default for File {
    /// One row with four bytes that are no image: a sound file.
    fn default() -> Self {
        let page = b"\x04\0\0\0none".to_vec();
        Self {
            schema: vec![element("root", 1), element("image", 0)],
            rows: 1,
            codec: 0,
            lies: None,
            dictionary: false,
            values: 1,
            encoding: PLAIN,
            unpacked: length(&page),
            page,
            footer: None,
        }
    }
}

impl File {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = b"PAR1".to_vec();
        let own = vec![(1, int(self.values)), (2, int(self.encoding)), (3, int(3)), (4, int(3))];
        let kind = if self.dictionary { 2 } else { 0 };
        let head = Struct(vec![
            (1, int(kind)),
            (2, int(self.unpacked)),
            (3, int(length(&self.page))),
            (if self.dictionary { 7 } else { 5 }, Struct(own)),
        ]);
        head.write(&mut bytes);
        bytes.extend(&self.page);
        let (start, size) = self.lies.unwrap_or((4, length(&bytes) - 4));
        let column = Struct(vec![
            (1, int(6)),
            (2, List(vec![int(self.encoding)])),
            (3, List(vec![text("image")])),
            (4, int(self.codec)),
            (5, long(self.values)),
            (6, long(size)),
            (7, long(size)),
            (9, long(start)),
        ]);
        let group = Struct(vec![
            (1, List(vec![Struct(vec![(2, long(4)), (3, column)])])),
            (2, long(size)),
            (3, long(self.rows)),
        ]);
        let footer = Struct(vec![(1, int(1)), (2, List(self.schema)), (3, long(self.rows)), (4, List(vec![group]))]);
        let footer = self.footer.unwrap_or_else(|| footer.bytes());
        bytes.extend(&footer);
        bytes.extend((footer.len() as u32).to_le_bytes());
        bytes.extend(b"PAR1");
        bytes
    }

    /// What is yielded of it, or why it is refused as a whole.
    fn read(self) -> Result<Vec<Item>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        fs::write(&path, self.bytes()).unwrap();
        let mut items = Vec::new();
        let names = Names { caption: "caption", synthetic: &[] };
        let read = read_table(&path, "x", "image", &names, &mut |item| {
            items.push(item);
            Ok(())
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was written");
        read.map(|()| items).map_err(|error| error.to_string())
    }

    /// Why it is broken, which is all there is of it.
    fn broken(self) -> String {
        let items = self.read().unwrap();
        let [item] = items.as_slice() else { panic!("{} items", items.len()) };
        let fault = item.bytes.clone().unwrap_err();
        assert_eq!(fault.reason, "broken-archive", "{}", fault.detail);
        fault.detail
    }
}

#[test]
fn a_file_of_our_own_making_is_read() {
    let items = File::default().read().unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].bytes.as_deref(), Ok(&b"none"[..]));
}

#[test]
fn files_are_not_believed() {
    let snappy = |unpacked: i64| {
        let mut page = Vec::new();
        varint(&mut page, unpacked as u64);
        File { codec: SNAPPY, unpacked, page, ..File::default() }
    };
    let gzip = |unpacked: i64, bytes: usize| {
        let mut page = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut page, &vec![0; bytes]).unwrap();
        File { codec: GZIP, unpacked, page: page.finish().unwrap(), ..File::default() }
    };
    let deep: Vec<Thrift> = (0..50_000).map(|at| element("a", i64::from(at < 49_999))).collect();
    let wide = || vec![element("root", i64::from(i32::MAX)), element("image", 0)];
    let listed = |count: &[u8]| Some([&[0x15, 2, 0x19, 0xfc], count, &[0x15, 2, 0]].concat());
    for (what, file, says) in [
        ("rows", File { rows: 1 << 40, ..File::default() }, "more rows than bytes"),
        ("no rows", File { rows: -1, ..File::default() }, "more rows than bytes"),
        ("a deep schema", File { schema: deep, ..File::default() }, "groups lie in one another too deeply"),
        ("children", File { schema: wide(), ..File::default() }, "more columns than there are"),
        ("two roots", File { schema: vec![element("a", 0), element("b", 0)], ..File::default() }, "more than one root"),
        ("a list", File { footer: listed(&[255, 255, 255, 255, 7]), ..File::default() }, "more entries"),
        ("a footer cut off", File { footer: Some(vec![0x15]), ..File::default() }, "ends too early"),
        ("a footer of depth", File { footer: Some(vec![0x1c; 100_000]), ..File::default() }, "too deeply"),
        ("pages elsewhere", File { lies: Some((4, 1 << 40)), ..File::default() }, "outside of the file"),
        ("pages before", File { lies: Some((-4, 10)), ..File::default() }, "outside of the file"),
        ("a page of 2 GiB", snappy(i64::from(i32::MAX)), "unpacks from 5 bytes to 2147483647"),
        ("a page of -1", snappy(-1), "no such size"),
        ("a bomb", gzip(100, 50_000_000), "unpacks to more than the 100 bytes"),
        ("a dictionary", File { dictionary: true, values: i64::from(i32::MAX), ..File::default() }, "more values than"),
        ("counts of their own", File { encoding: DELTA_LENGTHS, ..File::default() }, "an encoding that is not read"),
        ("values", File { values: i64::from(i32::MAX), rows: 90, ..File::default() }, "at row 0"),
    ] {
        let said = file.broken();
        assert!(said.contains(says), "{what}: {said}");
        assert!(said.chars().count() < 250, "{what}: {said}");
    }
}

/// A row of a list could hold any number of values, so that none of its columns are read.
#[test]
fn lists_are_not_read() {
    let repeated = Struct(vec![(1, int(6)), (3, int(2)), (4, text("image"))]);
    let list = File { schema: vec![element("root", 1), repeated], ..File::default() };
    assert!(list.read().unwrap_err().contains("neither bytes nor a group"));
    let group = File { schema: vec![element("root", 1), element("image", 1), element("path", 0)], ..File::default() };
    assert!(group.read().unwrap_err().contains("neither bytes nor a group"));
    let mut columns = vec![element("root", 500)];
    columns.extend((0..500).map(|at| element(&format!("\u{1b}[2J{at}"), 0)));
    let said = File { schema: columns, ..File::default() }.read();
    // Whether such a file can be opened at all is the reader's business; what is said of it is short, and nothing that a terminal obeys.
    if let Err(said) = said {
        assert!(!said.contains('\u{1b}') && said.len() < 1000, "{said}");
    }
}

fn lines(text: &[u8]) -> (Report, Vec<(String, String)>) {
    let folder = tempfile::tempdir().unwrap();
    let (from, out) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir_all(&from).unwrap();
    fs::create_dir_all(&out).unwrap();
    let picture = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/pictures/plain.jpg");
    fs::copy(picture, from.join("a.jpg")).unwrap();
    fs::write(from.join("x.jsonl"), text).unwrap();
    let spec: ImportImages =
        serde_json::from_value(serde_json::json!({"layout": Layout::Folder, "resolution": 16, "unreadable": 1.0}))
            .unwrap();
    let report = import(&spec, &BTreeMap::from([("d".to_owned(), from)]), &out, 1, &mut |_| true).unwrap();
    let mut reader = csv::Reader::from_path(out.join("left-out.csv")).unwrap();
    let left_out = reader.records().map(|row| row.unwrap()).map(|row| (row[0].to_owned(), row[2].to_owned())).collect();
    (report, left_out)
}

/// One wrong line is one image less, whatever is wrong with it.
#[test]
fn a_wrong_line_is_counted_and_the_others_are_read() {
    let good = "{\"file_name\": \"a.jpg\", \"caption\": \"a picture\"}\n";
    let mut text = good.as_bytes().to_vec();
    text.extend(b"{\"file_name\": \"a.jpg\", \"caption\": \"\xff\xfe\"}\n");
    text.extend(format!("{{\"x\": {}\n", "[".repeat(200_000)).bytes());
    text.extend(
        format!("{{\"file_name\": \"a.jpg\", \"caption\": \"long\", \"x\": \"{}\"}}\r\n", "y".repeat(17 << 20)).bytes(),
    );
    text.extend(format!("{{\"file_name\": \"../\u{1b}[2J{}\"}}\n", "z".repeat(5000)).bytes());
    text.extend(b"{\"file_name\": \"a.jpg\", \"caption\": 1, \"caption\": \"twice\"}\n\n");
    text.extend(
        format!(
            "{{\"file_name\": \"a.jpg\", \"caption\": \"deep\", \"x\": {}{}}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        )
        .bytes(),
    );
    let (report, left_out) = lines(&text);
    assert_eq!((report.read, report.kept), (7, 3), "{left_out:?}");
    let said: BTreeMap<String, String> = left_out.into_iter().collect();
    assert!(said["d/x.jsonl:2"].contains("is no JSON object: invalid unicode"), "{said:?}");
    assert!(said["d/x.jsonl:3"].contains("is no JSON object"), "{said:?}");
    assert_eq!(said["d/x.jsonl:4"], "is a line of more than 16 MiB");
    let unsafe_one = &said["d/x.jsonl:5"];
    assert!(unsafe_one.chars().count() < 300 && !unsafe_one.contains('\u{1b}'), "{unsafe_one}");
}
