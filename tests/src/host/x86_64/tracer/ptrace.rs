//! ptrace(2), typed.

use anyhow::{Context, Result, bail};
use std::io::{self, Error};
use std::mem::{offset_of, size_of};
use std::ops::Range;
use std::ptr;

/// A thread's id, as the kernel has it.
pub type Pid = libc::pid_t;

/// The registers of an x86-64 thread.
pub type Registers = libc::user_regs_struct;

/// Why a thread stands.
pub(super) enum Stop {
    /// It is about to enter the kernel.
    Call,
    /// It has started a thread or a process.
    Started,
    /// It runs another program.
    Executed,
    /// It is about to get this signal.
    Signal(i32),
    /// A signal has stopped its process.
    Group,
    /// It is new, or it was asked to stop.
    Asked,
    /// It is gone, with this status of wait(2).
    Ended(i32),
}

/// How a thread goes on.
#[derive(Clone, Copy)]
pub(super) enum Resume {
    /// As it was.
    Go,
    /// As it was, to the next entry of a call or its end, whether a filter stops it or not.
    ToCall,
    /// The same with this signal.
    ToCallWith(i32),
    /// As it was, and nobody's any more.
    Alone,
    /// With this signal.
    With(i32),
    /// It does not, until its process is continued.
    Listen,
}

/// How a call was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arch {
    /// `syscall`.
    Native,
    /// `int $0x80`, or 32-bit code.
    Compat,
}

/// A call that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// How it was made.
    pub arch: Arch,
    /// Its number.
    pub number: u64,
    /// Its arguments.
    pub arguments: [u64; 6],
    /// The address behind the instruction; in `[vsyscall]`, where nothing is executed, the address
    /// that was called.
    pub ip: u64,
}

/// Where calls are not dispatched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Allowed {
    /// In the range alone.
    From(Range<u64>),
    /// Everywhere but there.
    OutsideOf(Range<u64>),
}

const OPTIONS: i32 = libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_EXITKILL;

pub(super) fn seize(pid: Pid) -> Result<()> {
    request(libc::PTRACE_SEIZE, pid, 0, OPTIONS as usize)?;
    Ok(())
}

/// The next thread that stands; nothing when there is none left.
pub(super) fn wait() -> Result<Option<(Pid, Stop)>> {
    let mut status = 0;
    let pid = loop {
        // SAFETY: `status` is valid for writing.
        match unsafe { libc::waitpid(-1, &mut status, libc::__WALL) } {
            -1 => match Error::last_os_error() {
                error if error.raw_os_error() == Some(libc::EINTR) => {}
                error if error.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
                error => return Err(error).context("waitpid"),
            },
            pid => break pid,
        }
    };
    if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
        return Ok(Some((pid, Stop::Ended(status))));
    }
    if !libc::WIFSTOPPED(status) {
        bail!("{pid} has the status {status:#x}");
    }
    let signal = libc::WSTOPSIG(status);
    let stop = match status >> 16 {
        0 if signal == libc::SIGTRAP | SYSGOOD => Stop::Call,
        0 => Stop::Signal(signal),
        libc::PTRACE_EVENT_SECCOMP => Stop::Call,
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
            Stop::Started
        }
        libc::PTRACE_EVENT_EXEC => Stop::Executed,
        EVENT_STOP if signal == libc::SIGTRAP => Stop::Asked,
        EVENT_STOP => Stop::Group,
        event => bail!("{pid} stands for an unknown event {event}"),
    };
    Ok(Some((pid, stop)))
}

/// The id that belongs to the event for which the thread stands; nothing if it is gone.
pub(super) fn message(pid: Pid) -> Result<Option<Pid>> {
    let mut message: libc::c_ulong = 0;
    let asked = request(libc::PTRACE_GETEVENTMSG, pid, 0, &raw mut message as usize);
    Ok(alive(asked)?.map(|_| message as Pid))
}

pub(super) fn resume(pid: Pid, how: Resume) -> Result<()> {
    let asked = match how {
        Resume::Go => request(libc::PTRACE_CONT, pid, 0, 0),
        Resume::ToCall => request(libc::PTRACE_SYSCALL, pid, 0, 0),
        Resume::ToCallWith(signal) => request(libc::PTRACE_SYSCALL, pid, 0, signal as usize),
        Resume::Alone => request(libc::PTRACE_DETACH, pid, 0, 0),
        Resume::With(signal) => request(libc::PTRACE_CONT, pid, 0, signal as usize),
        Resume::Listen => request(libc::PTRACE_LISTEN, pid, 0, 0),
    };
    alive(asked).map(drop)
}

/// Lets a thread that stands stop once more, as soon as it is out of the kernel.
pub fn stop_again(pid: Pid) -> Result<()> {
    alive(request(libc::PTRACE_INTERRUPT, pid, 0, 0)).map(drop)
}

