//! `cargo xtask build`: vload for this machine and for others.

use crate::arch::{Arch, Choice};
use crate::command::{self, find_program, succeed};
use crate::modules;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Options of `cargo xtask build`.
#[derive(Args)]
pub struct Options {
    /// What to build for
    #[arg(long, default_value = "x86_64")]
    pub arch: Choice,
    /// With debug assertions and without optimisation
    #[arg(long)]
    pub debug: bool,
    /// Fail when Cargo.lock would have to change
    #[arg(long)]
    pub locked: bool,
}

/// Builds what was asked for and prints where it is.
pub fn build(options: &Options) -> Result<()> {
    for &arch in options.arch.arches() {
        let binary = vload(arch, options.debug, options.locked)?;
        println!("{}", binary.display());
    }
    Ok(())
}

/// Builds vload for `arch` and gives the path of the program.
pub fn vload(arch: Arch, debug: bool, locked: bool) -> Result<PathBuf> {
    let profile = if debug { "debug" } else { "release" };
    let (mut cargo, folder) = if arch == Arch::X86_64 {
        let mut cargo = command::cargo();
        cargo.arg("build");
        (cargo, command::target_dir())
    } else if rustup_has(arch) {
        let mut cargo = command::cargo();
        cargo.args(["build", "--target", arch.triple()]);
        (cargo, command::target_dir().join(arch.triple()))
    } else {
        (debian_cargo(arch)?, command::cross_target_dir().join(arch.triple()))
    };
    cargo.args(["--package", "vload"]);
    for package in modules::PACKAGES {
        cargo.args(["--package", package]);
    }
    if arch == Arch::X86_64 {
        // `libvload.so`, which enters processes that run already, is for this processor.
        cargo.args(["--package", "vload-adopt"]);
    }
    if !debug {
        cargo.arg("--release");
    }
    if locked {
        cargo.arg("--locked");
    }
    succeed(&mut cargo).with_context(|| format!("building vload for {}", arch.name()))?;
    let folder = folder.join(profile);
    modules::compile(arch, &folder)?;
    modules::lead_to_crate(&folder)?;
    Ok(folder.join("vload"))
}

/// Whether the toolchain in use has the target's standard library.
pub fn rustup_has(arch: Arch) -> bool {
    let Ok(sysroot) = sysroot() else { return false };
    sysroot.join("lib/rustlib").join(arch.triple()).join("lib").is_dir()
}

/// The folder of the toolchain in use.
fn sysroot() -> Result<PathBuf> {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let path = command::output(rustc.args(["--print", "sysroot"]).current_dir(command::root()))?;
    Ok(PathBuf::from(path.trim()))
}

/// Where Debian's compiler and its library sources are: what builds for a target whose standard
/// library rustup cannot fetch.
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// The file that says Debian's library sources are installed, below Debian's own sysroot.
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library/core/Cargo.toml";

/// Whether Debian's compiler and library sources are installed.
pub fn debian_toolchain() -> bool {
    Path::new(DEBIAN_CARGO).is_file() && Path::new(DEBIAN_SOURCES).is_file()
}

/// Debian's cargo, told to build the standard library from its sources and to link with the
/// linker that the toolchain in use ships: Debian's ships none.
fn debian_cargo(arch: Arch) -> Result<Command> {
    if !debian_toolchain() {
        bail!(
            "neither rustup's {} nor Debian's rustc-web, cargo-web and rust-web-src are \
             installed: `cargo xtask setup` brings one of them",
            arch.triple()
        );
    }
    let tools = command::cross_target_dir().join("tools");
    fs::create_dir_all(&tools).with_context(|| format!("cannot make {}", tools.display()))?;
    let link = tools.join("rust-lld");
    if !link.exists() {
        let linker = bundled_linker()?;
        // A dangling link of an earlier toolchain may be in the way.
        if link.is_symlink() {
            fs::remove_file(&link).with_context(|| format!("cannot remove {}", link.display()))?;
        }
        symlink(&linker, &link).with_context(|| format!("cannot make {}", link.display()))?;
    }
    let inherited = env::var_os("PATH").unwrap_or_default();
    let path = [PathBuf::from("/usr/bin"), tools];
    let path = env::join_paths(path.into_iter().chain(env::split_paths(&inherited)))?;
    let mut cargo = Command::new(DEBIAN_CARGO);
    cargo
        .current_dir(command::root())
        .env("PATH", path)
        // -Zbuild-std is an unstable option; this lets a stable compiler take it.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", command::cross_target_dir())
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env_remove("RUSTUP_TOOLCHAIN")
        .args(["build", "-Zbuild-std=core,alloc,compiler_builtins", "--target", arch.triple()]);
    Ok(cargo)
}

/// The `rust-lld` of the toolchain in use, or one on `PATH`.
fn bundled_linker() -> Result<PathBuf> {
    let bundled = sysroot()?.join("lib/rustlib").join(Arch::X86_64.triple()).join("bin/rust-lld");
    if bundled.is_file() {
        return Ok(bundled);
    }
    find_program("rust-lld").context("no rust-lld: install Rust with rustup, or package lld")
}
