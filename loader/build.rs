//! Link arguments of the programs: a static-pie laid out by `linker.ld`, without libc.
use std::env;

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let script = format!("{root}/../linker.ld");
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets CARGO_CFG_TARGET_ARCH");
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rerun-if-changed=build.rs");
    // The native target is linked through the C compiler, the others by a bare rust-lld.
    let host = env::var("HOST").expect("cargo sets HOST");
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let mut bare = vec![
        format!("-T{script}"),
        "--build-id=none".into(),
        "-znorelro".into(),
        "--no-dynamic-linker".into(),
        "-ztext".into(),
        "--gc-sections".into(),
        // Debuggers look for it by its name (debugger.rs).
        "--export-dynamic-symbol=_dl_debug_state".into(),
        // The resident works with pages of 4 KiB; larger ones would pad the file.
        "-zmax-page-size=4096".into(),
    ];
    // Cargo's `strip` does not reach a package whose profile is its own.
    let variable = |name: &str| env::var(name).unwrap_or_default();
    if variable("PROFILE") == "release" && variable("DEBUG") == "false" {
        bare.push("-s".into());
    }
    if host == target && arch == "x86_64" {
        for argument in ["-nostartfiles", "-nostdlib", "-static-pie"] {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
        for argument in bare {
            println!("cargo:rustc-link-arg-bins=-Wl,{argument}");
        }
        // Relocations by the bit, which `_start` knows.
        println!("cargo:rustc-link-arg-bins=-Wl,-zpack-relative-relocs");
    } else {
        for argument in ["-static", "-pie"] {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
        for argument in bare {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
        if arch == "x86" {
            println!("cargo:rustc-link-arg-bins=-zpack-relative-relocs");
        }
    }
}
