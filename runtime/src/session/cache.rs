//! What was learned about files, kept on disk in a folder that only the user can write.
//!
//! An image is code that will run, so nothing is believed that another user could have put there:
//! the folder and the file must belong to the caller and be writable by nobody else. A process
//! whose user has changed since the session began finds no cache.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use crate::log::Line;
use crate::process::OPTIONS;
use crate::sort;
use crate::sys::{self, Errno, Result, Stat};
use linux_raw_sys::general::{
    O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY, RLIMIT_FSIZE,
};

/// Images made by another build are not read: the protocol between stubs and resident may differ.
const BUILD: &str = env!("VLOAD_FINGERPRINT");

/// More images than that and the oldest are removed.
const MOST: usize = 1024;
/// How many are removed then.
const REMOVED: usize = 256;

/// The opened folder; `None` without one that can be trusted.
fn folder() -> Option<i32> {
    if OPTIONS.has("no-cache") {
        return None;
    }
    let path = CString::new(OPTIONS.values("cache").last()?).ok()?;
    let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    let fd = sys::openat(sys::CWD, &path, flags, 0).ok()?;
    if sys::fstat(fd).is_ok_and(|stat| is_ours(&stat)) {
        return Some(fd);
    }
    sys::close(fd);
    None
}

/// Whether nobody but the caller can have written it.
fn is_ours(stat: &Stat) -> bool {
    const OTHERS_WRITE: u32 = 0o022;
    stat.mode & OTHERS_WRITE == 0 && stat.uid == sys::geteuid()
}

fn name(key: &[u64; 6]) -> Line {
    let mut line = Line::new();
    line.text(BUILD);
    for word in key {
        line.raw(b"-").hexadecimal(*word);
    }
    line.raw(b"\0");
    line
}

/// Whether `path` is that of an image of the cache.
pub fn holds(path: &[u8]) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    name.strip_prefix(BUILD.as_bytes()).is_some_and(|rest| rest.starts_with(b"-"))
}

fn c_str(line: &Line) -> Result<&CStr> {
    CStr::from_bytes_with_nul(line.bytes()).map_err(|_| Errno::INVAL)
}

/// Opens the image kept under `key`: its descriptor and length.
pub fn open(key: &[u64; 6]) -> Option<(i32, usize)> {
    let folder = folder()?;
    let flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC;
    let opened = c_str(&name(key)).and_then(|name| sys::openat(folder, name, flags, 0));
    sys::close(folder);
    let fd = opened.ok()?;
    match sys::fstat(fd) {
        Ok(stat) if stat.is_file() && stat.size != 0 && is_ours(&stat) => {
            Some((fd, stat.size as usize))
        }
        _ => {
            sys::close(fd);
            None
        }
    }
}

/// Keeps an image. Where that cannot be done the next process learns the same again.
pub fn keep(key: &[u64; 6], bytes: &[u8]) {
    let fits = sys::limit(RLIMIT_FSIZE).is_ok_and(|limit| limit.soft >= bytes.len() as u64);
    if !fits {
        // A write beyond the limit would be a signal to the program.
        return;
    }
    let Some(folder) = folder() else { return };
    if let Err(error) = write(folder, key, bytes) {
        crate::log!(Debug, "an image could not be kept on disk: {}", error.text());
    }
    make_room(folder);
    sys::close(folder);
}

/// Written under another name and renamed, so that a reader finds all of it or nothing.
fn write(folder: i32, key: &[u64; 6], bytes: &[u8]) -> Result<()> {
    let mut temporary = Line::new();
    temporary.text(".new-").hexadecimal(sys::random()?).raw(b"\0");
    let temporary = c_str(&temporary)?;
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    let fd = sys::openat(folder, temporary, flags, 0o600)?;
    let written = sys::write_aside(fd, bytes);
    sys::close(fd);
    let kept = written.and_then(|()| sys::rename(folder, temporary, c_str(&name(key))?));
    if kept.is_err() {
        // It was made by us a moment ago; if it cannot be removed it is removed with the oldest.
        let _ = sys::unlink(folder, temporary);
    }
    kept
}

fn make_room(folder: i32) {
    let mut files: Vec<(i64, CString)> = Vec::new();
    let listed = sys::list(folder, &mut |name| {
        if !matches!(name.to_bytes(), b"." | b"..")
            && let Ok(stat) = sys::stat(folder, name)
        {
            files.push((stat.mtime, name.into()));
        }
    });
    if listed.is_err() || files.len() <= MOST {
        return;
    }
    sort::by(&mut files, |a, b| a < b);
    for (_, name) in &files[..REMOVED] {
        // Another process may have been faster.
        let _ = sys::unlink(folder, name);
    }
}
