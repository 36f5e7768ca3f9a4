//! Every case in every mode, two at a time, and the count of what passed.

use crate::arch::Arch;
use crate::case::{Case, Kind, Mode};
use crate::compare::difference;
use crate::count;
use crate::execute::{Bench, End, Host, Machine, Outcome};
use crate::programs::Build;
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use std::{env, thread};

/// What is to be run.
pub struct Plan {
    /// The vload under test.
    pub vload: PathBuf,
    /// The folder of the programs that run others: this crate's own.
    pub tools: PathBuf,
    /// What vload was built for.
    pub arch: Arch,
    /// Where compiled programs are kept from one run to the next.
    pub build_dir: PathBuf,
    /// Only cases whose name contains this.
    pub filter: Option<String>,
    /// Only cases whose name begins with this and a slash.
    pub suite: Option<String>,
    /// The modes to run cases in; those that take long get the first alone.
    pub modes: Vec<Mode>,
    /// A case that cannot run is a failure.
    pub require_all: bool,
    /// Walks are walked whole, not a share of their points.
    pub full: bool,
    /// How many cases run at once.
    pub jobs: usize,
    /// The work folder is left behind.
    pub keep: bool,
}

/// How many runs passed and failed.
#[derive(Default)]
pub struct Tally {
    /// Those that passed.
    pub passed: usize,
    /// Those that failed.
    pub failed: usize,
}

/// The compiled programs, and why those that could not be compiled are missing.
type Binaries = HashMap<Build, Result<PathBuf, String>>;

/// Runs the plan's part of `cases`.
pub fn run(plan: &Plan, cases: &[Case]) -> Result<Tally> {
    let cases: Vec<&Case> = cases.iter().filter(|case| plan.takes(case)).collect();
    let work = work_folder()?;
    let machine = prepare(plan, &work)?;
    let binaries = compile(plan, &cases, &work)?;
    let tally = Mutex::new(Tally::default());
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let part = judge(plan, &machine, &binaries, case);
                    let mut tally = tally.lock().unwrap_or_else(|error| error.into_inner());
                    tally.passed += part.passed;
                    tally.failed += part.failed;
                }
            });
        }
    });
    if plan.keep {
        println!("left behind: {}", work.display());
    } else if let Err(error) = fs::remove_dir_all(&work) {
        println!("cannot remove {}: {error}", work.display());
    }
    Ok(tally.into_inner().unwrap_or_else(|error| error.into_inner()))
}

impl Plan {
    fn takes(&self, case: &Case) -> bool {
        let suite = case.name.split('/').next().unwrap_or_default();
        case.arches.contains(&self.arch)
            && self.filter.as_ref().is_none_or(|part| case.name.contains(part.as_str()))
            && self.suite.as_ref().is_none_or(|wanted| wanted == suite)
    }
}

/// Where the sources of the programs are.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
}

/// Makes a folder that no other run has. Process ids do not tell runs apart: each pid namespace
/// has its own.
fn work_folder() -> Result<PathBuf> {
    for number in 0.. {
        let folder = env::temp_dir().join(format!("vload-tests-{number}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot make {}", folder.display()));
            }
        }
    }
    bail!("every work folder is taken")
}

/// What runs programs in another way than as they are.
const TOOLS: [&str; 4] = ["audit", "bounce", "confine", "walk"];

/// Fills the work folder: every user may enter it, because some cases run as another one.
fn prepare(plan: &Plan, work: &Path) -> Result<Machine> {
    let programs = work.join("programs");
    for folder in [work, &programs, &work.join("bin"), &work.join("home")] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    }
    for entry in fs::read_dir(sources())? {
        let path = entry?.path();
        copy(&path, &programs.join(path.file_name().unwrap_or_default()))?;
    }
    for tool in TOOLS {
        copy(&plan.tools.join(tool), &work.join("bin").join(tool))?;
    }
    let vload = work.join("bin/vload");
    copy(&plan.vload, &vload)?;
    // Where the architecture has it.
    let library = plan.vload.with_file_name("libvload.so");
    if library.is_file() {
        copy(&library, &work.join("bin/libvload.so"))?;
    }
    Ok(Machine { work: work.into(), vload, programs, arch: plan.arch, full: plan.full })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(fs::set_permissions(to, Permissions::from_mode(0o755))?)
}

