//! Links libtorch so that nobody has to export anything: the folder it was built against is the run path.

fn main() {
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names its library folder");
    // Through the canonical folder, so that a moved or replaced link does not pull the libraries from under a built binary.
    let lib = std::fs::canonicalize(&lib).map_or(lib, |path| path.display().to_string());
    println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
    // A full installation's libtorch.so brings its device libraries along; nothing refers to a symbol of it, so the linker would drop it.
    println!("cargo:rustc-link-arg=-Wl,--no-as-needed,-ltorch,--as-needed");
}
