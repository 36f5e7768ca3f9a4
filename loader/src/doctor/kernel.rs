//! The kernel, and what it offers to those who intercept calls.

use alloc::vec::Vec;

use runtime::{arch, sys};

use super::child::{Attempt, attempt, call};
use super::{Line, State};
use crate::message::Shown;
use crate::vectors::Vectors;
use linux_raw_sys::general as nr;
use linux_raw_sys::general::{AT_EMPTY_PATH, O_CLOEXEC, O_PATH};

// include/uapi/linux/prctl.h
const PR_SET_SYSCALL_USER_DISPATCH: usize = 59;
const EXCLUSIVE: usize = 1;
const INCLUSIVE: usize = 2;
const SIGSYS: i32 = 31;
/// include/uapi/linux/fcntl.h, since Linux 6.14.
const AT_EXECVE_CHECK: usize = 0x10000;

pub fn probe(_vectors: &Vectors, lines: &mut Vec<Line>) {
    version(lines);
    user_dispatch(lines);
    inclusive(lines);
    exec(lines);
    filters(lines);
}

fn version(lines: &mut Vec<Line>) {
    // struct new_utsname: six fields of 65 bytes.
    let mut names = [0u8; 390];
    let asked = call(nr::__NR_uname, [names.as_mut_ptr() as usize, 0, 0, 0, 0, 0]);
    let field = |index: usize| {
        let field = &names[index * 65..(index + 1) * 65];
        &field[..field.iter().position(|&byte| byte == 0).unwrap_or(65)]
    };
    let (release, machine) = (Shown(field(2)), Shown(field(4)));
    let emulated = asked.is_ok() && is_emulated(field(2));
    if emulated {
        lines.push(Line::bad(
            "kernel",
            State::Limited,
            format_args!("Linux {release} on {machine}, by way of an emulator (qemu-user)"),
            "an emulator knows neither user dispatch nor seccomp nor ptrace",
            "run on a machine of this kind",
        ));
    } else {
        lines.push(Line::good("kernel", format_args!("Linux {release} on {machine}")));
    }
}

/// Whether calls are missing that a kernel of this version has: both clone3 (5.3) and rseq (4.18).
fn is_emulated(release: &[u8]) -> bool {
    let version = sys::version_of(release);
    let missing = |number| match number {
        nr::__NR_clone3 => attempt(|| call(nr::__NR_clone3, [0; 6])),
        _ => attempt(|| call(nr::__NR_rseq, [0; 6])),
    };
    let no_call = Attempt::Done(Err(sys::Errno::NOSYS));
    version >= (5, 3) && missing(nr::__NR_clone3) == no_call && missing(nr::__NR_rseq) == no_call
}

/// Turns user dispatch on with the resident as the only place from which calls are let through.
fn on() -> sys::Result<usize> {
    let (start, end) = arch::image_range();
    let option = PR_SET_SYSCALL_USER_DISPATCH;
    call(nr::__NR_prctl, [option, EXCLUSIVE, start, end - start, 0, 0])
}

/// The same with no such place: the next call must be answered by SIGSYS.
fn on_for_all() -> sys::Result<usize> {
    call(nr::__NR_prctl, [PR_SET_SYSCALL_USER_DISPATCH, EXCLUSIVE, 0, 0, 0, 0])?;
    Ok(sys::gettid() as usize)
}

fn user_dispatch(lines: &mut Vec<Line>) {
    const NAME: &str = "user dispatch";
    const MEANS: &str = "calls of generated code, and of code that cannot be proven, are not seen";
    if !arch::CAN_WATCH {
        lines.push(Line::bad(
            NAME,
            State::Missing,
            format_args!("it is not used on this processor"),
            MEANS,
            "run the x86-64 build of the program on x86-64",
        ));
        return;
    }
    match (attempt(on), attempt(on_for_all)) {
        (set, Attempt::Killed(SIGSYS)) if set.allowed() => {
            lines.push(Line::good(
                NAME,
                format_args!(
                    "calls of generated code, and of code that cannot be proven, are caught"
                ),
            ));
        }
        (set, _) if set.allowed() => lines.push(Line::bad(
            NAME,
            State::Missing,
            format_args!("it can be set, and catches nothing"),
            MEANS,
            "report it: no kernel is known to do so",
        )),
        (Attempt::Done(Err(sys::Errno::INVAL | sys::Errno::NOSYS)), _) => lines.push(Line::bad(
            NAME,
            State::Missing,
            format_args!("the kernel does not have it"),
            MEANS,
            "Linux 5.11; no emulator has it",
        )),
        (refused, _) => lines.push(Line::bad(
            NAME,
            State::Missing,
            format_args!("{refused}"),
            MEANS,
            "let the sandbox's filter pass prctl(PR_SET_SYSCALL_USER_DISPATCH)",
        )),
    }
}

fn inclusive(lines: &mut Vec<Line>) {
    const NAME: &str = "inclusive dispatch";
    if !arch::CAN_WATCH {
        return;
    }
    // A range in which there is no code of ours.
    let set = attempt(|| {
        call(nr::__NR_prctl, [PR_SET_SYSCALL_USER_DISPATCH, INCLUSIVE, 4096, 4096, 0, 0])
    });
    if set.allowed() {
        lines.push(Line::good(NAME, format_args!("one region can be watched alone")));
    } else {
        lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("{set}"),
            "a process with one unproven region is watched as a whole, which costs a little",
            "Linux 6.18",
        ));
    }
}

fn exec(lines: &mut Vec<Line>) {
    const NAME: &str = "exec check";
    let asked = attempt(|| {
        let fd = sys::openat(sys::CWD, c"/proc/self/exe", O_PATH | O_CLOEXEC, 0)? as usize;
        let flags = AT_EMPTY_PATH as usize | AT_EXECVE_CHECK;
        let empty = [0usize];
        let vector = empty.as_ptr() as usize;
        call(nr::__NR_execveat, [fd, c"".as_ptr() as usize, vector, vector, flags, 0])
    });
    match asked {
        Attempt::Done(Ok(_)) => {
            lines.push(Line::good(NAME, format_args!("the kernel says what it would refuse")));
        }
        Attempt::Done(Err(sys::Errno::INVAL)) => lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("the kernel does not know AT_EXECVE_CHECK"),
            "what a security module alone refuses is found out too late to be the program's errno",
            "Linux 6.14",
        )),
        refused => lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("{refused}"),
            "programs are executed by path, which a chroot or a mount namespace may not have",
            "let the filter pass execveat, and mount /proc",
        )),
    }
}

fn filters(lines: &mut Vec<Line>) {
    const PR_GET_SECCOMP: usize = 21;
    const NAME: &str = "seccomp";
    match call(nr::__NR_prctl, [PR_GET_SECCOMP, 0, 0, 0, 0, 0]) {
        Ok(0) => lines.push(Line::good(NAME, format_args!("no filter"))),
        Ok(_) => lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("a filter is in force"),
            "vload's own calls pass it too: what it refuses vload goes without",
            "the lines that are not ok say which of its rules matter",
        )),
        Err(error) => lines.push(Line::good(
            NAME,
            format_args!("the kernel has none ({})", error.name().unwrap_or("?")),
        )),
    }
}
