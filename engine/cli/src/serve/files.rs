//! Files of artifacts, as they may be shown: by what their bytes are, never by what anybody says they are.

use isoflop_contract::{Digest, Manifest, manifest::File};
use isoflop_store::Store;

use super::answer::Answer;

/// The largest file that is handed out, in bytes: it is held in memory while it goes.
pub const LARGEST: u64 = 64 << 20;

/// The largest picture that a page shows, in bytes.
const PICTURE: u64 = 8 << 20;

/// Pictures that a page shows at most.
const PICTURES: usize = 12;

/// A picture of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its file.
    pub name: String,
    /// Its size in pixels; none if its bytes are not here.
    pub size: Option<(u32, u32)>,
}

/// The pictures of an artifact, as far as a page shows them.
pub fn pictures(manifest: &Manifest, store: Option<&Store>) -> Vec<Picture> {
    let pictures = manifest.files.iter().filter(|(name, file)| is_png(name) && file.size <= PICTURE);
    let picture = |(name, file): (&String, &File)| {
        let bytes = store.and_then(|store| store.peek_file(file));
        let size = bytes.map(|bytes| size(&bytes));
        // What is called a picture and is none is only listed.
        match size {
            Some(None) => None,
            size => Some(Picture { name: name.clone(), size: size.flatten() }),
        }
    };
    pictures.filter_map(picture).take(PICTURES).collect()
}

fn is_png(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("png"))
}

/// Width and height from a PNG's header; none if it is no PNG or its size is absurd.
fn size(png: &[u8]) -> Option<(u32, u32)> {
    let header = png.get(..24)?;
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let size = (number(16), number(20));
    let sane = (1..=16_384).contains(&size.0) && (1..=16_384).contains(&size.1);
    (header.starts_with(b"\x89PNG\r\n\x1a\n") && &header[12..16] == b"IHDR" && sane).then_some(size)
}

/// A file's bytes as an answer: a PNG is shown, text is shown as text and nothing else, all the rest is to be saved. Nothing if they are not here.
pub fn answer(artifact: Digest, name: &str, file: &File, store: Option<&Store>) -> Option<Answer> {
    let bytes = store?.peek_file(file)?;
    if size(&bytes).is_some() {
        return Some(Answer::file("image/png", bytes, None));
    }
    let is_text = bytes.len() <= 4 << 20 && !bytes.contains(&0) && std::str::from_utf8(&bytes).is_ok();
    if is_text {
        return Some(Answer::file("text/plain; charset=utf-8", bytes, None));
    }
    let last = name.rsplit('/').next().unwrap_or(name);
    Some(Answer::file("application/octet-stream", bytes, Some(format!("{}-{last}", artifact.short()))))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use super::*;

    /// The head of a PNG of two by three pixels.
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x03\x08\x02\0\0\0";

    #[test]
    fn a_file_is_shown_as_what_its_bytes_are() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let file = |bytes: &[u8]| {
            let file = File { digest: Digest::of(bytes), size: bytes.len() as u64 };
            let path = store.blob_path(&file.digest);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
            file
        };
        let of = |name: &str, bytes: &[u8]| answer(Digest::of("a"), name, &file(bytes), Some(&store)).unwrap();
        assert_eq!(of("preview.png", PNG).content_type, "image/png");
        assert_eq!(of("page.html", b"<script>alert(1)</script>").content_type, "text/plain; charset=utf-8");
        assert_eq!(of("evil.png", b"<svg onload=alert(1)>").content_type, "text/plain; charset=utf-8");
        let saved = of("weights/\"a\".safetensors", b"\0\xff").response(false);
        let header = saved.headers()["content-disposition"].to_str().unwrap();
        assert!(header.starts_with("attachment; filename=\"") && header.ends_with("-_a_.safetensors\""), "{header}");
        assert_eq!(answer(Digest::of("a"), "x", &File { digest: Digest::of("gone"), size: 4 }, Some(&store)), None);

        let gone = File { digest: Digest::of("gone too"), size: 8 };
        let files = [("a.png", file(PNG)), ("b.PNG", gone), ("c.png", file(b"no picture")), ("d.txt", file(b"text"))];
        let files: BTreeMap<String, File> = files.into_iter().map(|(name, file)| (name.to_owned(), file)).collect();
        let manifest = Manifest { shape: "pictures".into(), files, scalars: BTreeMap::new() };
        let expected = [("a.png", Some((2, 3))), ("b.PNG", None)];
        let found = pictures(&manifest, Some(&store));
        assert_eq!(found.iter().map(|p| (p.name.as_str(), p.size)).collect::<Vec<_>>(), expected);
    }
}
