//! The options: the words of the command line that say what vload does, separated by white space.

use alloc::ffi::CString;

use runtime::layer::modules;
use runtime::log::Level;
use runtime::patch::ShapeSet;
use runtime::process::OPTIONS;
use runtime::sys::{self, Errno, Result};
use runtime::view::{self, OWN};

use crate::environment;

/// `O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC`.
const APPEND: u32 = 0o1 | 0o100 | 0o2000 | 0o2_000_000;

/// Takes the options; what a process started by `vload` learns from its environment too.
///
/// Errors: `EINVAL` for a word that is no option or has no such value; those of opening a file.
pub fn take(words: &[u8], environment: &[u8]) -> Result<()> {
    let mut words = words.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let (name, given) = match word.iter().position(|&byte| byte == b'=') {
            Some(equals) if word.starts_with(b"--") => (&word[..equals], Some(&word[equals + 1..])),
            _ => (word, None),
        };
        let mut value = || given.or_else(|| words.next()).ok_or(Errno::INVAL);
        match name {
            b"--log" => log(value()?)?,
            b"--trace" => {
                let file = open(value()?)?;
                OWN.trace.set(file);
                keep("trace", b"lines")?;
            }
            b"--shapes" => {
                let set = value()?;
                let text = core::str::from_utf8(set).map_err(|_| Errno::INVAL)?;
                ShapeSet::parse(text).map_err(|_| Errno::INVAL)?;
                keep("shapes", set)?;
            }
            b"--skip" => keep("skip", value()?)?,
            b"--plain" => keep("plain", value()?)?,
            b"-m" | b"--module" => {
                let text = value()?;
                modules::find(text).map_err(|_| Errno::INVAL)?;
                keep(modules::OPTION, text)?;
            }
            b"--no-cache" if given.is_none() => keep("no-cache", b"")?,
            _ => return Err(Errno::INVAL),
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
    let colon = value.iter().rposition(|&byte| byte == b':');
    let level = colon.map(|colon| &value[colon + 1..]).filter(|name| Level::named(name).is_some());
    let file = match (colon, level) {
        (Some(colon), Some(level)) => {
            keep("log-level", level)?;
            &value[..colon]
        }
        // A colon in a file's name.
        _ => value,
    };
    OWN.log.set(open(file)?);
    Ok(())
}

fn open(path: &[u8]) -> Result<i32> {
    let path = CString::new(path).map_err(|_| Errno::INVAL)?;
    let file = sys::openat(sys::CWD, &path, APPEND, 0o666)?;
    view::move_away(file)
}

fn keep(name: &str, value: &[u8]) -> Result<()> {
    // SAFETY: no thread has entered the resident yet: nothing leads there.
    if unsafe { OPTIONS.add(name, value) } { Ok(()) } else { Err(Errno::TOOBIG) }
}
