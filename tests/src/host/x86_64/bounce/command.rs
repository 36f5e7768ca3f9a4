//! The command line of `bounce`.

use super::Bounce;
use crate::host::audit::Program;
use crate::host::tracer::{self, Stops};
use anyhow::{Context, Result};
use std::convert::Infallible;
use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// Does what the command line says.
pub fn main() -> ExitCode {
    // Not parsed as options: the words are passed on as they are.
    match bounce(env::args_os().skip(1)) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("bounce: {error:#}");
            ExitCode::from(125)
        }
    }
}

fn bounce(mut words: impl Iterator<Item = OsString>) -> Result<Infallible> {
    let vload = words.next().context("no vload")?;
    let words: Vec<OsString> = words.collect();
    let program = Program::read(Path::new(&vload))?;
    tracer::become_below(&words, &mut |root| {
        tracer::follow(root, Stops::Filter, &mut Bounce::new(&program))
    })
}
