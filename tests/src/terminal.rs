//! A shell on a pseudo terminal, and somebody who types.

use crate::ending;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// What the shell prints when it waits for a command.
const PROMPT: &str = "<ready> ";

/// A shell that was started on a terminal of its own.
pub struct Terminal {
    ours: File,
    child: Child,
    until: Instant,
}

fn checked(result: i32) -> Result<i32> {
    if result < 0 { Err(std::io::Error::last_os_error().into()) } else { Ok(result) }
}

/// Both ends of a new pseudo terminal.
fn pair() -> Result<(OwnedFd, OwnedFd)> {
    let (mut ours, mut theirs) = (-1, -1);
    let none = std::ptr::null_mut();
    // SAFETY: both descriptors are written, and what is null is not looked at (openpty(3)).
    checked(unsafe { libc::openpty(&mut ours, &mut theirs, none, none.cast(), none.cast()) })
        .context("no pseudo terminal")?;
    // SAFETY: the two are new and nobody else's.
    Ok(unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) })
}

impl Terminal {
    /// Starts a shell that takes `PS1` from its environment, and waits for its prompt.
    pub fn start(
        words: &[String],
        variables: &[(&str, &str)],
        folder: &Path,
        patience: Duration,
    ) -> Result<Self> {
        let (ours, theirs) = pair()?;
        let (program, arguments) = words.split_first().context("no command")?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).env_clear();
        command.envs(variables.iter().copied()).env("PS1", PROMPT).env("TERM", "dumb");
        command.env("LC_ALL", "C.UTF-8").env("HISTFILE", "/dev/null");
        command.stdin(theirs.try_clone()?).stdout(theirs.try_clone()?).stderr(theirs);
        // SAFETY: setsid(2) and ioctl(2) may be called in a child of fork; the descriptor 0 is the terminal.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().with_context(|| format!("cannot run {words:?}"))?;
        // The command holds the other end as long as it lives.
        drop(command);
        let mut terminal = Self { ours: ours.into(), child, until: Instant::now() + patience };
        terminal.until_prompt()?;
        Ok(terminal)
    }

    /// Types a line, and gives what is printed until the shell waits for the next.
    pub fn types(&mut self, line: &str) -> Result<String> {
        self.ours.write_all(format!("{line}\n").as_bytes())?;
        let text = self.until_prompt().with_context(|| format!("after {line:?}"))?;
        // The terminal shows what is typed.
        let (typed, printed) = text.split_once('\n').unwrap_or((&text, ""));
        if typed != line {
            bail!("typed {line:?}, and the terminal shows {typed:?}");
        }
        Ok(printed.into())
    }

    /// Types the end of the input: how the shell ends.
    pub fn end(mut self) -> Result<Option<i32>> {
        self.ours.write_all(b"exit\n")?;
        let mut rest = Vec::new();
        while self.read(&mut rest)? {}
        let left = self.until.saturating_duration_since(Instant::now());
        Ok(ending::within(&mut self.child, left)?.and_then(|status| status.code()))
    }

    fn until_prompt(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(PROMPT.as_bytes()) {
            if !self.read(&mut bytes)? {
                bail!("the shell is gone: {}", String::from_utf8_lossy(&bytes));
            }
        }
        bytes.truncate(bytes.len() - PROMPT.len());
        Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
    }

    /// Reads what there is, waiting for something: whether the other end is still there.
    fn read(&mut self, to: &mut Vec<u8>) -> Result<bool> {
        let left = self.until.saturating_duration_since(Instant::now());
        let mut wanted =
            libc::pollfd { fd: self.ours.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let patience = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: one structure, which is ours.
        if checked(unsafe { libc::poll(&mut wanted, 1, patience) })? == 0 {
            bail!("it takes too long; so far: {}", String::from_utf8_lossy(to));
        }
        let mut buffer = [0; 4096];
        match self.ours.read(&mut buffer) {
            Ok(0) => Ok(false),
            Ok(length) => {
                to.extend_from_slice(&buffer[..length]);
                Ok(true)
            }
            // What a terminal gives when nobody has its other end any more (pty(7)).
            Err(error) if error.raw_os_error() == Some(libc::EIO) => Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // The child is not waited for yet, so its id is nobody else's; its group is its own.
            // SAFETY: kill(2) touches no memory.
            unsafe { libc::kill(-self.child.id().cast_signed(), libc::SIGKILL) };
            let _ = self.child.wait();
        }
    }
}
