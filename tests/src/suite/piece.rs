//! A part of a suite that is one process, and what its cases came to.

use crate::ending;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A part of a suite.
pub struct Piece {
    /// Its name.
    pub name: String,
    /// The program and its arguments; `{dir}` stands for the folder that it may write in.
    pub command: Vec<String>,
    /// Where it runs; in a folder of its own if this is none.
    pub folder: Option<PathBuf>,
    /// Variables beyond the fixed environment.
    pub variables: Vec<(&'static str, String)>,
    /// Whether it runs as nobody, because it refuses to run as root.
    pub unprivileged: bool,
    /// How long it may take.
    pub limit: Duration,
    /// Reads the cases that passed out of the output and the folder that it wrote in.
    pub passed: fn(&str, &Path) -> BTreeSet<String>,
    /// Whether it is in the share that runs without `--full`.
    pub share: bool,
    /// What it says instead of passing under a layer that takes every call: a limit that docs/limits.md explains.
    pub limited: Option<&'static str>,
    /// What must be done before it can run.
    pub prepare: Option<Box<Prepare>>,
}

/// Makes what a piece runs.
pub type Prepare = dyn Fn(&Piece) -> Result<()>;

/// What one run of a piece came to.
pub struct Outcome {
    /// The cases that passed.
    pub passed: BTreeSet<String>,
    /// The exit code; none when a signal or the limit has ended it.
    pub code: Option<i32>,
    /// How long it took.
    pub took: Duration,
}

const NOBODY: u32 = 65534;

impl Piece {
    /// Runs the piece with these words before its own. What it writes goes to `log`, and it has
    /// `scratch` for itself.
    pub fn run(&self, before: &[String], log: &Path, scratch: &Path) -> Result<Outcome> {
        let dir = scratch.join("dir");
        if dir.exists() {
            fs::remove_dir_all(&dir).context("what the last run left cannot be removed")?;
        }
        fs::DirBuilder::new().mode(0o700).create(&dir)?;
        let output = File::create(log).with_context(|| format!("{}", log.display()))?;
        let mut words = before.to_vec();
        if self.unprivileged {
            std::os::unix::fs::chown(&dir, Some(NOBODY), Some(NOBODY))?;
            let ids = ["--reuid", "--regid"].map(|id| format!("{id}={NOBODY}"));
            words.extend(["setpriv".to_owned(), "--clear-groups".into()].into_iter().chain(ids));
        }
        words.extend(self.command.iter().map(|word| word.replace("{dir}", &dir.to_string_lossy())));
        // In namespaces of its own: some cases signal every process that they can see, and all that
        // a piece leaves behind ends with it.
        let mut command = Command::new("unshare");
        command
            .args(["--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--"])
            .args(words);
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        for (name, value) in [
            ("HOME", dir.as_os_str()),
            ("TMPDIR", dir.as_os_str()),
            ("XDG_CACHE_HOME", scratch.join("cache").as_os_str()),
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".as_ref()),
            ("LC_ALL", "C.UTF-8".as_ref()),
        ] {
            command.env(name, value);
        }
        command.current_dir(self.folder.as_ref().unwrap_or(&dir)).process_group(0);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let begin = Instant::now();
        let mut child = command.spawn().context("unshare cannot be run")?;
        let status = match ending::within(&mut child, self.limit)? {
            Some(status) => status,
            None => {
                child.kill()?;
                child.wait()?
            }
        };
        let text = String::from_utf8_lossy(&fs::read(log)?).into_owned();
        let passed = (self.passed)(&text, &dir);
        Ok(Outcome { passed, code: status.code(), took: begin.elapsed() })
    }
}
