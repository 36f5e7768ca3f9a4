//! ptrace(2), typed: one traced process with its threads and children.

use anyhow::{Context, Result, bail};
use std::ffi::CString;
use std::fs;
use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

/// How a traced thread goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Go {
    /// Until something happens.
    On,
    /// For one instruction.
    Step,
    /// Until it enters or leaves a system call.
    Call,
}

/// What has happened to a traced thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// It ended, with this wait status; the last thread of its process.
    Ended(i32),
    /// A signal is about to be delivered to it.
    Signal(i32),
    /// It entered or left a system call.
    Call,
    /// Something that ptrace(2) calls a `PTRACE_EVENT` stop, with its number.
    Ptrace(i32),
}

/// What a thread does when its stop says nothing else (ptrace(2), `PTRACE_O_TRACESYSGOOD`).
const CALL_STOP: i32 = libc::SIGTRAP | 0x80;

fn ptrace(request: libc::c_uint, tid: i32, address: usize, data: usize) -> io::Result<i64> {
    // SAFETY: the requests used here write no memory of ours, but for those that say where.
    let result = unsafe { libc::ptrace(request, tid, address, data) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A thread that is gone, killed by the end of its process or an exec, is nothing to report.
fn unless_gone(result: io::Result<i64>) -> Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Starts `argv` traced, without address randomisation, its output going to `output`.
pub fn start(argv: &[CString], environment: &[CString], output: &OwnedFd) -> Result<i32> {
    let list = |words: &[CString]| -> Vec<*const libc::c_char> {
        words.iter().map(|word| word.as_ptr()).chain([ptr::null()]).collect()
    };
    let (arguments, variables) = (list(argv), list(environment));
    // SAFETY: this program has one thread, so the child may do what it likes; it makes system calls
    // only, with memory that was prepared before.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: as above; the vectors end with NULL.
        unsafe {
            if libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong) < 0 {
                libc::_exit(127);
            }
            libc::dup2(output.as_raw_fd(), 1);
            libc::dup2(output.as_raw_fd(), 2);
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            libc::execve(argv[0].as_ptr(), arguments.as_ptr(), variables.as_ptr());
            libc::_exit(127);
        }
    }
    if pid < 0 {
        bail!("cannot fork: {}", io::Error::last_os_error());
    }
    let mut status = 0;
    // SAFETY: the status is ours.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
    if waited != pid || !libc::WIFSTOPPED(status) {
        bail!("{:?} cannot be executed with addresses that are not random", argv[0]);
    }
    let options = libc::PTRACE_O_EXITKILL
        | libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACEEXEC;
    ptrace(libc::PTRACE_SETOPTIONS, pid, 0, options as usize).context("PTRACE_SETOPTIONS")?;
    Ok(pid)
}

/// Lets a stopped thread go on, with `signal` if it is not 0. `false` when it is gone.
pub fn go(tid: i32, how: Go, signal: i32) -> Result<bool> {
    let request = match how {
        Go::On => libc::PTRACE_CONT,
        Go::Step => libc::PTRACE_SINGLESTEP,
        Go::Call => libc::PTRACE_SYSCALL,
    };
    unless_gone(ptrace(request, tid, 0, signal as usize))
}

/// The next event of any traced thread; `None` when there is none yet and `wait` is not set, when the
/// time is up (`SIGALRM`), or when nothing is traced any more.
pub fn next(wait: bool) -> Result<Option<(i32, Event)>> {
    let mut status = 0;
    let flags = libc::__WALL | if wait { 0 } else { libc::WNOHANG };
    // SAFETY: the status is ours.
    let tid = unsafe { libc::waitpid(-1, &raw mut status, flags) };
    if tid <= 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            _ if tid == 0 => Ok(None),
            Some(libc::EINTR | libc::ECHILD) => Ok(None),
            _ => Err(error.into()),
        };
    }
    if !libc::WIFSTOPPED(status) {
        return Ok(Some((tid, Event::Ended(status))));
    }
    let event = match (status >> 16, libc::WSTOPSIG(status)) {
        (0, CALL_STOP) => Event::Call,
        (0, signal) => Event::Signal(signal),
        (number, _) => Event::Ptrace(number),
    };
    Ok(Some((tid, event)))
}

/// `si_code` of the signal that a thread is stopped for; `None` when it is gone, or stopped as a
/// whole (`SIGSTOP`).
pub fn signal_code(tid: i32) -> Option<i32> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    ptrace(libc::PTRACE_GETSIGINFO, tid, 0, info.as_mut_ptr() as usize).ok()?;
    // SAFETY: the kernel filled it; all zeros is a siginfo too.
    Some(unsafe { info.assume_init() }.si_code)
}

/// The program counter of a stopped thread.
pub fn pc(tid: i32) -> Result<u64> {
    register(tid, mem::offset_of!(libc::user_regs_struct, rip))
}

/// Whether a stopped thread is where its breakpoint was set.
pub fn is_at_breakpoint(tid: i32) -> Result<bool> {
    Ok(register(tid, mem::offset_of!(libc::user, u_debugreg))? == pc(tid)?)
}

/// What is at `at` of a stopped thread's `struct user`.
fn register(tid: i32, at: usize) -> Result<u64> {
    // A value of all ones is no error: errno tells.
    // SAFETY: errno is this thread's; PTRACE_PEEKUSER writes nothing.
    let (value, error) = unsafe {
        *libc::__errno_location() = 0;
        (libc::ptrace(libc::PTRACE_PEEKUSER, tid, at, 0), *libc::__errno_location())
    };
    if error != 0 {
        bail!("cannot read a register of {tid}: {}", io::Error::from_raw_os_error(error));
    }
    Ok(value as u64)
}

