//! Runs a program and brings the calls of each vload below it to the resident:
//! `bounce VLOAD WORD...`, where the words make that vload patch nothing. The program is this
//! process's own: its parent, its end and its place in the terminal are as without.

#[cfg(target_arch = "x86_64")]
fn main() -> std::process::ExitCode {
    x86_64::main()
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    eprintln!("bounce: only for x86-64");
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use anyhow::{Context, Result};
    use std::convert::Infallible;
    use std::env;
    use std::ffi::OsString;
    use std::path::Path;
    use std::process::ExitCode;
    use vload_tests::audit::Program;
    use vload_tests::bounce::Bounce;
    use vload_tests::tracer;

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
        tracer::become_below(&words, &mut |root| tracer::follow(root, &mut Bounce::new(&program)))
    }
}
