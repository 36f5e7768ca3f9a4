//! Executing a file in a process of its own, and what became of it.

use crate::ending::{Ending, Event};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{io, ptr};

/// What became of an execution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// `execve` returned this error number.
    Refused(i32),
    /// The program exited with this status.
    Exited(i32),
    /// A signal ended the program, or `execve` past its point of no return.
    Killed(i32),
    /// It was still running when its time was over, and was killed.
    TimedOut,
}

/// What became of an execution, and what it wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Standard output and error, as far as they fit into a pipe.
    pub output: Vec<u8>,
}

/// What a process may use. Broken files ask for a lot.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// `RLIMIT_AS`, in bytes; 0 leaves it as it is.
    pub memory: u64,
    /// `RLIMIT_CPU`, in seconds.
    pub cpu: u64,
    /// The time after which the process is killed.
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { memory: 0, cpu: 5, time: Duration::from_secs(10) }
    }
}

/// What is given to the kernel to execute.
#[derive(Clone, Copy, Debug)]
pub enum Program<'a> {
    /// By path.
    Path(&'a Path),
    /// By an open descriptor with `AT_EMPTY_PATH` (`fexecve(3)`).
    Fd(i32),
}

/// Executes `program` with `args` (the first is `argv[0]`), no environment, standard input
/// from `/dev/null` and the two outputs into one pipe, and waits for its end.
pub fn execute(program: Program<'_>, args: &[&[u8]], bounds: &Bounds) -> io::Result<Outcome> {
    let args = args.iter().map(|arg| CString::new(*arg)).collect::<Result<Vec<_>, _>>()?;
    let mut argv: Vec<_> = args.iter().map(|arg| arg.as_ptr()).collect();
    argv.push(ptr::null());
    let path = match program {
        Program::Path(path) => CString::new(path.as_os_str().as_bytes())?,
        Program::Fd(_) => CString::default(),
    };
    let null = File::open("/dev/null")?;
    let (output, output_in) = pipe(libc::O_NONBLOCK)?;
    let (errors, errors_in) = pipe(0)?;
    // SAFETY: the child runs `child`, which makes only system calls and never returns.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: `argv` and `path` are this process's own and end in NUL.
        unsafe {
            let fds = [null.as_raw_fd(), output_in.as_raw_fd(), output_in.as_raw_fd()];
            child(program, &path, &argv, fds, errors_in.as_raw_fd(), bounds)
        }
    }
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    drop((output_in, errors_in));
    let mut output = File::from(output);
    let (status, text) = wait(pid, &mut output, bounds.time)?;
    let mut errno = [0; 4];
    let end = match (File::from(errors).read_exact(&mut errno), status) {
        (Ok(()), _) => End::Refused(i32::from_ne_bytes(errno)),
        (Err(_), None) => End::TimedOut,
        (Err(_), Some(status)) if libc::WIFEXITED(status) => End::Exited(libc::WEXITSTATUS(status)),
        (Err(_), Some(status)) => End::Killed(libc::WTERMSIG(status)),
    };
    Ok(Outcome { end, output: text })
}

/// The reading and the writing end of a pipe, both closed on exec.
fn pipe(flags: i32) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    // SAFETY: `fds` has room for the two descriptors.
    if unsafe { libc::pipe2(fds.as_mut_ptr(), flags | libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both were just made and belong to nobody else.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// The child between fork and exec.
///
/// # Safety
/// Must run in a fresh child; `argv` must be an array of strings that ends in NULL.
unsafe fn child(
    program: Program<'_>,
    path: &CStr,
    argv: &[*const libc::c_char],
    fds: [i32; 3],
    errors: i32,
    bounds: &Bounds,
) -> ! {
    let environment = [ptr::null()];
    // SAFETY: every call is async-signal-safe, its memory is valid, and the arrays end in NULL.
    unsafe {
        for (to, from) in fds.into_iter().enumerate() {
            libc::dup2(from, to as i32);
        }
        limit(libc::RLIMIT_CORE, 0);
        limit(libc::RLIMIT_CPU, bounds.cpu);
        if bounds.memory != 0 {
            limit(libc::RLIMIT_AS, bounds.memory);
        }
        match program {
            Program::Path(_) => {
                libc::execve(path.as_ptr(), argv.as_ptr(), environment.as_ptr());
            }
            Program::Fd(fd) => {
                let (argv, environment) = (argv.as_ptr(), environment.as_ptr());
                let flags = libc::AT_EMPTY_PATH;
                libc::syscall(libc::SYS_execveat, fd, path.as_ptr(), argv, environment, flags);
            }
        }
        let errno = *libc::__errno_location();
        libc::write(errors, ptr::from_ref(&errno).cast(), size_of_val(&errno));
        libc::_exit(0)
    }
}

/// # Safety
/// Async-signal-safe; none besides.
unsafe fn limit(resource: libc::__rlimit_resource_t, value: u64) {
    let limit = libc::rlimit { rlim_cur: value as libc::rlim_t, rlim_max: value as libc::rlim_t };
    // SAFETY: the structure is valid for the call.
    unsafe { libc::setrlimit(resource, &limit) };
}

/// Waits for the child, reads what it writes and kills it after `time`: its wait status unless
/// it was killed for that, and its output.
fn wait(pid: i32, output: &mut File, time: Duration) -> io::Result<(Option<i32>, Vec<u8>)> {
    let deadline = Instant::now() + time;
    let ending = Ending::of(pid)?;
    let mut text = Vec::new();
    let mut writers = true;
    loop {
        let event = ending.wait(writers.then(|| output.as_fd()), deadline)?;
        if event == Event::Readable {
            writers = drain(output, &mut text)?;
            continue;
        }
        let mut status = 0;
        // SAFETY: `status` is valid for writing, and `pid` is our own child, not yet reaped.
        unsafe {
            if event == Event::TimedOut {
                libc::kill(pid, libc::SIGKILL);
            }
            if libc::waitpid(pid, &mut status, 0) < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        // What was written just before the end.
        drain(output, &mut text)?;
        return Ok(((event == Event::Ended).then_some(status), text));
    }
}

/// Reads what is there; whether there may be more.
fn drain(output: &mut File, text: &mut Vec<u8>) -> io::Result<bool> {
    match output.read_to_end(text) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        other => other.map(|_| false),
    }
}
