//! `isoflop-torch` on a device that is pretended (`device.cpp`, compiled and named by whoever starts this): what training on a device does, where there
//! is none. Tests run it.

#![expect(unsafe_code, reason = "a library is opened at run time")]

use std::process::ExitCode;

use isoflop_contract::environment::LIBTORCH;
use isoflop_torch::{device, parallel::team::VERB, run::bodies};
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use tch::Device;

fn main() -> ExitCode {
    let Some(library) = std::env::var_os("ISOFLOP_PRETENDED_DEVICE") else {
        eprintln!("ISOFLOP_PRETENDED_DEVICE names the device's library");
        return ExitCode::FAILURE;
    };
    // SAFETY: its initializers register operators with libtorch, which is in the process, and nothing else.
    match unsafe { Library::open(Some(&library), RTLD_NOW | RTLD_GLOBAL) } {
        Ok(library) => std::mem::forget(library), // what it registered stays
        Err(error) => {
            eprintln!("{}: {error}", library.display());
            return ExitCode::FAILURE;
        }
    }
    device::pretend(Device::Mps);
    if std::env::args().nth(1).as_deref() == Some(VERB) {
        return isoflop_worker::follow(&bodies());
    }
    isoflop_worker::serve(&bodies(), &[("libtorch", LIBTORCH.to_owned())])
}
