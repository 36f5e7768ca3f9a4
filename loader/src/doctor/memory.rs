//! Memory that can be executed, and where patched text is kept.

use alloc::ffi::CString;
use alloc::vec::Vec;

use runtime::process::OPTIONS;
use runtime::{session, sys};

use super::child::{attempt, call};
use super::{Line, State};
use crate::message::Shown;
use crate::output;
use crate::vectors::Vectors;
use linux_raw_sys::general as nr;
use linux_raw_sys::general::{
    MAP_ANONYMOUS, MAP_PRIVATE, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TMPFILE,
    PROT_EXEC, PROT_READ, PROT_WRITE,
};

const PAGE: usize = 4096;

pub fn probe(vectors: &Vectors, lines: &mut Vec<Line>) {
    text_file(lines);
    private_pages(lines);
    cache(vectors, lines);
}

/// Whether a page of `fd` can be mapped executable.
fn maps(fd: i32) -> sys::Result<usize> {
    // SAFETY: without MAP_FIXED the kernel takes unused addresses.
    let at = unsafe { sys::mmap(0, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) }?;
    // SAFETY: mapped just now, and not used.
    unsafe { sys::munmap(at, PAGE) };
    Ok(0)
}

fn text_file(lines: &mut Vec<Line>) {
    const NAME: &str = "memory files";
    let memfd = attempt(|| {
        let fd = sys::memfd_create(c"vload", 0)?;
        sys::truncate(fd, PAGE as u64)?;
        maps(fd)
    });
    if memfd.allowed() {
        lines.push(Line::good(NAME, format_args!("memfd_create, and its text can be executed")));
        return;
    }
    let any = attempt(|| maps(session::text_file(&[0; PAGE])?));
    if any.allowed() {
        lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("memfd_create: {memfd}; a file without a name serves"),
            "patched text and the session lie in such a file",
            "let the filter pass memfd_create, and set vm.memfd_noexec to 0",
        ));
    } else {
        lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("memfd_create: {memfd}; any file: {any}"),
            "each process patches texts for itself in private pages, and trace -c cannot count",
            "let the filter pass memfd_create, or mount a /tmp or /dev/shm that is not noexec; raise the limit of file size",
        ));
    }
}

fn private_pages(lines: &mut Vec<Line>) {
    const NAME: &str = "executable memory";
    let made = attempt(|| {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS;
        // SAFETY: without MAP_FIXED the kernel takes unused addresses.
        let at = unsafe { sys::mmap(0, PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) }?;
        // SAFETY: mapped just now, and not used.
        unsafe { sys::mprotect(at, PAGE, PROT_READ | PROT_EXEC) }?;
        Ok(0)
    });
    if made.allowed() {
        lines.push(Line::good(NAME, format_args!("what was written can be made executable")));
        return;
    }
    let file = attempt(|| maps(session::text_file(&[0; PAGE])?));
    let (state, means) = if file.allowed() {
        (
            State::Limited,
            "patched text comes from files alone; programs that generate code do not work natively either",
        )
    } else {
        (State::Missing, "no text can be patched: nothing is seen")
    };
    lines.push(Line::bad(
        NAME,
        state,
        format_args!("{made}"),
        means,
        "start without PR_SET_MDWE (systemd: MemoryDenyWriteExecute=no), or allow SELinux execmem",
    ));
}

fn cache(vectors: &Vectors, lines: &mut Vec<Line>) {
    const NAME: &str = "cache";
    const MEANS: &str = "each session analyses the files that it meets anew";
    output::find_cache(vectors);
    let Some(path) = OPTIONS.values("cache").last() else {
        lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("neither XDG_CACHE_HOME nor HOME says where"),
            MEANS,
            "set one of them",
        ));
        return;
    };
    let tried = CString::new(path).map_err(|_| sys::Errno::INVAL).and_then(|path| {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        let folder = sys::openat(sys::CWD, &path, flags, 0)?;
        let tried = in_folder(folder);
        sys::close(folder);
        tried
    });
    match tried {
        Ok(true) => lines.push(Line::good(NAME, format_args!("{}", Shown(path)))),
        Ok(false) => lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("{}: others could write it, or it is another's", Shown(path)),
            MEANS,
            "chmod go-w, or remove it",
        )),
        Err(error) => lines.push(Line::bad(
            NAME,
            State::Limited,
            format_args!("{}: {}", Shown(path), error.name().unwrap_or("?")),
            MEANS,
            "make the folder writable, on a file system that is not mounted noexec",
        )),
    }
}

/// Whether images in the folder are believed; an error if they cannot be made or mapped.
fn in_folder(folder: i32) -> sys::Result<bool> {
    const OTHERS_WRITE: u32 = 0o022;
    let stat = sys::fstat(folder)?;
    if stat.uid != sys::geteuid() || stat.mode & OTHERS_WRITE != 0 {
        return Ok(false);
    }
    let flags = (O_TMPFILE | O_RDWR | O_CLOEXEC) as usize;
    let path = c".".as_ptr() as usize;
    match call(nr::__NR_openat, [folder as usize, path, flags, 0o600, 0, 0]) {
        Ok(fd) => {
            let mapped = maps(fd as i32);
            sys::close(fd as i32);
            mapped.map(|_| true)
        }
        // A file system without unnamed files: whether it can be written must do.
        Err(sys::Errno::OPNOTSUPP | sys::Errno::ISDIR) => {
            const W_OK: usize = 2;
            sys::access(folder, c".", W_OK, 0).map(|()| true)
        }
        Err(error) => Err(error),
    }
}
