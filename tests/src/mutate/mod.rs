//! Programs with errors in their ELF headers, executed natively and under vload.
//!
//! Mutant N of a seed is always the same file. Most mutants are refused, some crash, some run:
//! whatever the kernel makes of one, vload must make of it too.

mod sample;

pub use sample::{Mutant, Sample};

use crate::arch::Arch;
use crate::native::{Bounds, End, Outcome, Program, execute};
use crate::predict::{Prediction, predict};
use crate::programs::Build;
use crate::scratch::Scratch;
use anyhow::{Context, Result};
use std::ffi::CStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs};

/// What a mutant is made from: static and dynamic, with addresses of its own and without.
const SAMPLES: [Build; 4] = [
    Build::c_with(
        "tiny.c",
        "static-pie",
        &["-nostdlib", "-static-pie", "-fPIE", "-ffreestanding", "-fno-stack-protector", "-s"],
    ),
    Build::c_with(
        "tiny.c",
        "static",
        &["-nostdlib", "-static", "-no-pie", "-ffreestanding", "-fno-stack-protector", "-s"],
    ),
    Build::c_with("small.c", "pie", &["-pie", "-fPIE", "-s"]),
    Build::c_with("small.c", "no-pie", &["-no-pie", "-s"]),
];

/// Executes its arguments, for the errno that a caller of `execve` sees.
const BECOME: Build = Build::c("become.c");

/// What [`BECOME`] exits with when `execve` returned.
const REFUSED: i32 = 99;

/// How often a mutant is executed again, each way, when the first two outcomes differ: what a
/// mutant does can depend on where the kernel happened to put things.
const REPEATS: usize = 8;

/// How a mutant is executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// By the kernel.
    Native,
    /// `vload FILE`.
    Command,
    /// By `execve` in a program under vload.
    Exec,
}

/// How many mutants there were of each kind.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    /// `execve` returned an errno.
    pub refused: usize,
    /// A signal ended them, before or after their first instruction.
    pub killed: usize,
    /// They exited.
    pub exited: usize,
    /// They were stopped.
    pub timed_out: usize,
    /// Their outcome was not always the same.
    pub unsteady: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { refused, killed, exited, timed_out, unsteady } = self;
        write!(f, "{refused} refused, {killed} killed, {exited} exited, {timed_out} timed out")?;
        write!(f, "; {unsteady} of them not always the same")
    }
}

/// The samples and the folder that mutants are executed in.
#[derive(Debug)]
pub struct Bench {
    scratch: Scratch,
    samples: Vec<Sample>,
    parent: PathBuf,
    vload: Option<PathBuf>,
    bounds: Bounds,
    /// What was seen so far.
    pub counts: Counts,
}

impl Bench {
    /// Compiles the samples. Without a `vload`, only the reading of the files is compared with
    /// what the kernel does.
    pub fn new(vload: Option<&Path>) -> Result<Self> {
        let scratch = Scratch::new()?;
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
        let mut samples = Vec::new();
        for build in SAMPLES {
            let file = fs::read(build.compile(Arch::X86_64, &sources, scratch.path())?)?;
            samples.push(Sample::new(&build.file_name(), file));
        }
        let parent = BECOME.compile(Arch::X86_64, &sources, scratch.path())?;
        let vload = vload.map(fs::canonicalize).transpose().context("cannot find vload")?;
        let bounds = Bounds { memory: 16 << 30, cpu: 2, time: Duration::from_secs(6) };
        Ok(Self { scratch, samples, parent, vload, bounds, counts: Counts::default() })
    }

    /// Executes mutant `number` of `seed` in every way, and gives what differs.
    pub fn judge(&mut self, seed: u64, number: u64) -> Result<Option<String>> {
        let sample = &self.samples[(number % self.samples.len() as u64) as usize];
        let mutant = sample.mutant(seed, number);
        let path = self.scratch.write("mutant", &mutant.file, 0o755)?;
        let native = self.run(Way::Native, &path)?;
        let prediction = predict(&path, false, 0x1000);
        let mut faults = Vec::new();
        if !foreseen(prediction, native.end) {
            faults.push(format!("foreseen {prediction:?}"));
        }
        if self.vload.is_some() {
            for way in [Way::Command, Way::Exec] {
                faults.extend(self.compare(way, &path, &native, prediction)?);
            }
        }
        match native.end {
            End::Refused(_) => self.counts.refused += 1,
            End::Killed(_) => self.counts.killed += 1,
            End::Exited(_) => self.counts.exited += 1,
            End::TimedOut => self.counts.timed_out += 1,
        }
        Ok((!faults.is_empty()).then(|| {
            format!("{}\n  natively {}\n  {}", mutant.what, shown(&native), faults.join("\n  "))
        }))
    }

    /// The bytes of a mutant, to look at.
    pub fn mutant(&self, seed: u64, number: u64) -> Mutant {
        self.samples[(number % self.samples.len() as u64) as usize].mutant(seed, number)
    }

    fn compare(
        &mut self,
        way: Way,
        path: &Path,
        native: &Outcome,
        prediction: Prediction,
    ) -> Result<Option<String>> {
        let first = self.run(way, path)?;
        if same(way, native, &first, prediction) {
            return Ok(None);
        }
        for _ in 0..REPEATS {
            let native = self.run(Way::Native, path)?;
            let hosted = self.run(way, path)?;
            if same(way, &native, &first, prediction) || same(way, &native, &hosted, prediction) {
                self.counts.unsteady += 1;
                return Ok(None);
            }
        }
        Ok(Some(format!("{way:?}: {}", shown(&first))))
    }

    fn run(&self, way: Way, path: &Path) -> Result<Outcome> {
        let (file, this) = (path.as_os_str().as_bytes(), self.parent.as_os_str().as_bytes());
        let vload = self.vload.as_deref().unwrap_or(path);
        let (program, args) = match way {
            Way::Native => (path, vec![file, b"one"]),
            Way::Command => (vload, vec![b"vload".as_slice(), b"--", file, b"one"]),
            Way::Exec => (vload, vec![b"vload".as_slice(), b"--", this, file, b"one"]),
        };
        Ok(execute(Program::Path(program), &args, &self.bounds)?)
    }
}

/// Whether the kernel did what the reading of the file says. What the kernel refuses while it
/// maps can depend on the memory there is, and looks like a crash of the program.
fn foreseen(prediction: Prediction, end: End) -> bool {
    match prediction {
        Prediction::Refused(errno) => end == End::Refused(errno),
        Prediction::Fatal => end == End::Killed(libc::SIGSEGV),
        Prediction::Runs => !matches!(end, End::Refused(_)),
    }
}

/// Whether vload's outcome is that of the kernel.
fn same(way: Way, native: &Outcome, hosted: &Outcome, prediction: Prediction) -> bool {
    // A message of vload's own instead of the SIGSEGV that tells a caller nothing.
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
    // SAFETY: strerror gives a string, which this thread's next call may replace; no other
    // thread of the tests calls it.
    let text = unsafe { CStr::from_ptr(libc::strerror(errno)) }.to_string_lossy();
    output.starts_with(b"vload: ") && String::from_utf8_lossy(output).contains(&*text)
}

fn shown(outcome: &Outcome) -> String {
    format!("{:?}, output \"{}\"", outcome.end, outcome.output.escape_ascii())
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
