//! Which file a program's name means.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use runtime::process::resolve;
use runtime::sys::{self, Errno};

use crate::message::{NOT_EXECUTABLE, NOT_FOUND, Shown, fail};
use crate::vectors::Vectors;

/// Where programs are looked for without `PATH` (`_PATH_DEFPATH`, paths.h).
const DEFAULT_PATH: &[u8] = b"/usr/bin:/bin";

/// The path that `name` means, as execvp(3) finds it, and the file if it is open already.
pub fn program(vectors: &Vectors, name: &CStr) -> (CString, Option<i32>) {
    if name.to_bytes().contains(&b'/') || name.is_empty() {
        return (name.into(), None);
    }
    let path = vectors.env(b"PATH").unwrap_or(DEFAULT_PATH);
    let mut denied = None;
    for directory in path.split(|&byte| byte == b':') {
        // An empty entry is the working directory.
        let directory = if directory.is_empty() { b"." } else { directory };
        let Ok(candidate) = CString::new([directory, b"/", name.to_bytes()].concat()) else {
            continue;
        };
        match resolve::open_executable(&candidate) {
            Ok(fd) => return (candidate, Some(fd)),
            Err(Errno::ACCES) => denied = denied.or(Some(candidate)),
            Err(_) => {}
        }
    }
    match denied {
        Some(path) => (path, None),
        None => fail(NOT_FOUND, format_args!("{}: not found in PATH", Shown(name.to_bytes()))),
    }
}

/// Opens the program, or says why that cannot be done.
pub fn open(path: &CStr) -> i32 {
    match resolve::open_executable(path) {
        Ok(fd) => fd,
        Err(error) => refuse(path, error),
    }
}

fn refuse(path: &CStr, error: Errno) -> ! {
    let shown = Shown(path.to_bytes());
    let status =
        if matches!(error, Errno::NOENT | Errno::NOTDIR) { NOT_FOUND } else { NOT_EXECUTABLE };
    let stat = sys::stat(sys::CWD, path);
    if stat.is_ok_and(|stat| stat.is_directory()) {
        fail(
            NOT_EXECUTABLE,
            format_args!("{shown}: is a directory ({})", error.name().unwrap_or("?")),
        );
    }
    if stat.is_ok_and(|stat| !stat.is_file()) {
        fail(
            NOT_EXECUTABLE,
            format_args!("{shown}: is no regular file ({})", error.name().unwrap_or("?")),
        );
    }
    if error == Errno::ACCES && sys::access(sys::CWD, path, X_OK, AT_EACCESS).is_ok() {
        fail(
            NOT_EXECUTABLE,
            format_args!(
                "{shown}: it may be executed but not read, and vload must read what it loads \
                 ({}); run it natively, or ask its owner for read permission",
                error.name().unwrap_or("?")
            ),
        );
    }
    fail(status, format_args!("{shown}: {} ({})", error.text(), error.name().unwrap_or("?")))
}

const X_OK: usize = 1;
const AT_EACCESS: usize = 0x200;

/// The absolute path of an open file: as `/proc` shows it, or put together from the working
/// directory where there is no `/proc`, or the file has no path (a pipe: `pipe:[17]`).
pub fn real_path(fd: i32, path: &CStr) -> Vec<u8> {
    let mut buffer = [0; 4096];
    let real = runtime::view::path_of(fd, &mut buffer);
    if let Some(real) = real.filter(|real| real.starts_with(b"/")) {
        return real.into();
    }
    let bytes = path.to_bytes();
    if bytes.starts_with(b"/") {
        return bytes.into();
    }
    let mut here: Vec<u8> = sys::getcwd(&mut buffer).unwrap_or(b"").into();
    for part in bytes.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => here.truncate(here.iter().rposition(|&byte| byte == b'/').unwrap_or(0)),
            name => {
                here.push(b'/');
                here.extend_from_slice(name);
            }
        }
    }
    here
}
