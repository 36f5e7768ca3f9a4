//! The oldest layer: the system as it is, but for what vload must know or hide.

use super::{Call, ring};
use crate::abi::Entry;
use crate::arch::numbers as own;
use crate::memory::guard;
use crate::module::control::{self, CONTROL};
use crate::process;
use crate::seccomp;
use crate::signal::{self, MaskArgument};
use crate::sys;
use crate::text;
use crate::view::{self, PRLIMIT64};
use crate::watch;
use linux_raw_sys::general as nr;

macro_rules! numbers {
    ($($name:ident = $number:ident;)*) => { $(const $name: usize = nr::$number as usize;)* };
}

numbers! {
    CLOSE = __NR_close;
    DUP = __NR_dup;
    DUP3 = __NR_dup3;
    CLOSE_RANGE = __NR_close_range;
    READLINKAT = __NR_readlinkat;
    OPENAT = __NR_openat;
    OPENAT2 = __NR_openat2;
    STATX = __NR_statx;
    FACCESSAT = __NR_faccessat;
    FACCESSAT2 = __NR_faccessat2;
    EXECVE = __NR_execve;
    EXECVEAT = __NR_execveat;
    CLONE = __NR_clone;
    CLONE3 = __NR_clone3;
    UNSHARE = __NR_unshare;
    EXIT = __NR_exit;
    EXIT_GROUP = __NR_exit_group;
    RT_SIGACTION = __NR_rt_sigaction;
    RT_SIGRETURN = __NR_rt_sigreturn;
    RT_SIGPROCMASK = __NR_rt_sigprocmask;
    RT_SIGPENDING = __NR_rt_sigpending;
    RT_SIGTIMEDWAIT = __NR_rt_sigtimedwait;
    RT_TGSIGQUEUEINFO = __NR_rt_tgsigqueueinfo;
    SIGALTSTACK = __NR_sigaltstack;
    MUNMAP = __NR_munmap;
    PERSONALITY = __NR_personality;
    GETDENTS64 = __NR_getdents64;
    PTRACE = __NR_ptrace;
    PRCTL = __NR_prctl;
    SECCOMP = __NR_seccomp;
    IO_URING_SETUP = __NR_io_uring_setup;
    IO_URING_ENTER = __NR_io_uring_enter;
    IO_SETUP = __NR_io_setup;
    RT_SIGSUSPEND = __NR_rt_sigsuspend;
    PPOLL = __NR_ppoll;
    PSELECT6 = __NR_pselect6;
    EPOLL_PWAIT = __NR_epoll_pwait;
    EPOLL_PWAIT2 = __NR_epoll_pwait2;
    IO_PGETEVENTS = __NR_io_pgetevents;
    FCHDIR = __NR_fchdir;
    FCHMOD = __NR_fchmod;
    FCHOWN = __NR_fchown;
    FTRUNCATE = __NR_ftruncate;
    FALLOCATE = __NR_fallocate;
    PIDFD_GETFD = __NR_pidfd_getfd;
    KCMP = __NR_kcmp;
    CHROOT = __NR_chroot;
    PIVOT_ROOT = __NR_pivot_root;
    MOUNT = __NR_mount;
    UMOUNT2 = __NR_umount2;
    SETNS = __NR_setns;
    LANDLOCK_RESTRICT_SELF = __NR_landlock_restrict_self;
}

/// What this layer wants whatever the others do, besides [`VIEWS`].
pub const WANTED: &[usize] = &[
    CLOSE,
    DUP,
    DUP3,
    PRLIMIT64,
    CLOSE_RANGE,
    own::FCNTL as usize,
    EXECVE,
    EXECVEAT,
    CLONE,
    CLONE3,
    UNSHARE,
    EXIT,
    EXIT_GROUP,
    RT_SIGACTION,
    RT_SIGRETURN,
    SIGALTSTACK,
    MUNMAP,
    own::MMAP,
    PTRACE,
    PRCTL,
    SECCOMP,
    IO_URING_SETUP,
    IO_URING_ENTER,
    IO_SETUP,
    RT_SIGSUSPEND,
    PPOLL,
    PSELECT6,
    EPOLL_PWAIT,
    EPOLL_PWAIT2,
    IO_PGETEVENTS,
    CONTROL,
    CHROOT,
    PIVOT_ROOT,
    MOUNT,
    UMOUNT2,
    SETNS,
    LANDLOCK_RESTRICT_SELF,
];

