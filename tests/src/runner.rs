//! Every case in every mode, two at a time, and the count of what passed.

use crate::arch::Arch;
use crate::case::{Case, Mode};
use crate::confinement::Confinement;
use crate::execute::Machine;
use crate::programs::Build;
use crate::repeat::{Settled, TOLERATED, settled};
use crate::verdict::Round;
use anyhow::{Context, Result, anyhow, bail};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
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
    /// Where cases run, first of all [`Confinement::NONE`]; in the others with the first mode.
    pub confinements: Vec<Confinement>,
    /// Cases that take long are run in every confinement too.
    pub confine_all: bool,
    /// A case that cannot run is a failure.
    pub require_all: bool,
    /// Walks are walked whole, not a share of their points.
    pub full: bool,
    /// How many times longer than on a usual machine a run may take.
    pub patience: u32,
    /// How many cases run at once.
    pub jobs: usize,
    /// How often a run that failed is made again (`repeat.rs`).
    pub again: usize,
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
    /// Those that failed once, and not when they were made again.
    pub unsteady: usize,
    /// By confinement, how many runs were held against a native one, and in how many of these the
    /// program did natively what its case is for.
    pub compared: BTreeMap<&'static str, (usize, usize)>,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.unsteady += other.unsteady;
        for (name, (runs, worked)) in other.compared {
            let counts = self.compared.entry(name).or_default();
            *counts = (counts.0 + runs, counts.1 + worked);
        }
    }

    /// A few that are unsteady are told, more are a failure.
    fn judge_unsteady(&mut self) {
        if self.unsteady != 0 {
            println!(
                "{} unsteady: each failed once and passed when it was made again",
                self.unsteady
            );
        }
        if self.unsteady > TOLERATED {
            println!("FAILED: more than {TOLERATED} are unsteady");
            self.failed += 1;
        }
    }

    fn note(&mut self, confinement: &'static str, works_natively: Option<bool>) {
        let Some(works) = works_natively else { return };
        let (runs, worked) = self.compared.entry(confinement).or_default();
        *runs += 1;
        *worked += usize::from(works);
    }

    /// Says what the comparison in each confinement is worth. One in which most programs do
    /// nothing natively shows nothing, and is a failure when all were run.
    fn judge_confinements(&mut self, all: bool) {
        for (name, (runs, worked)) in &self.compared {
            println!("under {name}: {runs} runs compared, {worked} of them work natively");
            if all && worked * 2 < *runs {
                println!("FAILED {name}: most programs do not work there natively");
                self.failed += 1;
            }
        }
    }
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
                    tally.lock().unwrap_or_else(|error| error.into_inner()).add(part);
                }
            });
        }
    });
    if plan.keep {
        println!("left behind: {}", work.display());
    } else if let Err(error) = fs::remove_dir_all(&work) {
        println!("cannot remove {}: {error}", work.display());
    }
    let mut tally = tally.into_inner().unwrap_or_else(|error| error.into_inner());
    tally.judge_unsteady();
    tally.judge_confinements(plan.filter.is_none() && plan.suite.is_none());
    Ok(tally)
}

impl Plan {
    /// Where a case runs. What takes long is in the full matrix only.
    fn confinements_of(&self, case: &Case) -> &[Confinement] {
        let all = case.every_mode || self.confine_all;
        if all { &self.confinements } else { self.confinements.get(..1).unwrap_or_default() }
    }

    fn takes(&self, case: &Case) -> bool {
        let suite = case.name.split('/').next().unwrap_or_default();
        case.arches.contains(&self.arch)
            && self.filter.as_ref().is_none_or(|part| case.name.contains(part.as_str()))
            && self.suite.as_ref().is_none_or(|wanted| wanted == suite)
    }
}

/// Where the sources of the programs are.
pub(crate) fn sources() -> PathBuf {
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
    let home = work.join("home");
    for folder in [work, &programs, &work.join("bin"), &home] {
        make(folder)?;
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
    // The program for modules; the library, where the architecture has it; the modules.
    let beside = plan.vload.parent().context("a program lies in a folder")?;
    for entry in fs::read_dir(beside)? {
        let path = entry?.path();
        if path.ends_with("vload-tool") || path.extension().is_some_and(|end| end == "so") {
            copy(&path, &work.join("bin").join(path.file_name().unwrap_or_default()))?;
        }
    }
    // As `cargo xtask build` leaves it.
    symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("../module"), work.join("bin/module"))?;
    let work = work.into();
    let (arch, full, patience) = (plan.arch, plan.full, plan.patience);
    Ok(Machine { work, home, vload, programs, arch, full, patience })
}

/// Makes a folder that every user may enter.
pub(crate) fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(fs::set_permissions(folder, Permissions::from_mode(0o755))?)
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
    let missing = case.needs.iter().find_map(|need| Some((need.missing()?, need.is_extra())));
    let binaries = match (missing, built) {
        (None, Ok(binaries)) => binaries,
        (missing, built) => {
            let (why, extra) = missing.unwrap_or_else(|| (built.err().unwrap_or_default(), false));
            if plan.require_all && !extra {
                tally.failed = 1;
                println!("FAILED {}: not run: {why}", case.name);
            } else {
                println!("not run {}: {why}", case.name);
            }
            return tally;
        }
    };
    // Modes that fail in the same way are named together.
    let mut failures: Vec<(String, Vec<String>)> = Vec::new();
    let mut failed = |mode: String, error: anyhow::Error| {
        let error = format!("{error:#}");
        match failures.iter_mut().find(|(other, _)| *other == error) {
            Some((_, modes)) => modes.push(mode),
            None => failures.push((error, vec![mode])),
        }
    };
    for confinement in plan.confinements_of(case) {
        if case.unfit.contains(&confinement.name) {
            continue;
        }
        let free = confinement.name == Confinement::NONE.name;
        let modes = if case.every_mode && free {
            plan.modes.as_slice()
        } else {
            plan.modes.get(..1).unwrap_or_default()
        };
        if let Some(why) = confinement.missing() {
            if plan.require_all {
                failed(confinement.name.into(), anyhow!("not run: {why}"));
            } else {
                println!("not run {} under {}: {why}", case.name, confinement.name);
            }
            continue;
        }
        let round = Round { machine, case, binaries: &binaries, confinement };
        for verdict in settled(&round, modes, plan.again) {
            let mode = verdict.mode;
            let name = if free { mode } else { format!("{mode} under {}", confinement.name) };
            match verdict.outcome {
                Settled::Passed => tally.passed += 1,
                Settled::Unsteady(error) => {
                    println!("UNSTEADY {} [{name}]: {error:#}", case.name);
                    tally.unsteady += 1;
                }
                Settled::Failed(error) => failed(name, error),
            }
            tally.note(confinement.name, verdict.works_natively);
        }
    }
    tally.failed = failures.iter().map(|(_, modes)| modes.len()).sum();
    for (error, modes) in failures {
        println!("FAILED {} [{}]: {error}", case.name, modes.join("] ["));
    }
    if tally.failed == 0 {
        let seconds = start.elapsed().as_secs_f32();
        println!("ok {} ({} runs, {seconds:.1} s)", case.name, tally.passed);
    }
    tally
}
