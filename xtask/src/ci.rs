//! `cargo xtask ci`: everything that must hold before a change lands.

use crate::arch::{Arch, Choice};
use crate::command::{self, succeed};
use crate::test::Tally;
use crate::{build, image, setup, test};
use anyhow::{Result, bail};
use clap::Args;
use std::process::ExitCode;

/// Options of `cargo xtask ci`.
#[derive(Args)]
pub struct Options {
    /// Only the checks that run no program: formatting, lints, documentation, the image
    #[arg(long)]
    static_only: bool,
}

/// Runs every check, then every test on every architecture with nothing missing.
pub fn ci(options: &Options) -> ExitCode {
    let mut tally = Tally::default();
    let workspace = |arguments: &[&str]| succeed(command::cargo().args(arguments));
    // The fuzz targets are a workspace of their own.
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        tally += Tally::one(
            &format!("formatting of {manifest}"),
            workspace(&["fmt", "--all", "--check", "--manifest-path", manifest]),
        );
        tally += Tally::one(
            &format!("lints of {manifest}"),
            workspace(&[
                "clippy",
                "--locked",
                "--workspace",
                "--all-targets",
                "--manifest-path",
                manifest,
                "--",
                "--deny",
                "warnings",
            ]),
        );
    }
    tally += Tally::one(
        "documentation",
        succeed(
            command::cargo()
                .args(["doc", "--locked", "--workspace", "--no-deps"])
                .env("RUSTDOCFLAGS", "--deny warnings"),
        ),
    );
    if !options.static_only {
        let everything = setup::Options { yes: true, tests: true };
        tally += Tally::one("setup", setup::setup(&everything));
    }
    for arch in Arch::ALL {
        tally += Tally::one(&format!("image {}", arch.name()), image_is_sound(arch));
    }
    if !options.static_only {
        tally += test::tests(&test::Options {
            arch: Choice::All,
            require_all: true,
            filter: None,
            from: None,
            suite: None,
            shapes: None,
            mode: None,
            full: false,
            confinement: None,
            again: 0,
        });
    }
    tally.report()
}

fn image_is_sound(arch: Arch) -> Result<()> {
    let binary = build::vload(arch, false, true)?;
    let library = binary.with_file_name("libvload.so");
    let files = [(true, binary), (arch == Arch::X86_64, library)];
    for (_, file) in files.into_iter().filter(|(is_there, _)| *is_there) {
        let faults = image::faults(&file)?;
        if !faults.is_empty() {
            bail!("{}: {}", file.display(), faults.join("; "));
        }
    }
    Ok(())
}
