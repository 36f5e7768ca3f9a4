//! `cargo xtask bench`: what vload costs, as ratios to native.
//!
//! Machines are shared and their clocks change, so two runs are compared only when they were made
//! in turn: every round runs each measurement natively and under vload, the one that goes first
//! alternating, and what is reported is the median of the rounds' ratios.

use crate::arch::Arch;
use crate::build;
use crate::command::{self, find_program, succeed};
use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Options of `cargo xtask bench`.
#[derive(Args)]
pub struct Options {
    /// How many rounds to take the median of
    #[arg(long, default_value_t = 31)]
    rounds: usize,
    /// Only the measurements whose name contains this
    #[arg(long)]
    filter: Option<String>,
    /// Also write the figures to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// How the time of one run is told.
#[derive(Clone, Copy)]
enum Clock {
    /// From start to end, divided by the number of starts.
    Outside { repeat: u32 },
    /// By the program itself, which prints the nanoseconds of one step: its start does not count.
    Inside,
}

/// One thing that is measured.
struct Measurement {
    name: &'static str,
    clock: Clock,
    /// vload's own.
    options: &'static [&'static str],
    command: Vec<String>,
}

/// The medians of one measurement.
struct Figures {
    name: &'static str,
    native: f64,
    vload: f64,
    ratio: f64,
}

/// Measures and prints a table.
pub fn bench(options: &Options) -> Result<()> {
    let vload = build::vload(Arch::X86_64, false, false)?;
    let loops = compile_loops()?;
    let mut table = Vec::new();
    println!("{:<22} {:>14} {:>14} {:>8}", "", "native ns", "vload ns", "ratio");
    for measurement in measurements(&loops) {
        if options.filter.as_deref().is_some_and(|part| !measurement.name.contains(part)) {
            continue;
        }
        let figures = measure(&measurement, &vload, options.rounds)?;
        println!(
            "{:<22} {:>14.1} {:>14.1} {:>8.3}",
            figures.name, figures.native, figures.vload, figures.ratio
        );
        table.push(figures);
    }
    if let Some(file) = &options.json {
        let rows: Vec<_> = table
            .iter()
            .map(|row| {
                json!({
                    "name": row.name,
                    "native_ns": row.native,
                    "vload_ns": row.vload,
                    "ratio": row.ratio,
                })
            })
            .collect();
        let text = json!({ "rounds": options.rounds, "measurements": rows }).to_string();
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn measurements(loops: &Path) -> Vec<Measurement> {
    let inside = |name, word: &str, count: &str| Measurement {
        name,
        clock: Clock::Inside,
        options: &[],
        command: vec![loops.display().to_string(), word.into(), count.into()],
    };
    let outside = |name, repeat, command: &[&str]| Measurement {
        name,
        clock: Clock::Outside { repeat },
        options: &[],
        command: command.iter().map(|word| (*word).into()).collect(),
    };
    let with = |name, options| Measurement { options, ..inside(name, "getppid", "300000") };
    vec![
        outside("start of /bin/true", 20, &["/bin/true"]),
        inside("getppid", "getppid", "1000000"),
        inside("unknown call", "unknown", "1000000"),
        inside("read of 1 byte", "read", "500000"),
        inside("clock_gettime", "clock", "3000000"),
        inside("clock_gettime, coarse", "clock, coarse", "10000000"),
        with("getppid, wanted", &["-m", "forward"]),
        with("getppid, watched", &["--watch=always"]),
        with("both", &["--watch=always", "-m", "forward"]),
        inside("getppid, one region", "beside", "300000"),
        inside("in generated code", "generated", "30000"),
        inside("fork and exec", "forkexec", "50"),
        outside("tar /usr/include", 1, &["tar", "-cf", "-", "-C", "/usr/include", "."]),
        outside("find /usr/share", 1, &["find", "/usr/share", "-type", "f", "-size", "+1"]),
    ]
}

/// Compiles the program whose loops are timed.
fn compile_loops() -> Result<PathBuf> {
    let folder = command::target_dir().join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let binary = folder.join("loops");
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-o"]).arg(&binary).arg(command::root().join("xtask/bench/loops.c"));
    succeed(&mut cc)?;
    Ok(binary)
}

fn measure(measurement: &Measurement, vload: &Path, rounds: usize) -> Result<Figures> {
    let program = measurement.command.first().context("an empty command")?;
    let program = find_program(program).with_context(|| format!("{program} is not installed"))?;
    let native = || {
        let mut command = Command::new(&program);
        command.args(measurement.command.iter().skip(1));
        time(&mut command, measurement.clock)
    };
    let hosted = || {
        let mut command = Command::new(vload);
        command
            .args(measurement.options)
            .arg("--")
            .arg(&program)
            .args(measurement.command.iter().skip(1));
        time(&mut command, measurement.clock)
    };
    // The first run of each fills the page cache and vload's own.
    native()?;
    hosted()?;
    let mut natives = Vec::new();
    let mut hosteds = Vec::new();
    let mut ratios = Vec::new();
    for round in 0..rounds.max(1) {
        let (native, hosted) = if round % 2 == 0 {
            let native = native()?;
            (native, hosted()?)
        } else {
            let hosted = hosted()?;
            (native()?, hosted)
        };
        natives.push(native);
        hosteds.push(hosted);
        ratios.push(hosted / native);
    }
    Ok(Figures {
        name: measurement.name,
        native: median(natives),
        vload: median(hosteds),
        ratio: median(ratios),
    })
}

/// The nanoseconds of one step of `command`.
fn time(command: &mut Command, clock: Clock) -> Result<f64> {
    match clock {
        Clock::Inside => {
            let text = command::output(command)?;
            text.trim().parse().with_context(|| format!("no number in {text:?}"))
        }
        Clock::Outside { repeat } => {
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let start = Instant::now();
            for _ in 0..repeat {
                succeed(command)?;
            }
            Ok(start.elapsed().as_secs_f64() * 1e9 / f64::from(repeat))
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (Some(value), 1) => *value,
        (Some(upper), _) => (upper + values.get(middle.wrapping_sub(1)).unwrap_or(upper)) / 2.0,
        (None, _) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