/// What it wants besides in a process with trap sites.
pub const MASKS: &[usize] = &[RT_SIGPROCMASK, RT_SIGPENDING, RT_SIGTIMEDWAIT, RT_TGSIGQUEUEINFO];

/// What it wants to hide vload, and for nothing else: where it does not see these calls a program sees what it would not
/// see natively, and nothing breaks.
pub const VIEWS: &[usize] = &[
    READLINKAT,
    OPENAT,
    OPENAT2,
    STATX,
    FACCESSAT,
    FACCESSAT2,
    PERSONALITY,
    GETDENTS64,
    FCHDIR,
    FCHMOD,
    FCHOWN,
    FTRUNCATE,
    FALLOCATE,
    PIDFD_GETFD,
    KCMP,
];

/// Whether the program and vload still work when these calls are made behind vload's back.
pub fn can_do_without(number: u32) -> bool {
    let number = number as usize;
    let needed = [WANTED, MASKS, own::WANTED, guard::WANTED];
    !needed.iter().any(|wanted| wanted.contains(&number))
        || own::legacy(number).is_some_and(|kind| {
            matches!(kind, Legacy::Readlink | Legacy::Open | Legacy::Stat | Legacy::Fstatat)
        })
}

/// The meaning of a call when no layer above has given it another.
pub fn call(call: &mut Call<'_>) -> isize {
    if seccomp::answers(call) {
        return call.pass();
    }
    match call.entry {
        Entry::Native => {}
        Entry::Compat => return compat(call),
        Entry::X32 => return x32(call),
    }
    if view::is_named(call) {
        return sys::raw(Err(sys::Errno::BADF));
    }
    match call.number {
        CLOSE => view::close(call),
        DUP3 => view::duplicate_onto(call),
        CLOSE_RANGE => view::close_range(call),
        READLINKAT => view::readlink(call, 1),
        OPENAT => view::open(call, 1),
        OPENAT2 => view::open_how(call),
        FACCESSAT => view::stat(call, 1, true),
        FACCESSAT2 => {
            let follows = call.args[3] & AT_SYMLINK_NOFOLLOW == 0;
            view::stat(call, 1, follows)
        }
        STATX => {
            let follows = call.args[2] & AT_SYMLINK_NOFOLLOW == 0;
            view::stat(call, 1, follows)
        }
        EXECVE => {
            let [path, argv, envp, ..] = call.args;
            process::exec(
                call,
                process::ExecRequest { dirfd: sys::CWD, path, argv, envp, flags: 0 },
            )
        }
        EXECVEAT => {
            let [dirfd, path, argv, envp, flags, _] = call.args;
            let dirfd = dirfd as i32;
            process::exec(call, process::ExecRequest { dirfd, path, argv, envp, flags })
        }
        CLONE | CLONE3 => process::clone(call),
        UNSHARE => view::unshare(call),
        EXIT => process::exit(call),
        EXIT_GROUP => process::exit_group(call),
        RT_SIGACTION => {
            // SAFETY: a bound block has its handlers.
            let sighand = unsafe { &*call.block.sighand };
            sys::raw(signal::rt_sigaction(sighand, &call.args))
        }
        RT_SIGRETURN => signal::rt_sigreturn(call.block, call.regs),
        RT_SIGPROCMASK | RT_SIGPENDING => masks(call),
        RT_SIGTIMEDWAIT => signal::rt_sigtimedwait(call),
        RT_TGSIGQUEUEINFO => signal::rt_tgsigqueueinfo(call),
        SIGALTSTACK => {
            let (sp, [new, old, ..]) = (call.regs.sp(), call.args);
            sys::raw(signal::sigaltstack(&mut call.block.altstack, sp, new, old))
        }
        MUNMAP => {
            view::debugger::look(MUNMAP);
            text::munmap(call)
        }
        PERSONALITY => process::personality(call),
        GETDENTS64 => view::getdents(call, view::NAME64),
        PTRACE => process::ptrace(call),
        PRCTL => process::prctl(call),
        SECCOMP => seccomp::seccomp(call),
        IO_URING_SETUP => ring::io_uring_setup(call),
        IO_SETUP => ring::io_setup(call),
        IO_URING_ENTER => ring::io_uring_enter(call),
        CONTROL => control::call(call),
        CHROOT | PIVOT_ROOT | MOUNT | UMOUNT2 | SETNS => watch::call_on_tree(call),
        LANDLOCK_RESTRICT_SELF => process::landlock_restrict_self(call),
        RT_SIGSUSPEND => signal::wait_masked(call, MaskArgument::Pointer(0)),
        PPOLL => signal::wait_masked(call, MaskArgument::Pointer(3)),
        EPOLL_PWAIT | EPOLL_PWAIT2 => signal::wait_masked(call, MaskArgument::Pointer(4)),
        PSELECT6 | IO_PGETEVENTS => signal::wait_masked(call, MaskArgument::Structure(5)),
        own::MMAP => {
            view::debugger::look(own::MMAP);
            guard::mmap(call, &mut text::mmap)
        }
        PRLIMIT64 => view::limit(call),
        PIDFD_GETFD | KCMP => view::of_process(call),
        number if number == own::FCNTL as usize => view::fcntl(call),
        number => match own::legacy(number) {
            Some(kind) => legacy(call, kind),
            None => view::maps::call(call)
                .or_else(|| {
                    view::debugger::look(call.number);
                    guard::call(call, &mut text::on_mappings)
                })
                .unwrap_or_else(|| view::pass(call)),
        },
    }
}

