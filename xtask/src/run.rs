//! `cargo xtask run`: a program under a vload built just now.

use crate::arch::Choice;
use crate::{build, command};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Options of `cargo xtask run`.
#[derive(Args)]
pub struct Options {
    /// What to build for; foreign programs run under qemu-user
    #[arg(long, default_value = "x86_64")]
    arch: Choice,
    /// With debug assertions and without optimisation
    #[arg(long)]
    debug: bool,
    /// vload's own options, the program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Builds vload and becomes it.
pub fn run(options: &Options) -> ExitCode {
    match become_vload(options) {
        Ok(never) => match never {},
        Err(error) => command::report(&error),
    }
}

fn become_vload(options: &Options) -> Result<std::convert::Infallible> {
    let &[arch] = options.arch.arches() else { bail!("`run` takes one architecture") };
    let binary = build::vload(arch, options.debug, false)?;
    let mut command = match arch.qemu() {
        Some(qemu) => {
            let mut command = Command::new(qemu);
            command.args(["-L", arch.sysroot()]).arg(&binary);
            command
        }
        None => Command::new(&binary),
    };
    let error = command.args(&options.words).exec();
    Err(error).with_context(|| format!("cannot run {}", command::shown(&command)))
}
