//! What earlier attempts of a program measured, kept in a folder that outlives them.
//!
//! The program's metrics file is linked there before the program starts, so that what it had written by the time it was killed is there,
//! read by anybody or not. A program that puts another file in its place takes that upon itself.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::metrics::{Metrics, Point};

/// What begins the names of the files.
const BEGIN: &str = "metrics-";

/// What was measured before.
#[derive(Debug, Default, PartialEq)]
pub struct Earlier {
    /// Points, in the order of the attempts.
    pub points: Vec<Point>,
    /// Final numbers, those of later attempts counting more.
    pub scalars: BTreeMap<String, f64>,
}

impl Earlier {
    /// Everything in `kept`, and how many attempts left it. Of a line that was cut short, and what follows it, nothing is taken.
    pub fn read(kept: &Path) -> io::Result<(Self, u32)> {
        let mut names = BTreeMap::new();
        for entry in fs::read_dir(kept)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some(number) = name.strip_prefix(BEGIN).and_then(|number| number.parse::<u32>().ok()) {
                names.insert(number, name);
            }
        }
        let mut earlier = Self::default();
        for name in names.values() {
            let mut metrics = Metrics::new(kept, name);
            let (points, scalars) = metrics.so_far();
            earlier.points.extend(points);
            earlier.scalars.extend(scalars);
        }
        Ok((earlier, names.last_key_value().map_or(0, |(number, _)| number + 1)))
    }
}

/// Has the metrics of attempt `number` lie at `place` and in `kept`.
pub fn share(kept: &Path, number: u32, place: &Path) -> io::Result<()> {
    let file: PathBuf = kept.join(format!("{BEGIN}{number}"));
    File::create(&file)?;
    place.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::hard_link(&file, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_there_however_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, work) = (folder.path().join("kept"), folder.path().join("work"));
        fs::create_dir(&kept).unwrap();
        assert_eq!(Earlier::read(&kept).unwrap(), (Earlier::default(), 0));
        for (number, text) in [
            (0, "{\"step\": 1, \"loss\": 3}\n{\"params\": 9}\n{\"step\": 2, \"lo"),
            (1, "{\"step\": 2, \"loss\": 2}\n"),
            (2, "nonsense\n{\"step\": 9, \"loss\": 9}\n"),
        ] {
            let place = work.join(number.to_string()).join("m.jsonl");
            share(&kept, number, &place).unwrap();
            fs::write(place, text).unwrap();
        }
        let (earlier, next) = Earlier::read(&kept).unwrap();
        let point = |step, value| Point { series: "loss".into(), step, value };
        assert_eq!((earlier.points, next), (vec![point(1, 3.0), point(2, 2.0)], 3));
        assert_eq!(earlier.scalars, BTreeMap::from([("params".to_owned(), 9.0), ("loss".to_owned(), 2.0)]));
    }
}
