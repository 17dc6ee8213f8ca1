//! Settles libtorch into the hard environment.

use isoflop_contract::Environment;
use isoflop_worker::{Context, Halt};

use crate::{device, nn::Setting, parallel::team, processor, shim};

/// Holds libtorch to the threads, algorithms and instruction set that the environment declares, and answers with its device and precision.
pub fn settle(context: &Context) -> Result<Setting, Halt> {
    let Environment::Torch(torch) = context.environment() else {
        return Err("a libtorch kind was given an environment without libtorch".into());
    };
    processor::hold(torch.isa)?;
    tch::set_num_threads(torch.threads as i32);
    if tch::get_num_interop_threads() != 1 {
        tch::set_num_interop_threads(1);
    }
    shim::set_deterministic(torch.deterministic);
    if shim::is_deterministic() != torch.deterministic {
        return Err("libtorch does not keep to the algorithms that the environment declares".into());
    }
    shim::keep_memory();
    Ok(Setting { device: device::find(torch.device, team::rank(context)?)?, precision: torch.precision })
}
