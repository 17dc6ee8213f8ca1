//! Any bytes to the importer, as an image and as a tar of images: an answer, never a panic, in bounded time and memory.
#![no_main]

use std::sync::LazyLock;

use isoflop_kinds::import::ImportImages;
use isoflop_native::import::{Names, read_picture, read_shard};
use libfuzzer_sys::fuzz_target;

static SPEC: LazyLock<ImportImages> = LazyLock::new(|| {
    let spec = serde_json::json!({"layout": "webdataset", "resolution": 16, "max_pixels": 1 << 20});
    serde_json::from_value(spec).expect("it says all that has no default")
});

fuzz_target!(|bytes: &[u8]| {
    let _ = read_picture(bytes, &SPEC);
    let names = Names { caption: "caption", synthetic: &[] };
    read_shard(bytes, "x", &names, &mut |item| {
        if let Ok(bytes) = &item.bytes {
            let _ = read_picture(bytes, &SPEC);
        }
        Ok(())
    })
    .expect("whatever is wrong with a tar is counted");
});
