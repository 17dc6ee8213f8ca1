//! Links libtorch so that nobody has to export anything: the folder it was built against is the run path. Compiles what the binding lacks.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names its library folder");
    // Through the canonical folder, so that a moved or replaced link does not pull the libraries from under a built binary.
    let lib = std::fs::canonicalize(&lib).map_or(lib, |path| path.display().to_string());
    shim(Path::new(&lib));
    println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
    // A full installation's libtorch.so brings its device libraries along; nothing refers to a symbol of it, so the linker would drop it.
    println!("cargo:rustc-link-arg=-Wl,--no-as-needed,-ltorch,--as-needed");
}

/// Compiles `shim/shim.cpp` against the headers beside the libraries, as libtorch itself was compiled: `NDEBUG` decides the layout of some of its
/// structures.
fn shim(lib: &Path) {
    println!("cargo:rerun-if-changed=shim/shim.cpp");
    println!("cargo:rerun-if-env-changed=LIBTORCH_INCLUDE");
    let beside = lib.parent().expect("libraries lie in a folder").to_path_buf();
    let include = std::env::var_os("LIBTORCH_INCLUDE").map_or(beside, Into::into).join("include");
    // Tests compile a device that is pretended against the same.
    println!("cargo:rustc-env=ISOFLOP_TORCH_INCLUDE={}", include.display());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(1)
        .debug(false)
        .define("NDEBUG", None)
        .warnings(false) // of headers that are not ours
        .include(include.join("torch/csrc/api/include"))
        .include(include)
        .file("shim/shim.cpp")
        .compile("isoflop_shim");
}
