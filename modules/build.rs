//! Link arguments of a module's image: a shared object without libc.
use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let mut bare =
        vec!["--build-id=none", "-ztext", "-zrelro", "-znow", "--gc-sections", "-Bsymbolic"];
    // A module image has no page that it does not need.
    bare.push("-zmax-page-size=4096");
    // The native target is linked through the C compiler, the others by a bare rust-lld.
    if variable("HOST") == variable("TARGET") {
        for argument in ["-nostartfiles", "-nostdlib"] {
            println!("cargo:rustc-link-arg-cdylib={argument}");
        }
        for argument in bare {
            println!("cargo:rustc-link-arg-cdylib=-Wl,{argument}");
        }
    } else {
        for argument in bare {
            println!("cargo:rustc-link-arg-cdylib={argument}");
        }
    }
}
