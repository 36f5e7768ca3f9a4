//! A module is a shared object without a C library.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for argument in [
        "-nostartfiles",
        "-nostdlib",
        "-Wl,--build-id=none",
        "-Wl,--gc-sections",
        "-Wl,-Bsymbolic",
        "-Wl,-znow",
        "-Wl,-zmax-page-size=4096",
    ] {
        println!("cargo:rustc-link-arg-cdylib={argument}");
    }
}
