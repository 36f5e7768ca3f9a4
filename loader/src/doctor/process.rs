//! What the process may do and what it has.

use alloc::vec::Vec;

use runtime::digits::decimal;
use runtime::{process, sys};

use super::child::{attempt, call};
use super::{Line, State};
use crate::vectors::Vectors;
use linux_raw_sys::general as nr;
use linux_raw_sys::general::{O_CLOEXEC, O_PATH, O_RDONLY, RLIMIT_AS, RLIMIT_FSIZE, RLIMIT_NOFILE};

pub fn probe(_vectors: &Vectors, lines: &mut Vec<Line>) {
    ptrace(lines);
    privileges(lines);
    personality(lines);
    proc(lines);
    memory_map(lines);
    limits(lines);
    page_size(lines);
}

/// The number in a small file of `/proc`.
fn number_in(path: &core::ffi::CStr) -> Option<u32> {
    let fd = sys::openat(sys::CWD, path, O_RDONLY | O_CLOEXEC, 0).ok()?;
    let mut text = [0; 16];
    let length = sys::pread(fd, &mut text, 0);
    sys::close(fd);
    decimal(text.get(..length.ok()?)?.trim_ascii())
}

fn ptrace(lines: &mut Vec<Line>) {
    const NAME: &str = "ptrace";
    const PTRACE_TRACEME: usize = 0;
    let traced = attempt(|| call(nr::__NR_ptrace, [PTRACE_TRACEME, 0, 0, 0, 0, 0]));
    let scope = number_in(c"/proc/sys/kernel/yama/ptrace_scope").unwrap_or(0);
    if !traced.allowed() {
        lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("{traced}"),
            "vload needs none; debuggers and strace do not work, natively either",
            "let the filter pass ptrace (Docker: --cap-add SYS_PTRACE)",
        ));
    } else if scope != 0 {
        lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("allowed; yama's ptrace_scope is {scope}"),
            "vload needs none; a debugger can be attached to its own children alone, or by root",
            "sysctl kernel.yama.ptrace_scope=0",
        ));
    } else {
        lines.push(Line::good(NAME, format_args!("allowed; debuggers can be attached")));
    }
}

fn privileges(lines: &mut Vec<Line>) {
    const NAME: &str = "privileges";
    const PR_GET_NO_NEW_PRIVS: usize = 39;
    let set = call(nr::__NR_prctl, [PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0, 0]);
    if set == Ok(1) {
        lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("no_new_privs is set"),
            "set-user-ID programs get no privilege, natively either",
            "it cannot be taken back; start without it (Docker: no-new-privileges)",
        ));
    } else {
        lines.push(Line::good(NAME, format_args!("no_new_privs is not set")));
    }
}

fn personality(lines: &mut Vec<Line>) {
    const NAME: &str = "personality";
    // The value changes nothing (personality(2)).
    let asked = attempt(|| call(nr::__NR_personality, [0xffff_ffff, 0, 0, 0, 0, 0]));
    match asked.value() {
        Some(flags) => lines.push(Line::good(NAME, format_args!("{flags:#x}"))),
        None => lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("{asked}"),
            "vload takes it for 0: addresses are random even where setarch(8) has asked for none",
            "let the filter pass personality(0xffffffff)",
        )),
    }
}

fn proc(lines: &mut Vec<Line>) {
    const NAME: &str = "/proc";
    let open = |path| {
        let fd = sys::openat(sys::CWD, path, O_PATH | O_CLOEXEC, 0)?;
        sys::close(fd);
        sys::Result::Ok(())
    };
    match open(c"/proc/self/exe").and_then(|()| open(c"/proc/self/fd")) {
        Ok(()) => lines.push(Line::good(NAME, format_args!("mounted"))),
        Err(error) => lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("{}", error.name().unwrap_or("?")),
            "--skip and --plain know files by the name they were opened by; binfmt_misc is not seen",
            "mount -t proc proc /proc",
        )),
    }
}

fn memory_map(lines: &mut Vec<Line>) {
    const NAME: &str = "memory map";
    const PR_SET_MM: usize = 35;
    const PR_SET_MM_MAP_SIZE: usize = 15;
    let asked = attempt(|| {
        let mut size = 0u32;
        call(nr::__NR_prctl, [PR_SET_MM, PR_SET_MM_MAP_SIZE, &raw mut size as usize, 0, 0, 0])
    });
    if asked.allowed() {
        lines.push(Line::good(NAME, format_args!("the kernel can be told where the program is")));
    } else {
        lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("{asked}"),
            "ps(1) shows vload's arguments, and the heap lies where the kernel has put vload's",
            "let the filter pass prctl(PR_SET_MM); a kernel with CONFIG_CHECKPOINT_RESTORE",
        ));
    }
}

fn limits(lines: &mut Vec<Line>) {
    const NAME: &str = "limits";
    const FEW: u64 = 16;
    const SMALL: u64 = 64 << 20;
    let limit = |resource| sys::limit(resource).map_or(u64::MAX, |limit| limit.hard);
    let (files, space, size) = (limit(RLIMIT_NOFILE), limit(RLIMIT_AS), limit(RLIMIT_FSIZE));
    if files < FEW {
        lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("{files} descriptors"),
            "vload keeps none of its own, so each process learns for itself; with fewer than 5 nothing starts",
            "ulimit -Hn 64, or more",
        ));
    } else if space < SMALL {
        lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("{} KiB of address space", space >> 10),
            "vload adds about 5 MiB, and more while it looks at a large file",
            "ulimit -v 100000, or more",
        ));
    } else if size < SMALL {
        lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("files of {size} bytes"),
            "there is no session and no cache: each process learns for itself, and trace -c cannot count",
            "ulimit -f unlimited",
        ));
    } else {
        lines.push(Line::good(NAME, format_args!("of descriptors, memory and file size: enough")));
    }
}

fn page_size(lines: &mut Vec<Line>) {
    const NAME: &str = "page size";
    let size = process::page_size();
    if size == 4096 {
        lines.push(Line::good(NAME, format_args!("{size}")));
    } else {
        lines.push(Line::bad(
            NAME,
            State::Missing,
            format_args!("{size}"),
            "texts are patched in pages of 4 KiB",
            "a kernel with pages of 4 KiB",
        ));
    }
}
