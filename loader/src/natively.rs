//! What is left to the kernel: executed as it is, without vload, or as another vload.

use alloc::vec::Vec;
use core::ffi::CStr;

use runtime::shown::Quoted;
use runtime::sys::{self, Errno};
use runtime::view::OWN;

use crate::message::{NOT_EXECUTABLE, NOT_FOUND, Shown, fail};
use crate::vectors::Vectors;

/// Executes the file without vload.
pub fn natively(path: &CStr, argv: &[usize], vectors: &Vectors) -> ! {
    runtime::log!(Warn, "{}: not covered: executed without vload", Quoted(path));
    for slot in OWN.all() {
        if slot.get() >= 0 {
            sys::close(slot.get());
        }
    }
    execute(path, argv, vectors)
}

/// Executes the file by a call as any program makes it.
pub fn execute(path: &CStr, argv: &[usize], vectors: &Vectors) -> ! {
    let argv: Vec<usize> = argv.iter().copied().chain([0]).collect();
    let envp: Vec<usize> = vectors.envp.iter().copied().chain([0]).collect();
    let (argv, envp) = (argv.as_ptr() as usize, envp.as_ptr() as usize);
    // A filter may allow one of the two.
    let result = sys::execve(path, argv, envp).or_else(|error| match error {
        Errno::PERM | Errno::NOSYS => sys::execveat(sys::CWD, path, argv, envp, 0),
        _ => Err(error),
    });
    let error = result.err().unwrap_or(Errno::NOEXEC);
    let is_there = !matches!(error, Errno::NOENT | Errno::NOTDIR);
    fail(
        if is_there { NOT_EXECUTABLE } else { NOT_FOUND },
        format_args!(
            "{}: {} ({})",
            Shown(path.to_bytes()),
            error.text(),
            error.name().unwrap_or("?")
        ),
    )
}
