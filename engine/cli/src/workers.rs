//! The worker programs: where they are, and what machine they run on.

use std::{env, fs, path::PathBuf};

use isoflop_contract::environment::Isa;

use crate::settings::Settings;

/// The name of the libtorch worker's program.
const TORCH: &str = "isoflop-torch";

/// The libtorch worker, if there is one where it belongs.
pub fn torch(settings: &Settings) -> Option<PathBuf> {
    torch_places(settings).into_iter().find(|program| program.is_file())
}

/// Where the libtorch worker belongs: as named by `ISOFLOP_TORCH` and nowhere else, or beside this program, or on `PATH`.
pub fn torch_places(settings: &Settings) -> Vec<PathBuf> {
    if let Some(named) = &settings.torch_worker {
        return vec![named.clone()];
    }
    let beside = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(TORCH)));
    let on_path = settings.path.iter().flat_map(env::split_paths).map(|folder| folder.join(TORCH));
    beside.into_iter().chain(on_path).collect()
}

/// The processor's name, for the record.
pub fn processor() -> String {
    let info = cpuinfo();
    let field = |name: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))
            .map(|value| value.trim().to_owned())
    };
    field("model name").unwrap_or_else(|| env::consts::ARCH.to_owned())
}

/// What Linux says of the processor; nothing where it cannot be read.
pub fn cpuinfo() -> String {
    fs::read_to_string("/proc/cpuinfo").unwrap_or_default()
}

/// The highest instruction-set level that the processor has.
pub fn isa() -> Option<Isa> {
    Isa::highest(&cpuinfo())
}
