//! Starting what is followed, and ending as it did.

use super::{Pid, install_filter, seize};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::io::{Error, Read, Write, pipe};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, exit};

/// Starts `words` as a child that this process traces.
pub fn launch(words: &[OsString]) -> Result<Pid> {
    let (mut reader, mut writer) = pipe().context("no pipe")?;
    // SAFETY: this process has one thread, so the child may do what it could.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        bail!("cannot fork: {}", Error::last_os_error());
    }
    if pid == 0 {
        drop(writer);
        let error = match reader.read_exact(&mut [0]) {
            Ok(()) => start(words),
            // The tracer said why.
            Err(_) => exit(125),
        };
        eprintln!("{error:#}");
        exit(125);
    }
    drop(reader);
    seize(pid)?;
    writer.write_all(&[1]).context("the child is gone")?;
    Ok(pid)
}

/// Becomes the program, every call of which stops. Comes back when that cannot be done.
pub fn start(words: &[OsString]) -> anyhow::Error {
    let Some((program, arguments)) = words.split_first() else {
        return anyhow::anyhow!("no program");
    };
    if let Err(error) = install_filter() {
        return anyhow::Error::new(error).context("cannot install a filter");
    }
    let error = Command::new(program).args(arguments).exec();
    anyhow::Error::new(error).context(format!("cannot run {}", program.display()))
}

/// Ends this process as another has ended, by its status of wait(2).
pub fn end_as(status: i32) -> ExitCode {
    if libc::WIFSIGNALED(status) {
        let signal = libc::WTERMSIG(status);
        let core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: only numbers and a structure that is valid for the call; the signal's default is
        // to end the process, as it did the other.
        unsafe {
            libc::setrlimit(libc::RLIMIT_CORE, &core);
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
    ExitCode::from(libc::WEXITSTATUS(status) as u8)
}
