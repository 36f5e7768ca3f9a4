//! `cargo xtask soak`: random work on processes, threads and signals, whose own checker finds what is lost,
//! doubled or left behind (`tests/soak`); and on the modules of a session (`soak_modules.rs`).

use crate::arch::Arch;
use crate::{build, command, soak_modules};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Options of `cargo xtask soak`.
#[derive(Args)]
pub struct Options {
    /// How long, under vload: processes as long as modules
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// What the random work begins with; another one each time if it is not given
    #[arg(long)]
    seed: Option<u64>,
    /// Only one part
    #[arg(long)]
    part: Option<Part>,
}

/// What the work is about.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Processes, threads and signals
    Processes,
    /// Modules in a session
    Modules,
}

/// The faults that the program can put in (`enum spoil` of soak.h) and that it finds itself.
const FAULTS: [&str; 8] = [
    "a lost signal",
    "a doubled signal",
    "a wrong status",
    "a zombie",
    "a descriptor left open",
    "memory that grows",
    "mappings that grow",
    "a process that hangs",
];
/// One that only the comparison with what a layer has counted finds.
const UNCOUNTED: usize = FAULTS.len() + 1;
/// What the program exits with when it has found something.
const FOUND: i32 = 99;
/// The longest that a fault may take to be found, in seconds.
const FAULT_SECONDS: u64 = 120;

/// Runs the soak natively, with each fault put in, and under vload.
pub fn soak(options: &Options) -> Result<()> {
    let vload = build::vload(Arch::X86_64, false, false)?;
    let folder = command::target_dir().join("soak");
    fs::create_dir_all(&folder)?;
    let clock = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let seed = options.seed.unwrap_or(clock);
    let seconds = options.minutes * 60;
    println!("seed {seed}");
    if options.part != Some(Part::Processes) {
        soak_modules::soak(&vload, &folder, seed, seconds)?;
    }
    if options.part != Some(Part::Modules) {
        processes(&vload, &folder, seed, seconds)?;
    }
    println!("no finding in {} minutes", options.minutes);
    Ok(())
}

fn processes(vload: &Path, folder: &Path, seed: u64, seconds: u64) -> Result<()> {
    let program = compile(folder)?;
    let soak = Soak { program, seed, counts: folder.join("counts") };
    println!("natively: {}", soak.clean(&[], (seconds / 10).clamp(10, 60))?);
    for (index, fault) in FAULTS.iter().enumerate() {
        let (code, text) = soak.run(&[], FAULT_SECONDS, index + 1)?;
        ensure!(code == Some(FOUND), "{fault} was put in, and not found: {text}");
        println!("natively, with {fault} put in: found");
    }
    let shown = vload.display().to_string();
    let count = format!("count:file={}", soak.counts.display());
    let layers = [&shown, "-m", "forward", "-m", &count, "--"];
    let (_, text) = soak.run(&layers, 5, UNCOUNTED)?;
    ensure!(soak.agrees(&text).is_err(), "processes that are not there were put in, and not found");
    println!("under vload, with processes put in that are not there: found");

    println!("under vload: {}", soak.clean(&[&shown, "--"], seconds / 2)?);
    let text = soak.clean(&layers, seconds - seconds / 2)?;
    println!("under vload -m forward: {text}");
    println!("counted by a layer: {}", soak.agrees(&text)?);
    Ok(())
}

fn compile(folder: &Path) -> Result<PathBuf> {
    let program = folder.join("soak");
    let mut sources: Vec<PathBuf> = fs::read_dir(command::root().join("tests/soak"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    sources.retain(|path| path.extension().is_some_and(|ending| ending == "c"));
    let mut cc = Command::new("cc");
    cc.args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"]).arg(&program);
    command::succeed(cc.args(sources))?;
    Ok(program)
}

struct Soak {
    program: PathBuf,
    seed: u64,
    /// Where a layer's table goes.
    counts: PathBuf,
}

impl Soak {
    /// Runs the program for some seconds; gives its exit code and all that it has said.
    fn run(&self, before: &[&str], seconds: u64, fault: usize) -> Result<(Option<i32>, String)> {
        let program = self.program.display().to_string();
        let words: Vec<&str> = before.iter().copied().chain([program.as_str()]).collect();
        let (first, rest) = words.split_first().context("there is a program")?;
        let mut command = Command::new(first);
        command.args(rest).args([self.seed.to_string(), seconds.to_string(), fault.to_string()]);
        let output = command.output().context("the soak cannot be run")?;
        let text = [output.stdout, output.stderr].concat();
        Ok((output.status.code(), String::from_utf8_lossy(&text).trim().to_owned()))
    }

    /// A run in which nothing may be found; gives what it has done.
    fn clean(&self, before: &[&str], seconds: u64) -> Result<String> {
        let (code, text) = self.run(before, seconds, 0)?;
        if code != Some(0) {
            bail!("seed {}, exit code {code:?}:\n{text}", self.seed);
        }
        Ok(text)
    }

    /// Whether the layer has counted what the program has done. A process may be killed after the kernel has
    /// started its child or its new program, and before it could say so itself.
    fn agrees(&self, said: &str) -> Result<String> {
        let table = fs::read_to_string(&self.counts).context("no counts")?;
        let total = table.lines().last().context("an empty table")?;
        let own =
            |name: &str| number_behind(said, name).with_context(|| format!("no {name}: {said}"));
        let theirs =
            |name| number_before(total, name).with_context(|| format!("no {name}: {total}"));
        let (kills, doomed) = (own("kills")?, own("doomed")?);
        for (name, least, more, counted) in [
            ("started", own("started")?, kills, theirs("started")?),
            ("processes", own("started")? + 1, kills, theirs("processes")?),
            ("execs", own("execs")?, doomed, theirs("execs")?),
        ] {
            ensure!(
                (least..=least + more).contains(&counted),
                "{name}: {counted} counted, {least} to {} done\n{said}\n{total}",
                least + more
            );
        }
        Ok(total.into())
    }
}

/// The number of `NAME number`.
fn number_behind(text: &str, name: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

/// The number of `number NAME`.
fn number_before(text: &str, name: &str) -> Option<u64> {
    let is_part = |c: char| !c.is_ascii_alphanumeric();
    let words: Vec<&str> = text.split(is_part).filter(|word| !word.is_empty()).collect();
    words.windows(2).find(|pair| pair[1] == name)?[0].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{number_before, number_behind};

    #[test]
    fn numbers_by_their_names() {
        let said = "rounds 7 started 12 execs 3";
        assert_eq!(number_behind(said, "started"), Some(12));
        assert_eq!(number_behind(said, "kills"), None);
        let total = "total: 13 processes (12 started), 3 execs, 20 threads, 99 calls";
        assert_eq!(number_before(total, "processes"), Some(13));
        assert_eq!(number_before(total, "started"), Some(12));
        assert_eq!(number_before(total, "signals"), None);
    }
}
