//! One run of one case, natively or under vload.

use crate::arch::Arch;
use crate::case::{Case, Mode};
use crate::confinement::Confinement;
use crate::ending;
use crate::needs::PATH;
use anyhow::{Context, Result, bail};
use std::fs::{self, File, Permissions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What all runs share.
#[derive(Clone)]
pub struct Machine {
    /// The folder that everything happens in; every user may enter it.
    pub work: PathBuf,
    /// The home of every run, below `work`: what vload keeps on disk is in its `.cache`.
    pub home: PathBuf,
    /// The vload under test, below `work`.
    pub vload: PathBuf,
    /// The scripts, below `work`.
    pub programs: PathBuf,
    /// What is tested.
    pub arch: Arch,
    /// Walks are walked whole.
    pub full: bool,
    /// How many times longer than on a usual machine a run may take.
    pub patience: u32,
}

impl Machine {
    /// A program of this crate's that runs others.
    pub fn tool(&self, name: &str) -> String {
        self.work.join("bin").join(name).display().to_string()
    }
}

/// One case, ready to be run in one mode.
pub struct Bench<'a> {
    /// What all runs share.
    pub machine: &'a Machine,
    /// The case.
    pub case: &'a Case,
    /// Its compiled programs.
    pub binaries: Vec<PathBuf>,
    /// How vload is told to run.
    pub mode: &'a Mode,
    /// Where it runs.
    pub confinement: &'a Confinement,
}

/// Who runs the program.
#[derive(Clone, Copy)]
pub enum Host<'a> {
    /// The kernel.
    Native,
    /// vload, with the options of the mode.
    Vload,
    /// These words, before the program's own.
    Words(&'a [&'a str]),
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// By itself, or by a signal.
    Status(ExitStatus),
    /// It took too long.
    TimedOut,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::TimedOut => write!(f, "timed out"),
            End::Status(status) => match (status.code(), status.signal()) {
                (Some(code), _) => write!(f, "exit code {code}"),
                (None, signal) => write!(f, "signal {}", signal.unwrap_or_default()),
            },
        }
    }
}

/// What a run left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// The files that the case compares; nothing for one that is not there.
    pub files: Vec<(String, Option<Vec<u8>>)>,
}

impl Outcome {
    /// Whether the run ended with exit code 0.
    pub fn success(&self) -> bool {
        matches!(self.end, End::Status(status) if status.success())
    }