/// Makes a `pushfq` in a thread's stead.
pub fn push_flags(tid: i32) -> Result<()> {
    let mut regs = registers(tid)?;
    regs.rsp -= 8;
    regs.rip += 1;
    poke(tid, regs.rsp, regs.eflags)?;
    set_registers(tid, &regs)
}

/// Makes a `popfq` in a thread's stead.
pub fn pop_flags(tid: i32) -> Result<()> {
    let mut regs = registers(tid)?;
    regs.eflags = peek(tid, regs.rsp)?;
    regs.rsp += 8;
    regs.rip += 1;
    set_registers(tid, &regs)
}

/// Makes an `iretq` within user space in a thread's stead (Intel SDM, volume 2: the frame is rip, cs, rflags, rsp, ss).
pub fn return_far(tid: i32) -> Result<()> {
    let mut regs = registers(tid)?;
    let frame = regs.rsp;
    regs.rip = peek(tid, frame)?;
    regs.eflags = peek(tid, frame + 16)?;
    regs.rsp = peek(tid, frame + 24)?;
    set_registers(tid, &regs)
}

/// Takes away the flag with which a thread gets past a breakpoint (RF): a signal would show it.
pub fn forget_breakpoint(tid: i32) -> Result<()> {
    let mut regs = registers(tid)?;
    regs.eflags &= !(1 << 16);
    set_registers(tid, &regs)
}

/// Sets a breakpoint of the processor's, which leaves the text as it is, or takes it away.
pub fn set_breakpoint(tid: i32, at: Option<u64>) -> Result<()> {
    let register = |index: usize| mem::offset_of!(libc::user, u_debugreg) + index * 8;
    // Bit 0 of DR7 enables the address in DR0; its kind, all zeros, is "executed" (Intel SDM, 19.2.4).
    ptrace(libc::PTRACE_POKEUSER, tid, register(7), 0)?;
    if let Some(at) = at {
        ptrace(libc::PTRACE_POKEUSER, tid, register(0), at as usize)?;
        ptrace(libc::PTRACE_POKEUSER, tid, register(7), 1)?;
    }
    Ok(())
}

fn registers(tid: i32) -> Result<libc::user_regs_struct> {
    let mut regs = MaybeUninit::<libc::user_regs_struct>::zeroed();
    ptrace(libc::PTRACE_GETREGS, tid, 0, regs.as_mut_ptr() as usize).context("PTRACE_GETREGS")?;
    // SAFETY: the kernel filled it; all zeros are registers too.
    Ok(unsafe { regs.assume_init() })
}

fn set_registers(tid: i32, regs: &libc::user_regs_struct) -> Result<()> {
    ptrace(libc::PTRACE_SETREGS, tid, 0, ptr::from_ref(regs) as usize).context("PTRACE_SETREGS")?;
    Ok(())
}

/// Eight bytes of a thread's memory.
pub fn peek(tid: i32, at: u64) -> Result<u64> {
    // SAFETY: as in `register`.
    let (value, error) = unsafe {
        *libc::__errno_location() = 0;
        let value = libc::ptrace(libc::PTRACE_PEEKDATA, tid, at as usize, 0);
        (value, *libc::__errno_location())
    };
    if error != 0 {
        bail!("cannot read {at:#x} of {tid}: {}", io::Error::from_raw_os_error(error));
    }
    Ok(value as u64)
}

/// Replaces eight bytes of a thread's memory.
pub fn poke(tid: i32, at: u64, value: u64) -> Result<()> {
    ptrace(libc::PTRACE_POKEDATA, tid, at as usize, value as usize)?;
    Ok(())
}

/// The signals that a stopped thread blocks.
pub fn mask(tid: i32) -> Result<u64> {
    let mut mask = 0u64;
    ptrace(libc::PTRACE_GETSIGMASK, tid, 8, &raw mut mask as usize).context("PTRACE_GETSIGMASK")?;
    Ok(mask)
}

/// Sets the signals that a stopped thread blocks.
pub fn set_mask(tid: i32, mask: u64) -> Result<()> {
    ptrace(libc::PTRACE_SETSIGMASK, tid, 8, &raw const mask as usize)
        .context("PTRACE_SETSIGMASK")?;
    Ok(())
}

/// Sends `signal` to one thread.
pub fn send(pid: i32, tid: i32, signal: i32) {
    // SAFETY: no memory is involved; the thread is traced by us, so its id is not anybody else's.
    unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, signal) };
}

/// Whether a thread is one of this process's.
pub fn is_thread_of(tid: i32, pid: i32) -> bool {
    // SAFETY: no memory is involved; signal 0 is only asked about.
    unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, 0) == 0 }
}

/// The processor time that a process has used; none when it is gone.
pub fn used(pid: i32) -> Option<Duration> {
    let mut clock = 0;
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the clock's number and the time are ours.
    let known = unsafe {
        libc::clock_getcpuclockid(pid, &raw mut clock) == 0
            && libc::clock_gettime(clock, time.as_mut_ptr()) == 0
    };
    // SAFETY: all zeros is a time too.
    let time = unsafe { time.assume_init() };
    known.then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Whether a thread that was let go sleeps in a system call, as `/proc` says.
pub fn sleeps(tid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{tid}/stat")) else { return false };
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
}
