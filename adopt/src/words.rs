//! The options: the words of the command line that say what vload does, separated by white space.

use alloc::ffi::CString;

use runtime::process::option::{self, Unfit};
use runtime::sys::{self, Errno, Result};
use runtime::view::{self, OWN};

use crate::environment;

/// `O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC`.
const APPEND: u32 = 0o1 | 0o100 | 0o2000 | 0o2_000_000;

/// Takes the options; what a process started by `vload` learns from its environment too.
///
/// Errors: `EINVAL` for a word that is no option or has no such value; `E2BIG` and `ENOSPC` for too many; those of
/// opening a file.
pub fn take(words: &[u8], environment: &[u8]) -> Result<()> {
    let mut words = words.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let (name, given) = option::split(word);
        match name {
            b"--log" => log(given.or_else(|| words.next()).ok_or(Errno::INVAL)?)?,
            b"--trace" => {
                let file = open(given.or_else(|| words.next()).ok_or(Errno::INVAL)?)?;
                OWN.trace.set(file);
                keep("trace", b"lines")?;
            }
            // SAFETY: no thread has entered the resident yet: nothing leads there.
            _ => unsafe { option::take(name, given, || words.next()) }.map_err(errno)?,
        }
    }
    find_cache(environment)
}

/// The folder of images, if the process's environment names one and it is there.
fn find_cache(environment: &[u8]) -> Result<()> {
    let base =
        |name: &[u8]| environment::value(environment, name).filter(|at| at.starts_with(b"/"));
    let path = match (base(b"XDG_CACHE_HOME"), base(b"HOME")) {
        (Some(base), _) => [base, b"/vload"].concat(),
        (_, Some(home)) => [home, b"/.cache/vload"].concat(),
        _ => return Ok(()),
    };
    keep("cache", &path)
}

fn log(value: &[u8]) -> Result<()> {
    let (file, level) = option::log(value);
    if let Some(level) = level {
        keep("log-level", level)?;
    }
    OWN.log.set(open(file)?);
    Ok(())
}

fn open(path: &[u8]) -> Result<i32> {
    let path = CString::new(path).map_err(|_| Errno::INVAL)?;
    let file = sys::openat(sys::CWD, &path, APPEND, 0o666)?;
    view::move_away(file)
}

fn keep(name: &str, value: &[u8]) -> Result<()> {
    // SAFETY: as in `take`.
    unsafe { option::keep(name, value) }.map_err(errno)
}

fn errno(unfit: Unfit<'_>) -> Errno {
    match unfit {
        Unfit::TooLong => Errno::TOOBIG,
        Unfit::Modules => Errno::NOSPC,
        _ => Errno::INVAL,
    }
}
