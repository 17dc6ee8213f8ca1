//! A new migration must rebuild the crate: `migrate!` alone notices only changes of files it has seen.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
