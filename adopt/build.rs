//! Link arguments of the shared object: laid out as the program is, without libc.
use std::env;

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let script = format!("{root}/../linker.ld");
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rerun-if-changed=build.rs");
    let arguments = [
        "-nostartfiles".into(),
        "-nostdlib".into(),
        format!("-Wl,-T{script}"),
        "-Wl,--build-id=none,-znorelro,-ztext,--gc-sections,-Bsymbolic".into(),
        "-Wl,-soname=libvload.so,-init=vload_loaded".into(),
    ];
    for argument in arguments {
        println!("cargo:rustc-link-arg-cdylib={argument}");
    }
}
