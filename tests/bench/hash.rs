//! The rate of hashing one large file, as the store does it, against `b3sum`, by turns.

use std::{
    fs::{self, File},
    io::{Seek, Write},
    path::Path,
    process::Command,
    time::Instant,
};

use crate::{Folder, Outcome, ROUNDS};

/// Prints both rates for a file of `size` bytes; without `b3sum`, ours alone.
pub fn hash(size: u64, b3sum: &Path) -> Outcome<()> {
    let folder = Folder::new()?;
    let path = folder.path.join("artifact");
    fill(&path, size)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let began = Instant::now();
        let (digest, _) = isoflop_store::digest(&File::open(&path)?)?;
        let mine = began.elapsed().as_secs_f64();
        let began = Instant::now();
        let said = Command::new(b3sum).arg("--no-names").arg(&path).output();
        let other = began.elapsed().as_secs_f64();
        if let Ok(said) = &said
            && String::from_utf8_lossy(&said.stdout).trim() != digest.to_string()
        {
            return Err("b3sum says another digest".into());
        }
        // The first round brings the file into memory.
        if round > 0 {
            ours.push(mine);
            theirs.extend(said.is_ok().then_some(other));
        }
    }
    let rate = |samples: &mut Vec<f64>| {
        samples.sort_by(f64::total_cmp);
        size as f64 / samples[samples.len() / 2] / 1e9
    };
    let mine = rate(&mut ours);
    print!("hashing {} MiB: {mine:.2} GB/s, median of {ROUNDS}", size >> 20);
    if theirs.is_empty() {
        println!("; no b3sum to compare with (`--b3sum PROGRAM`, `cargo install b3sum`)");
    } else {
        let theirs = rate(&mut theirs);
        println!("; b3sum {theirs:.2} GB/s: {:.0} % of it (at least 90 %)", 100.0 * mine / theirs);
    }
    Ok(())
}

fn fill(path: &Path, size: u64) -> Outcome<()> {
    let mut file = File::create(path)?;
    let mut state = 1_u64;
    let block: Vec<u8> = (0..1 << 20)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    while file.stream_position()? < size {
        let left = (size - file.stream_position()?).min(block.len() as u64);
        file.write_all(&block[..left as usize])?;
    }
    fs::metadata(path).map_err(Into::into).map(|_| ())
}
