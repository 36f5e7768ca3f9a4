//! Programs with errors in their ELF headers, executed natively and under vload.
//!
//! Mutant N of a seed is always the same file. Most mutants are refused, some crash, some run:
//! whatever the kernel makes of one, vload must make of it too.

mod sample;

pub use sample::{Mutant, Sample};

use crate::arch::Arch;
use crate::hosted::{Hosted, Way, same};
use crate::native::{Bounds, End, Outcome, Program, execute};
use crate::predict::{Prediction, predict};
use crate::programs::Build;
use crate::scratch::Scratch;
use anyhow::Result;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
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

/// How often a mutant is executed again, each way, when the first two outcomes differ: what a
/// mutant does can depend on where the kernel happened to put things.
const REPEATS: usize = 8;

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
    hosted: Option<Hosted>,
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
        let hosted = vload.map(|vload| Hosted::new(vload, scratch.path())).transpose()?;
        let bounds = Bounds { memory: 16 << 30, cpu: 2, time: Duration::from_secs(6) };
        Ok(Self { scratch, samples, hosted, bounds, counts: Counts::default() })
    }

    /// Executes mutant `number` of `seed` in every way, and gives what differs.
    pub fn judge(&mut self, seed: u64, number: u64) -> Result<Option<String>> {
        let sample = &self.samples[(number % self.samples.len() as u64) as usize];
        let mutant = sample.mutant(seed, number);
        let path = self.scratch.write("mutant", &mutant.file, 0o755)?;
        let native = self.native(&path)?;
        let prediction = predict(&path, false, 0x1000);
        let mut faults = Vec::new();
        if !foreseen(prediction, native.end) {
            faults.push(format!("foreseen {prediction:?}"));
        }
        for way in Way::ALL {
            faults.extend(self.compare(way, &path, &native, prediction)?);
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
        let Some(hosted) = &self.hosted else { return Ok(None) };
        let first = hosted.run(way, path, &self.bounds)?;
        if same(way, native, &first, prediction) {
            return Ok(None);
        }
        for _ in 0..REPEATS {
            let native = self.native(path)?;
            let again = hosted.run(way, path, &self.bounds)?;
            if same(way, &native, &first, prediction) || same(way, &native, &again, prediction) {
                self.counts.unsteady += 1;
                return Ok(None);
            }
        }
        Ok(Some(format!("{way:?}: {}", shown(&first))))
    }

    fn native(&self, path: &Path) -> Result<Outcome> {
        let args = [path.as_os_str().as_bytes(), b"one"];
        Ok(execute(Program::Path(path), &args, &self.bounds)?)
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

fn shown(outcome: &Outcome) -> String {
    format!("{:?}, output \"{}\"", outcome.end, outcome.output.escape_ascii())
}
