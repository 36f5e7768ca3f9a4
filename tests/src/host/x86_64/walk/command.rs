//! The command line of `walk`.

use super::{Found, Outcome, Places, Share, Walker, walk};
use anyhow::{Context, Result};
use clap::Parser;
use std::collections::BTreeSet;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::ExitCode;

/// Walks a program natively and under vload and compares what a signal at each instruction does.
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
    /// Print every outcome
    #[arg(long)]
    verbose: bool,
    /// The program to walk and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Reads the command line, walks, and tells what was found.
pub fn main() -> ExitCode {
    match compare(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("walk: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything that happens under vload happens natively too.
fn compare(options: &Options) -> Result<bool> {
    stay_on_one_processor();
    let native = options.command.clone();
    let mut hosted = vec![options.vload.clone().into_os_string()];
    hosted.extend(options.with.iter().map(OsString::from));
    hosted.push("--".into());
    hosted.extend(native.iter().cloned());

    let mut walker = walker(options, &native)?;
    let natively = walk(&mut walker, Share::ALL).context("natively")?;
    let possible: BTreeSet<&Outcome> =
        natively.outcomes.keys().chain([&natively.undisturbed]).collect();
    let mut walker = self::walker(options, &hosted)?;
    let (first, stride) = (options.first, options.stride.max(1));
    let share = Share { first, stride, distinct: options.distinct };
    let under = walk(&mut walker, share).context("under vload")?;
    if options.verbose {
        show("native", &natively, &walker.places);
        show("under vload", &under, &walker.places);
    }
    let mut holds = true;
    if !possible.contains(&under.undisturbed) {
        println!("undisturbed, natively: {}", natively.undisturbed);
        println!("undisturbed, under vload: {}", under.undisturbed);
        holds = false;
    }
    for (outcome, places) in &under.outcomes {
        if !possible.contains(outcome) {
            holds = false;
            println!("not native, at {} of {} points: {outcome}", places.len(), under.points);
            for place in places.iter().collect::<BTreeSet<_>>().iter().take(20) {
                println!("    {}", walker.places.name(**place));
            }
        }
    }
    println!(
        "{} points natively, {} outcomes; {} under vload, {} outcomes{}",
        natively.points,
        natively.outcomes.len(),
        under.points,
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