const AT_SYMLINK_NOFOLLOW: usize = nr::AT_SYMLINK_NOFOLLOW as usize;

/// Calls that newer architectures have dropped for a more general one.
fn legacy(call: &mut Call<'_>, kind: Legacy) -> isize {
    match kind {
        Legacy::Dup2 => view::duplicate_onto(call),
        Legacy::Readlink => view::readlink(call, 0),
        Legacy::Open => view::open(call, 0),
        Legacy::Stat => view::stat(call, 0, true),
        Legacy::Fstatat => {
            let follows = call.args[3] & AT_SYMLINK_NOFOLLOW == 0;
            view::stat(call, 1, follows)
        }
        Legacy::Fork => process::clone(call),
        Legacy::SetLimit => view::limit(call),
        Legacy::Own(meaning) => meaning(call),
    }
}

/// What calls that newer architectures have dropped mean.
#[derive(Clone, Copy)]
pub enum Legacy {
    /// `dup2(2)`.
    Dup2,
    /// `readlink(2)`.
    Readlink,
    /// `open(2)`.
    Open,
    /// `stat(2)`, `access(2)`: a path that is followed comes first.
    Stat,
    /// `newfstatat(2)`.
    Fstatat,
    /// `fork(2)`, `vfork(2)`.
    Fork,
    /// `setrlimit(2)`.
    SetLimit,
    /// A call that one architecture alone has, and its meaning.
    Own(fn(&mut Call<'_>) -> isize),
}

/// What the number of a call that enters the other way means natively.
pub enum Compat {
    /// The native call of this number, with the same arguments.
    Same(usize),
    /// That of this number, `clone(2)` or `clone3(2)`.
    Clone(usize),
    /// `execve(2)` with 32-bit vectors.
    Exec,
}

fn masks(call: &mut Call<'_>) -> isize {
    if signal::open_signals() == 0 {
        return call.pass();
    }
    if signal::is_held(call.block) {
        return crate::arch::ABORTED;
    }
    sys::raw(match call.number {
        RT_SIGPENDING => signal::rt_sigpending(call.block, &call.args),
        _ => signal::rt_sigprocmask(call.block, &call.args),
    })
}

/// An x32 number: only kernels built for it have these. An exec has vectors of 32-bit pointers.
fn x32(call: &mut Call<'_>) -> isize {
    if own::is_x32_exec(call.number) {
        let [path, argv, envp, ..] = call.args;
        return process::exec_compat(call, path, argv, envp);
    }
    call.pass()
}

/// `int $0x80` in 64-bit code. What starts and ends processes and threads has its native meaning;
/// the rest goes to the kernel's 32-bit entry as it came.
fn compat(call: &mut Call<'_>) -> isize {
    match own::native_of_compat(call.number) {
        Some(Compat::Same(number)) => {
            call.number = number;
            call.entry = Entry::Native;
            self::call(call)
        }
        Some(Compat::Clone(number)) => process::clone_compat(call, number),
        Some(Compat::Exec) => {
            let [path, argv, envp, ..] = call.args;
            process::exec_compat(call, path, argv, envp)
        }
        None => {
            if own::compat_maps(call.number) {
                let number = call.number;
                watch::demand(Some(call.block), None, format_args!("int $0x80 call {number}"));
            }
            call.pass()
        }
    }
}
