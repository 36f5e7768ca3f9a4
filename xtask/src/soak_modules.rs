//! The part of the soak that is about modules: processes of a session load, use and remove them, and are killed at any
//! instruction (`tests/soak/modules`). What the session takes of memory is looked at from outside.

use crate::{command, modules};
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The faults that the program can put in (the fifth argument of `main.c`), each of which it must find.
const FAULTS: [&str; 4] =
    ["calls that were not counted", "an open file", "a child that is left", "a file in memory"];
/// Seconds of a run that must find one.
const FAULT_SECONDS: u64 = 2;
/// What a session may have more at the end than when every module had been loaded once, in bytes: what was patched of
/// programs since, and tables.
const MORE: u64 = 4 << 20;

/// What it may have more at any moment: besides, what work in progress has of files in memory, and what killed processes have
/// left until somebody takes it.
const MOST_MORE: u64 = 8 << 20;
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Runs each fault, and then without any for some seconds.
pub fn soak(vload: &Path, folder: &Path, seed: u64, seconds: u64) -> Result<()> {
    let soak = compile(vload, folder)?;
    for (index, fault) in FAULTS.iter().enumerate() {
        let run = soak.run(seed, FAULT_SECONDS, index + 1)?;
        ensure!(run.code == Some(FOUND), "{fault} put in, and not found: {}", run.text);
        println!("modules, with {fault} put in: found");
    }
    let run = soak.run(seed, seconds, 0)?;
    if run.code != Some(0) {
        bail!("modules, seed {seed}, exit code {:?}:\n{}", run.code, run.text);
    }
    let [before, after] = run.taken.map(|bytes| bytes / 1024);
    println!("modules: {}", run.text);
    println!(
        "modules: the session takes {before} KiB with all loaded once, {after} KiB at the end, and at most {} KiB in between",
        run.most / 1024
    );
    ensure!(
        run.most <= run.taken[0] + MOST_MORE,
        "seed {seed}: the session takes {} KiB, more than {} beyond what is loaded",
        run.most / 1024,
        MOST_MORE / 1024
    );
    ensure!(run.taken[1] <= run.taken[0] + MORE, "seed {seed}: the session's memory grows");
    Ok(())
}

/// What the program exits with when it has found something.
const FOUND: i32 = 99;

struct Soak {
    vload: PathBuf,
    program: PathBuf,
    counter: PathBuf,
}

struct Run {
    code: Option<i32>,
    text: String,
    /// What the session took of memory before and after the work.
    taken: [u64; 2],
    /// The most that it took during the work, as far as was looked.
    most: u64,
}

fn compile(vload: &Path, folder: &Path) -> Result<Soak> {
    let sources = command::root().join("tests/soak/modules");
    let (program, counter) = (folder.join("modules"), folder.join("counter.so"));
    let warnings = ["-O1", "-g", "-Wall", "-Wextra", "-Werror"];
    let cc = |to: &Path, from: &str, flags: &[&str]| {
        let mut cc = Command::new("cc");
        cc.args(warnings).args(flags).arg("-o").arg(to).arg(sources.join(from));
        command::succeed(&mut cc)
    };
    cc(&program, "main.c", &[])?;
    let include = format!("-I{}", command::root().join("module/include").display());
    let flags: Vec<&str> = modules::FLAGS.split_whitespace().chain([&*include]).collect();
    cc(&counter, "counter.c", &flags)?;
    Ok(Soak { vload: vload.into(), program, counter })
}

impl Soak {
    fn run(&self, seed: u64, seconds: u64, fault: usize) -> Result<Run> {
        let mut child = Command::new(&self.vload)
            .arg("--")
            .arg(&self.program)
            .args([seed.to_string(), seconds.to_string()])
            .args([&self.vload, &self.counter])
            .arg(fault.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("the soak cannot be run")?;
        let mut answers = child.stdin.take().context("it has an input")?;
        let mut said = BufReader::new(child.stdout.take().context("it has an output")?);
        let mut text = String::new();
        let mut taken = [0; 2];
        let mut most = 0;
        for bytes in &mut taken {
            text.clear();
            let highest = while_it_works(child.id(), || said.read_line(&mut text))?;
            *bytes = session_of(child.id())?;
            most = highest.max(*bytes);
            // One that has ended is found out below.
            let _ = answers.write_all(b"\n");
        }
        drop(answers);
        let mut errors = String::new();
        child.stderr.take().context("it has an output for errors")?.read_to_string(&mut errors)?;
        let code = child.wait()?.code();
        Ok(Run { code, text: format!("{}{errors}", text.trim_end()), taken, most })
    }
}

/// The most that the session of a process takes until `wait` has come back.
fn while_it_works<T>(pid: u32, wait: impl FnOnce() -> std::io::Result<T>) -> Result<u64> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                // One that is just beginning has none yet.
                most = most.max(session_of(pid).unwrap_or(0));
                thread::sleep(LOOK);
            }
            most
        });
        let waited = wait();
        over.store(true, Ordering::Relaxed);
        let most = looks.join().map_err(|_| anyhow!("who looks has given up"))?;
        waited.context("nothing more is said")?;
        Ok(most)
    })
}

/// Bytes of memory that the session of a process takes: its descriptor is the largest of vload's that are files in memory.
fn session_of(pid: u32) -> Result<u64> {
    let (mut size, mut taken) = (0, 0);
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let path = entry?.path();
        if !fs::read_link(&path)?.to_string_lossy().starts_with("/memfd:vload") {
            continue;
        }
        let file = fs::metadata(&path)?;
        if file.size() > size {
            (size, taken) = (file.size(), file.blocks() * 512);
        }
    }
    ensure!(taken != 0, "process {pid} has no session");
    Ok(taken)
}
