//! Equipment: what this machine gives a run (worker programs, devices, the instruction set, variables), and what is recorded of it.

use std::{env, path::Path};

use isoflop_exec::{LaunchError, Options, Program, Runtimes};
use serde_json::json;

use crate::{args::SetArgs, devices, settings::Settings, soft, stop::Stop, workers};

/// Fills in what is this machine's in `options`, for a run of `study` as it is `set`. Where nothing `works`, nothing is looked for.
pub fn equip(
    options: Options,
    study: &Path,
    set: &SetArgs,
    settings: &Settings,
    works: bool,
) -> Result<(Runtimes, Options), Stop> {
    let engine = env::current_exe()
        .map_err(|error| Stop::Internal(anyhow::Error::new(error).context("this program cannot find itself")))?;
    let torch = torch(settings);
    let mut soft = soft::gather(study, set);
    if options.witness {
        soft["verb"] = "verify".into();
    }
    let found = works.then(|| devices::found(settings));
    if let Some(found) = &found {
        soft["driver"] = found.driver.clone().into();
        soft["workers"] = json!({
            "isoflop": soft::program(&engine),
            "isoflop-torch": torch.as_ref().ok().and_then(|torch| soft::program(&torch.path)),
        });
    }
    let options = Options {
        isa: if works { workers::isa() } else { None },
        devices: found.map_or_else(Vec::new, |found| found.devices),
        confine: settings.confine.clone(),
        runtime: settings.runtime.clone(),
        soft,
        variables: env::vars_os().collect(),
        ..options
    };
    Ok((Runtimes::new(&engine, torch), options))
}

/// The worker of kinds that need libtorch.
fn torch(settings: &Settings) -> Result<Program, LaunchError> {
    workers::torch(settings).map(|path| Program::new(path, Vec::<String>::new())).ok_or_else(|| LaunchError::NoWorker {
        runtime: isoflop_contract::Runtime::Torch,
        looked_in: workers::torch_places(settings),
        hint: "build it with `make build`, or name it with ISOFLOP_TORCH".to_owned(),
    })
}
