//! The command line of `walk`.

use super::{Found, Outcome, Places, Share, Walker, walk};
use anyhow::{Context, Result};
use clap::Parser;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Walks a program natively and under vload and compares what a signal at each instruction does; or, with `--killed`, only
/// under vload, and kills at each.
#[derive(Parser)]
struct Options {
    /// The vload under test
    #[arg(long)]
    vload: PathBuf,
    /// An option of vload's, or the words of a verb
    #[arg(long = "with", allow_hyphen_values = true)]
    with: Vec<String>,
    /// Signals to send at each point, as numbers, in this order
    #[arg(long, value_delimiter = ',', default_value = "10")]
    signals: Vec<i32>,
    /// Under vload, only every N-th point
    #[arg(long, default_value_t = 1)]
    stride: usize,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    first: usize,
    /// Each address only when the walk comes to it for the first time
    #[arg(long)]
    distinct: bool,
    /// An unstripped build of the same vload, for its symbols
    #[arg(long)]
    symbols: Option<PathBuf>,
    /// Kill, and expect one of the outputs that are given so, each of which must come
    #[arg(long)]
    killed: Vec<String>,
    /// Print every outcome
    #[arg(long)]
    verbose: bool,
    /// The program to walk and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Reads the command line, walks, and tells what was found.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let holds = if options.killed.is_empty() { compare(&options) } else { kill(&options) };
    match holds {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("walk: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// The program's words under vload.
fn hosted(options: &Options) -> Vec<OsString> {
    let vload = options.vload.clone().into_os_string();
    let own = [vload].into_iter().chain(options.with.iter().map(OsString::from));
    own.chain(["--".into()]).chain(options.command.iter().cloned()).collect()
}

fn share(options: &Options) -> Share {
    Share { first: options.first, stride: options.stride.max(1), distinct: options.distinct }
}

/// Whether a program that is killed at any instruction leaves what it may leave.
fn kill(options: &Options) -> Result<bool> {
    stay_on_one_processor();
    let mut walker = walker(options, &hosted(options))?;
    walker.signals = vec![libc::SIGKILL];
    walker.limit = Duration::from_secs(120);
    let found = walk(&mut walker, share(options))?;
    if options.verbose {
        show("under vload", &found, &walker.places);
    }
    let shown = |outcome: &Outcome| format!("{}: {}", outcome.end, outcome.output.trim_end());
    let wanted: Vec<String> =
        options.killed.iter().map(|output| format!("exit 0: {output}")).collect();
    let mut holds = wanted.contains(&shown(&found.undisturbed));
    if !holds {
        println!("not expected, where nothing is killed: {}", found.undisturbed);
    }
    for (outcome, places) in &found.outcomes {
        if !wanted.contains(&shown(outcome)) {
            holds = false;
            println!("not expected, at {} of {} points: {outcome}", places.len(), found.points);
            name(places, &walker.places);
        }
    }
    let seen: BTreeSet<String> =
        found.outcomes.keys().chain([&found.undisturbed]).map(shown).collect();
    for outcome in wanted.iter().filter(|outcome| !seen.contains(*outcome)) {
        holds = false;
        println!("never: {outcome}");
    }
    println!("killed at {} points, {} outcomes", found.points, found.outcomes.len());
    Ok(holds)
}

/// Prints some of the places.
fn name(at: &[u64], places: &Places) {
    let mut times = BTreeMap::new();
    for &place in at {
        *times.entry(place).or_insert(0) += 1;
    }
    for (place, times) in times.into_iter().take(20) {
        println!("    {} ({times})", places.name(place));
    }
}

/// Whether everything that happens under vload happens natively too.
fn compare(options: &Options) -> Result<bool> {
    stay_on_one_processor();
    let native = options.command.clone();

    let mut walker = walker(options, &native)?;
    let natively = walk(&mut walker, Share::ALL).context("natively")?;
    let mut walker = self::walker(options, &hosted(options))?;
    let under = walk(&mut walker, share(options)).context("under vload")?;
    if options.verbose {
        show("native", &natively, &walker.places);
        show("under vload", &under, &walker.places);
    }
    let mut holds = true;
    if natively.undisturbed != under.undisturbed {
        println!("undisturbed, natively: {}", natively.undisturbed);
        println!("undisturbed, under vload: {}", under.undisturbed);
        holds = false;
    }
    for (outcome, places) in &under.outcomes {
        // A signal that is lost leaves what a run has that nobody sends one.
        if !natively.outcomes.contains_key(outcome) {
            holds = false;
            println!("not native, at {} of {} points: {outcome}", places.len(), under.points);
            name(places, &walker.places);
        }
    }
    println!(
        "{} points natively, {} outcomes; {} under vload, {} not come to, {} outcomes{}",
        natively.points,
        natively.outcomes.len(),
        under.points,
        under.missed,
        under.outcomes.len(),
        if holds { "" } else { ": NOT NATIVE" }
    );
    Ok(holds)
}

fn walker(options: &Options, words: &[OsString]) -> Result<Walker> {
    let argv: Result<Vec<CString>, _> =
        words.iter().map(|word| CString::new(word.as_bytes())).collect();
    let environment: Result<Vec<CString>, _> = std::env::vars_os()
        .map(|(name, value)| {
            let mut line = name.into_vec();
            line.push(b'=');
            line.extend(value.into_vec());
            CString::new(line)
        })
        .collect();
    let places = Places::with_symbols(options.symbols.as_deref());
    Ok(Walker::new(argv?, environment?, options.signals.clone(), places))
}

fn show(what: &str, found: &Found, places: &Places) {
    println!("{what}: undisturbed {}", found.undisturbed);
    for (outcome, at) in &found.outcomes {
        println!("{what}: {} times, first at {}: {outcome}", at.len(), places.name(at[0]));
    }
}

/// A step costs two switches between tracer and program: within one processor they are cheap.
fn stay_on_one_processor() {
    // SAFETY: the set is ours. A failure only costs time.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(libc::sched_getcpu().max(0) as usize, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
    }
}
