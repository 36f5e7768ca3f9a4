//! Starting what is followed, and ending as it did.

use super::{Pid, Stops, install_filter, seize};
use anyhow::{Context, Result, anyhow};
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Error, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, exit};
use std::ptr;

/// Starts `words` as a child that this process traces.
pub fn launch(words: &[OsString], stops: Stops) -> Result<Pid> {
    let (reader, mut writer) = pipe().context("no pipe")?;
    let pid = fork()?;
    if pid == 0 {
        drop(writer);
        eprintln!("{:#}", start_when_traced(reader, words, stops));
        exit(125);
    }
    drop(reader);
    seize(pid)?;
    writer.write_all(&[1]).context("the child is gone")?;
    Ok(pid)
}

/// Becomes `words`, below a tracer that is nobody's child and does what `trace` does.
pub fn become_below(
    words: &[OsString],
    trace: &mut dyn FnMut(Pid) -> Result<()>,
) -> Result<Infallible> {
    let (reader, writer) = pipe().context("no pipe")?;
    // SAFETY: takes nothing and always succeeds.
    let root = unsafe { libc::getpid() };
    // Where only ancestors may trace (Yama), for as long as this program is not executed anew.
    // SAFETY: takes numbers only; where there is no Yama it is refused, and not needed.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY) };
    let between = fork()?;
    if between == 0 {
        drop(reader);
        if fork()? != 0 {
            exit(0);
        }
        let traced = be_tracer(root, writer, trace);
        if let Err(error) = &traced {
            eprintln!("the tracer of {root}: {error:#}");
        }
        exit(i32::from(traced.is_err()));
    }
    // SAFETY: waits for a child of this process; no status is asked for.
    unsafe { libc::waitpid(between, ptr::null_mut(), 0) };
    drop(writer);
    Err(start_when_traced(reader, words, Stops::Filter))
}

/// Traces `root` and then says so.
fn be_tracer(
    root: Pid,
    mut ready: PipeWriter,
    trace: &mut dyn FnMut(Pid) -> Result<()>,
) -> Result<()> {
    // Signals of the terminal are for the program, and its input and output are not ours to keep.
    // SAFETY: takes nothing; a child of a child leads no group.
    unsafe { libc::setsid() };
    let null = File::options().read(true).write(true).open("/dev/null").context("/dev/null")?;
    for standard in [libc::STDIN_FILENO, libc::STDOUT_FILENO] {
        // SAFETY: replaces a descriptor that nothing here uses.
        unsafe { libc::dup2(null.as_raw_fd(), standard) };
    }
    seize(root)?;
    ready.write_all(&[1]).context("the program is gone")?;
    drop(ready);
    trace(root)
}

fn fork() -> Result<Pid> {
    // SAFETY: the processes that come here have one thread, so that a child may do what they could.
    match unsafe { libc::fork() } {
        -1 => Err(Error::last_os_error()).context("cannot fork"),
        pid => Ok(pid),
    }
}

/// Waits to be traced and becomes the program. Comes back when that cannot be done.
fn start_when_traced(mut ready: PipeReader, words: &[OsString], stops: Stops) -> anyhow::Error {
    match ready.read_exact(&mut [0]) {
        Ok(()) => start(words, stops),
        Err(_) => anyhow!("not traced"),
    }
}

/// Becomes the program, every call of which stops. Comes back when that cannot be done.
fn start(words: &[OsString], stops: Stops) -> anyhow::Error {
    let Some((program, arguments)) = words.split_first() else {
        return anyhow!("no program");
    };
    if stops == Stops::Filter
        && let Err(error) = install_filter()
    {
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