/// The call before which a thread stands; nothing if it was killed meanwhile, or stands behind one.
pub fn entry(pid: Pid) -> Result<Option<Entry>> {
    let mut info = SyscallInfo::default();
    let size = size_of::<SyscallInfo>();
    let asked = request(GET_SYSCALL_INFO, pid, size, &raw mut info as usize);
    if alive(asked)?.is_none() {
        return Ok(None);
    }
    match info.op {
        SYSCALL_INFO_SECCOMP | SYSCALL_INFO_ENTRY => {}
        SYSCALL_INFO_EXIT => return Ok(None),
        _ => bail!("{pid} stands before no call"),
    }
    let arch = match info.arch {
        AUDIT_ARCH_X86_64 => Arch::Native,
        AUDIT_ARCH_I386 => Arch::Compat,
        other => bail!("{pid} makes a call of machine {other:#x}"),
    };
    let (number, arguments) = (info.number, info.arguments);
    Ok(Some(Entry { arch, number, arguments, ip: info.instruction_pointer }))
}

/// The addresses from which the kernel lets the thread call while all others raise `SIGSYS`; nothing where it has no
/// syscall user dispatch, or is asked by a kernel that does not say (before Linux 6.4).
pub fn allowed(pid: Pid) -> Result<Option<Allowed>> {
    /// `struct ptrace_sud_config` (linux/ptrace.h).
    #[repr(C)]
    #[derive(Default)]
    struct Config {
        mode: u64,
        selector: u64,
        offset: u64,
        length: u64,
    }
    const OFF: u64 = 0;
    let mut config = Config::default();
    let asked = request(GET_USER_DISPATCH, pid, size_of::<Config>(), &raw mut config as usize);
    let old = [libc::EINVAL, libc::EIO].map(Some);
    if asked.as_ref().is_err_and(|error| old.contains(&error.raw_os_error()))
        || alive(asked)?.is_none()
        || config.mode == OFF
    {
        return Ok(None);
    }
    // In the inclusive mode the kernel keeps all that is not in the region: that goes round the end of the addresses
    // (`task_set_syscall_user_dispatch`, kernel/entry/syscall_user_dispatch.c).
    Ok(Some(match config.offset.checked_add(config.length) {
        Some(end) => Allowed::From(config.offset..end),
        None => Allowed::OutsideOf(config.offset.wrapping_add(config.length)..config.offset),
    }))
}

/// The registers of a thread that stands; nothing if it was killed meanwhile.
pub fn registers(pid: Pid) -> Result<Option<Registers>> {
    // SAFETY: the structure holds numbers only, for which zeros are values.
    let mut registers: Registers = unsafe { std::mem::zeroed() };
    let asked = request(libc::PTRACE_GETREGS, pid, 0, &raw mut registers as usize);
    Ok(alive(asked)?.map(|_| registers))
}

/// Sets the registers of a thread that stands.
pub fn set_registers(pid: Pid, registers: &Registers) -> Result<()> {
    let given = ptr::from_ref(registers) as usize;
    alive(request(libc::PTRACE_SETREGS, pid, 0, given)).map(drop)
}

/// Writes a word of a thread that stands, whatever the protection.
pub fn write_word(pid: Pid, address: u64, word: u64) -> Result<()> {
    alive(request(libc::PTRACE_POKEDATA, pid, address as usize, word as usize)).map(drop)
}

/// Reads memory of a process; fails where any of it cannot be read.
pub fn read_memory(pid: Pid, address: u64, into: &mut [u8]) -> io::Result<()> {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: address as *mut _, iov_len: into.len() };
    // SAFETY: the kernel writes `into` only, within its length.
    let read = unsafe { libc::process_vm_readv(pid, &local, 1, &remote, 1, 0) };
    match usize::try_from(read) {
        Ok(read) if read == into.len() => Ok(()),
        Ok(_) => Err(Error::from_raw_os_error(libc::EFAULT)),
        Err(_) => Err(Error::last_os_error()),
    }
}

fn request(
    request: libc::c_uint,
    pid: Pid,
    address: usize,
    data: usize,
) -> io::Result<libc::c_long> {
    // SAFETY: `data` is a number or points to what the request writes or reads, as each caller has
    // it; no request here changes the memory of this process otherwise.
    match unsafe { libc::ptrace(request, pid, address, data) } {
        -1 => Err(Error::last_os_error()),
        result => Ok(result),
    }
}

/// A thread that stood may have been killed since: its end is yet to be reported.
fn alive(asked: io::Result<libc::c_long>) -> Result<Option<libc::c_long>> {
    match asked {
        Ok(result) => Ok(Some(result)),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
        Err(error) => Err(error).context("ptrace"),
    }
}

// linux/ptrace.h
const EVENT_STOP: i32 = 128;
const GET_SYSCALL_INFO: libc::c_uint = 0x420e;
/// `PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG`.
const GET_USER_DISPATCH: libc::c_uint = 0x4211;
const SYSCALL_INFO_ENTRY: u8 = 1;
const SYSCALL_INFO_EXIT: u8 = 2;
const SYSCALL_INFO_SECCOMP: u8 = 3;
/// The mark of a stop of PTRACE_SYSCALL (PTRACE_O_TRACESYSGOOD).
const SYSGOOD: i32 = 0x80;
// linux/audit.h
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
const AUDIT_ARCH_I386: u32 = 0x4000_0003;

/// `struct ptrace_syscall_info` with the member for a stop of seccomp.
#[repr(C)]
#[derive(Default)]
struct SyscallInfo {
    op: u8,
    reserved: u8,
    flags: u16,
    arch: u32,
    instruction_pointer: u64,
    stack_pointer: u64,
    number: u64,
    arguments: [u64; 6],
    data: u32,
    reserved2: u32,
}

const _: () = assert!(offset_of!(SyscallInfo, arguments) == 32);
