//! Executing a file under vload, on its command line and by `execve`, and comparing the outcome
//! with the kernel's.

use crate::arch::Arch;
use crate::native::{Bounds, End, Outcome, Program, execute};
use crate::predict::Prediction;
use crate::programs::Build;
use anyhow::{Context, Result};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Executes its arguments, for the errno that a caller of `execve` sees.
const BECOME: Build = Build::c("become.c");

/// What [`BECOME`] exits with when `execve` returned.
const REFUSED: i32 = 99;

/// How a file comes to be executed under vload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// `vload FILE`.
    Command,
    /// By `execve` in a program under vload.
    Exec,
}

impl Way {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Command, Self::Exec];
}

/// A vload, and the program that executes others under it.
#[derive(Debug)]
pub struct Hosted {
    vload: PathBuf,
    parent: PathBuf,
}

impl Hosted {
    /// Compiles the program into `folder`.
    pub fn new(vload: &Path, folder: &Path) -> Result<Self> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
        let parent = BECOME.compile(Arch::X86_64, &sources, folder)?;
        let vload = fs::canonicalize(vload).context("cannot find vload")?;
        Ok(Self { vload, parent })
    }

    /// Executes the file at `path` with its path and `one` as arguments.
    pub fn run(&self, way: Way, path: &Path, bounds: &Bounds) -> Result<Outcome> {
        let (file, parent) = (path.as_os_str().as_bytes(), self.parent.as_os_str().as_bytes());
        let mut args = vec![b"vload".as_slice(), b"--"];
        if way == Way::Exec {
            args.push(parent);
        }
        args.extend([file, b"one"]);
        Ok(execute(Program::Path(&self.vload), &args, bounds)?)
    }
}

/// Whether vload's outcome is that of the kernel, where the file's headers say `prediction`.
///
/// On the command line a refusal is a message and 126 or 127, and so is what the kernel finds
/// past its point of no return: the SIGSEGV natively tells the user nothing.
pub fn same(way: Way, native: &Outcome, hosted: &Outcome, prediction: Prediction) -> bool {
    let message = || hosted.end == End::Exited(126) && hosted.output.starts_with(b"vload: ");
    match (way, native.end) {
        (Way::Command, End::Refused(errno)) => {
            let status = if errno == libc::ENOENT { 127 } else { 126 };
            hosted.end == End::Exited(status) && says(&hosted.output, errno)
        }
        (Way::Command, End::Killed(libc::SIGSEGV)) if prediction == Prediction::Fatal => message(),
        (Way::Command, End::Killed(libc::SIGSEGV)) => native == hosted || message(),
        (Way::Exec, End::Refused(errno)) => {
            let said = format!("errno {errno}\n");
            hosted.end == End::Exited(REFUSED) && hosted.output == said.as_bytes()
        }
        _ => native == hosted,
    }
}

/// Whether a message of vload's names the error.
fn says(output: &[u8], errno: i32) -> bool {
    let error = io::Error::from_raw_os_error(errno).to_string();
    let text = error.split(" (os error").next().unwrap_or(&error);
    output.starts_with(b"vload: ") && String::from_utf8_lossy(output).contains(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sameness() {
        let outcome = |end, output: &str| Outcome { end, output: output.into() };
        let (command, exec) = (Way::Command, Way::Exec);
        let runs = Prediction::Runs;
        let refused = outcome(End::Refused(libc::ENOEXEC), "");
        let message = outcome(End::Exited(126), "vload: x: Exec format error: because\n");
        assert!(same(command, &refused, &message, runs));
        assert!(!same(exec, &refused, &message, runs));
        assert!(!same(command, &outcome(End::Refused(libc::ENOENT), ""), &message, runs));
        assert!(!same(command, &refused, &outcome(End::Exited(126), "vload: x: no\n"), runs));
        let errno = outcome(End::Exited(REFUSED), "errno 8\n");
        assert!(same(exec, &refused, &errno, runs) && !same(command, &refused, &errno, runs));
        let killed = outcome(End::Killed(libc::SIGSEGV), "");
        assert!(same(exec, &killed, &killed, Prediction::Fatal));
        assert!(!same(command, &killed, &killed, Prediction::Fatal));
        assert!(same(command, &killed, &message, Prediction::Fatal));
        assert!(!same(exec, &killed, &message, Prediction::Fatal));
        assert!(same(command, &killed, &killed, runs));
        let ran = outcome(End::Exited(3), "tiny\n");
        assert!(same(exec, &ran, &ran, runs));
        assert!(!same(exec, &ran, &outcome(End::Exited(3), ""), runs));
        assert!(!same(exec, &ran, &killed, runs));
    }
}
