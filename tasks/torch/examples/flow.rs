//! How fast numbers flow, for `make bench`: between ranks over loopback, and from files into a training. Prints one line a measure.

use std::{
    collections::BTreeMap,
    error::Error,
    thread,
    time::{Duration, Instant},
};

use isoflop_contract::Seed;
use isoflop_torch::{
    data::{Loader, Order, Portions, Rows, write_tensors},
    parallel::{
        cut::Cut,
        group::{Group, add, all_gather, scatter},
        tcp::{Opening, Tcp},
    },
};
use tch::{Device, Kind, Tensor};

/// Numbers in the vector that ranks reduce: a model of ten million parameters.
const PARAMETERS: i64 = 10_000_000;

/// How often.
const TIMES: u32 = 10;

/// Images in the set, of 3 × 32 × 32 bytes.
const IMAGES: i64 = 40_000;

/// Files they lie in.
const FILES: i64 = 4;

/// Images a batch.
const PORTION: u64 = 64;

fn main() -> Result<(), Box<dyn Error>> {
    for world in [2, 4] {
        ring(world)?;
    }
    for threads in [0, 1, 2] {
        feed(threads)?;
    }
    Ok(())
}

/// What every rank does in a step of one round: reduces its range, and hands it to all.
fn work(group: &Tcp) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    tch::set_num_threads(1);
    let cut = Cut::new(PARAMETERS as u64);
    let whole = Tensor::ones([PARAMETERS], (Kind::Float, Device::Cpu));
    let range = cut.range(group.rank(), group.world());
    let own = whole.narrow(0, range.start.cast_signed(), (range.end - range.start).cast_signed());
    let mut took = Vec::new();
    for _ in 0..TIMES {
        group.barrier()?;
        let began = Instant::now();
        let ranges = scatter(group, cut, Some(&whole), group.world(), || own.empty_like())?;
        let _ = ranges.into_iter().reduce(|left, right| add(left, &right));
        all_gather(group, cut, &whole)?;
        group.barrier()?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Ok(took[took.len() / 2])
}

fn ring(world: usize) -> Result<(), Box<dyn Error>> {
    let patience = Duration::from_mins(1);
    let opening = Opening::new()?;
    let (port, token) = (opening.port(), *opening.token());
    let others: Vec<_> =
        (1..world).map(|rank| thread::spawn(move || work(&Tcp::join(port, &token, rank, world, patience)?))).collect();
    let took = work(&opening.meet(world, patience, || Ok(()))?).map_err(|error| error.to_string())?;
    for other in others {
        other.join().map_err(|_| "a rank panicked")?.map_err(|error| error.to_string())?;
    }
    // Each rank gives away all but its own range, twice.
    let bytes = 2.0 * 4.0 * PARAMETERS as f64 * (world - 1) as f64 / world as f64;
    let (seconds, millions) = (took.as_secs_f64(), PARAMETERS / 1_000_000);
    println!(
        "{:<44} {seconds:>10.4} s a step {:>10.2} GB/s out of each rank",
        format!("{world} ranks, {millions} M parameters over TCP"),
        bytes / seconds / 1e9
    );
    Ok(())
}

fn feed(threads: usize) -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("isoflop-flow-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let images = Tensor::randint(256, [IMAGES / FILES, 3, 32, 32], (Kind::Uint8, Device::Cpu));
    let paths: Vec<_> = (0..FILES).map(|i| folder.join(format!("{i}.safetensors"))).collect();
    for path in &paths {
        write_tensors(path, &BTreeMap::from([("images".to_owned(), images.shallow_clone())]))?;
    }
    let batches = IMAGES as u64 / PORTION;
    let order = Order::new(Seed::from_number(1), IMAGES as u64);
    let portions = Portions { order, parts: 1, size: PORTION, rank: 0, world: 1, batches };
    let loader = Loader::new(Rows::open(&paths, &["images"])?, portions, threads, 4)?;
    let began = Instant::now();
    for k in 0..batches {
        let _ = loader.portion(k)?;
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{:<44} {:>10.0} images/s {:>10.3} ms a batch of {PORTION}",
        format!("images of 32 x 32 read by {threads} threads"),
        (batches * PORTION) as f64 / seconds,
        1e3 * seconds / batches as f64
    );
    drop(loader);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