    /// The exit code, if it ended by itself.
    pub fn code(&self) -> Option<i32> {
        match self.end {
            End::Status(status) => status.code(),
            End::TimedOut => None,
        }
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn error_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl Bench<'_> {
    /// The folder the program runs in: the same natively and under vload, so that paths in the
    /// output agree.
    pub fn folder(&self) -> PathBuf {
        self.machine.work.join("run").join(self.case.name.replace('/', "-"))
    }

    /// Replaces the placeholders in `word`.
    pub fn word(&self, word: &str) -> String {
        let mut word = word
            .replace("{dir}", &self.folder().display().to_string())
            .replace("{work}", &self.machine.work.display().to_string())
            .replace("{programs}", &self.machine.programs.display().to_string())
            .replace("{vload}", &self.machine.vload.display().to_string())
            .replace("{audit}", &self.machine.tool("audit"))
            .replace("{confine}", &self.machine.tool("confine"));
        for (index, binary) in self.binaries.iter().enumerate() {
            word = word.replace(&format!("{{{index}}}"), &binary.display().to_string());
        }
        word
    }

    /// Runs the case's command once.
    pub fn run(&self, host: Host<'_>) -> Result<Outcome> {
        let command: Vec<&str> = self.case.command.iter().map(String::as_str).collect();
        self.run_command(host, &command)
    }

    /// Runs the case's command with these words of vload's before it.
    pub fn vload(&self, words: &[&str]) -> Result<Outcome> {
        let vload = self.machine.vload.display().to_string();
        let line: Vec<&str> = [vload.as_str()].into_iter().chain(words.iter().copied()).collect();
        self.run(Host::Words(&line))
    }

    /// Runs vload with these words alone: options and a program, or a verb.
    pub fn vload_alone(&self, words: &[&str]) -> Result<Outcome> {
        let vload = self.machine.vload.display().to_string();
        self.run_command(Host::Words(&[&vload]), words)
    }

    /// Runs `words` by vload in the case's mode.
    pub fn vload_in_mode(&self, words: &[&str]) -> Result<Outcome> {
        let vload = self.machine.vload.display().to_string();
        let mut host = vec![vload.as_str()];
        host.extend(self.mode.options.iter().map(String::as_str));
        self.run_command(Host::Words(&host), words)
    }

    /// Runs `words` once, in a folder made anew.
    pub fn run_command(&self, host: Host<'_>, words: &[&str]) -> Result<Outcome> {
        let folder = self.folder();
        let logs = self.machine.work.join("logs").join(self.case.name.replace('/', "-"));
        self.prepare(&folder)?;
        // New files each time: what a run left behind may still write to those of its own.
        if logs.exists() {
            fs::remove_dir_all(&logs)?;
        }
        fs::create_dir_all(&logs)?;
        let (stdin, stdout, stderr) =
            (logs.join("stdin"), logs.join("stdout"), logs.join("stderr"));
        fs::write(&stdin, &self.case.stdin)?;
        let vload = self.machine.vload.display().to_string();
        let mut line = Vec::new();
        let is_hosted = match host {
            Host::Native => false,
            Host::Vload => true,
            Host::Words(words) => words.first() == Some(&vload.as_str()),
        };
        if is_hosted && self.mode.bounces {
            line.extend([self.machine.tool("bounce"), vload.clone()]);
        }
        let wrapper = self.case.wrapper.iter().map(String::as_str);
        let wrappers = wrapper.chain(self.confinement.words.iter().copied());
        line.extend(wrappers.map(|word| self.word(word)));
        match host {
            Host::Native => {}
            Host::Vload => {
                line.push(vload);
                line.extend(self.mode.options.iter().cloned());
                line.push("--".into());
            }
            Host::Words(words) => line.extend(words.iter().map(|word| self.word(word))),
        }
        line.extend(words.iter().map(|word| self.word(word)));
        let Some((program, arguments)) = line.split_first() else { bail!("an empty command") };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&folder)
            .stdin(File::open(&stdin)?)
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?)
            .process_group(0);
        self.environment(&mut command);
        let child = command.spawn().with_context(|| format!("cannot run {line:?}"))?;
        // Each call is a stop, and each stop takes as long as a hundred calls.
        let patience = self.machine.patience * if is_hosted && self.mode.bounces { 6 } else { 1 };
        let end = wait(child, self.case.timeout * patience)?;
        let files = self.case.files.iter().map(|&name| {
            let contents = fs::read(folder.join(name)).ok();
            (name.to_owned(), contents)
        });
        Ok(Outcome {
            end,
            files: files.collect(),
            stdout: fs::read(&stdout)?,
            stderr: fs::read(&stderr)?,
        })
    }

    /// Makes the folder anew and puts the given files there.
    fn prepare(&self, folder: &Path) -> Result<()> {
        if folder.exists() {
            put_away(folder, &self.machine.work.join("attic"))?;
        }
        fs::create_dir_all(folder)?;
        // The program may run as another user.
        fs::set_permissions(folder, Permissions::from_mode(0o777))?;
        for given in &self.case.given {
            let path = folder.join(given.name);
            let contents = match std::str::from_utf8(&given.contents) {
                Ok(text) => self.word(text).into_bytes(),
                Err(_) => given.contents.clone(),
            };
            fs::write(&path, contents)?;
            fs::set_permissions(&path, Permissions::from_mode(given.mode))?;
        }
        if let Some(script) = self.case.prepare {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-ec", &self.word(script)]).current_dir(folder).process_group(0);
            self.environment(&mut shell);
            let output = shell.output().context("cannot run /bin/sh")?;
            if !output.status.success() {
                bail!("preparing failed: {}", String::from_utf8_lossy(&output.stderr));
            }
        }
        Ok(())
    }

    /// The fixed environment: nothing of the caller's but what finds a toolchain.
    fn environment(&self, command: &mut Command) {
        let home = &self.machine.home;
        command
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", home)
            .env("LC_ALL", "C.UTF-8")
            .env("TMPDIR", "/tmp")
            .env("XDG_CACHE_HOME", home.join(".cache"));
        if let Some(emulator) = self.machine.arch.emulator() {
            command.env("QEMU_LD_PREFIX", emulator.libraries);
        }
        for (name, value) in &self.case.variables {
            command.env(name, self.word(value));
        }
    }
}

/// What this process was given besides its standard descriptors is no concern of the programs it runs: the numbers
/// they get, and how large the kernel's table is, are the same wherever they are run.
pub fn inherit_nothing() -> Result<()> {
    let first = libc::STDERR_FILENO.unsigned_abs() + 1;
    // SAFETY: close_range(2) touches no memory, and with this flag it closes nothing of this process's.
    match unsafe { libc::close_range(first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as i32) } {
        0 => Ok(()),
        _ => Err(Error::last_os_error()).context("close_range"),
    }
}

/// Waits for `child`, and kills it with its process group when it takes longer than `limit`.
fn wait(mut child: Child, limit: Duration) -> Result<End> {
    if let Some(status) = ending::within(&mut child, limit)? {
        return Ok(End::Status(status));
    }
    let group = i32::try_from(child.id()).context("a process id is an int")?;
    // SAFETY: kill(2) touches no memory; the group is the child's own, and the child is not yet waited
    // for, so that its id belongs to nobody else.
    unsafe { libc::kill(-group, libc::SIGKILL) };
    child.wait()?;
    Ok(End::TimedOut)
}

/// Removes a folder that a process which is about to end may still write in: it is out of the way at
/// once, and what such a process puts there later is removed with `attic`.
fn put_away(folder: &Path, attic: &Path) -> Result<()> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let aside = attic.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
    fs::create_dir_all(attic)?;
    fs::rename(folder, &aside).with_context(|| format!("cannot move {}", folder.display()))?;
    match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != ErrorKind::DirectoryNotEmpty => {
            Err(error).with_context(|| format!("cannot remove {}", aside.display()))
        }
        _ => Ok(()),
    }
}