/// Compiles what the cases name, and puts it where every user can run it.
fn compile(plan: &Plan, cases: &[&Case], work: &Path) -> Result<Binaries> {
    let folder = plan.build_dir.join(plan.arch.name());
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut wanted: Vec<Build> = cases.iter().flat_map(|case| case.builds.clone()).collect();
    wanted.sort_by_key(Build::file_name);
    wanted.dedup();
    let binaries = Mutex::new(HashMap::new());
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..plan.jobs.max(1) {
            scope.spawn(|| {
                while let Some(build) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let built = build.compile(plan.arch, &sources(), &folder).and_then(|path| {
                        let place = work.join("bin").join(build.file_name());
                        copy(&path, &place).map(|()| place)
                    });
                    let built = built.map_err(|error| format!("{error:#}"));
                    let mut binaries = binaries.lock().unwrap_or_else(|error| error.into_inner());
                    binaries.insert(*build, built);
                }
            });
        }
    });
    Ok(binaries.into_inner().unwrap_or_else(|error| error.into_inner()))
}

/// Runs one case in its modes and prints what came of it.
fn judge(plan: &Plan, machine: &Machine, binaries: &Binaries, case: &Case) -> Tally {
    let start = Instant::now();
    let mut tally = Tally::default();
    let built: Result<Vec<PathBuf>, String> = case
        .builds
        .iter()
        .map(|build| binaries.get(build).cloned().unwrap_or_else(|| Err("not built".into())))
        .collect();
    let missing = case.needs.iter().find_map(|need| need.missing());
    let binaries = match (missing, built) {
        (None, Ok(binaries)) => binaries,
        (Some(why), _) | (None, Err(why)) => {
            if plan.require_all {
                tally.failed = 1;
                println!("FAILED {}: not run: {why}", case.name);
            } else {
                println!("not run {}: {why}", case.name);
            }
            return tally;
        }
    };
    let modes = if case.every_mode {
        plan.modes.as_slice()
    } else {
        plan.modes.get(..1).unwrap_or_default()
    };
    // Modes that fail in the same way are named together.
    let mut failures: Vec<(String, Vec<String>)> = Vec::new();
    for (mode, outcome) in verdicts(machine, case, &binaries, modes) {
        let Err(error) = outcome else {
            tally.passed += 1;
            continue;
        };
        tally.failed += 1;
        let error = format!("{error:#}");
        match failures.iter_mut().find(|(other, _)| *other == error) {
            Some((_, modes)) => modes.push(mode),
            None => failures.push((error, vec![mode])),
        }
    }
    for (error, modes) in failures {
        println!("FAILED {} [{}]: {error}", case.name, modes.join("] ["));
    }
    if tally.failed == 0 {
        let seconds = start.elapsed().as_secs_f32();
        println!("ok {} ({} modes, {seconds:.1} s)", case.name, tally.passed);
    }
    tally
}

/// What came of the case in each mode. The native run is made once for all of them.
fn verdicts(
    machine: &Machine,
    case: &Case,
    binaries: &[PathBuf],
    modes: &[Mode],
) -> Vec<(String, Result<()>)> {
    let bench = |mode| Bench { machine, case, binaries: binaries.to_vec(), mode };
    let native = match (case.kind, modes.first()) {
        (Kind::Compare, Some(mode)) => match native_run(&bench(mode)) {
            Ok(native) => Some(native),
            Err(error) => return vec![("native".into(), Err(error))],
        },
        _ => None,
    };
    let verdict = |mode| -> Result<()> {
        let bench = bench(mode);
        match (case.kind, &native) {
            (Kind::Count, _) => count::compare(&bench),
            (Kind::Check(check), _) => check(&bench),
            (Kind::Compare, None) => Ok(()),
            (Kind::Compare, Some(native)) => {
                let hosted = bench.run(Host::Vload)?;
                match difference(&case.rules, native, &hosted) {
                    Some(difference) => bail!(difference),
                    None => Ok(()),
                }
            }
        }
    };
    let modes = modes.iter().filter(|mode| case.bounces || !mode.bounces);
    modes.map(|mode| (mode.name.clone(), verdict(mode))).collect()
}

/// The run that the others are held against. One that does not do what the case is for proves
/// nothing.
fn native_run(bench: &Bench<'_>) -> Result<Outcome> {
    let native = bench.run(Host::Native)?;
    let ended = matches!(native.end, End::Status(status) if status.code() == Some(bench.case.code));
    // What the test programs say where one of their own checks fails.
    if !ended || native.text().contains(": not so: ") {
        bail!(
            "the native run is not as the case says: {}, standard output {:?}, error {:?}",
            native.end,
            native.text(),
            native.error_text()
        );
    }
    Ok(native)
}
