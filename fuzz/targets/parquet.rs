//! Any bytes to the importer as a Parquet file: an answer, never a panic of ours, in bounded time and memory.
#![no_main]

use std::{fs, panic, path::PathBuf, sync::LazyLock};

use isoflop_native::import::{ImportError, Names, read_table};
use libfuzzer_sys::fuzz_target;

/// The reader takes files. What it panics over itself is caught and counted by the importer, so it is none of our findings.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let own = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !info.location().is_some_and(|at| at.file().contains("/registry/") || at.file().contains("/rustc/")) {
            own(info);
        }
    }));
    std::env::temp_dir().join(format!("isoflop-fuzz-{}.parquet", std::process::id()))
});

fuzz_target!(|bytes: &[u8]| {
    fs::write(&*FILE, bytes).expect("there is room for a small file");
    let synthetic = ["better".to_owned()];
    let names = Names { caption: "caption", synthetic: &synthetic };
    let mut rows = 0;
    let read = read_table(&FILE, "x", "image", &names, &mut |_| {
        rows += 1;
        Ok(())
    });
    assert!(rows <= bytes.len() + 1, "{rows} rows in {} bytes", bytes.len());
    // That the column is not there is the only thing that is said of the file as a whole.
    if let Err(error) = read {
        assert!(matches!(&error, ImportError::File(_)) && error.to_string().contains("column"), "{error}");
    }
});
