//! The options that say what vload does, wherever they are given: on the command line of the program,
//! or in the text that the shared object takes.

use super::OPTIONS;
use crate::layer::modules::{self, Unusable};
use crate::log::Level;
use crate::patch::ShapeSet;
use crate::watch::Policy;

/// Why an option makes no sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfit<'a> {
    /// It is none of these.
    Unknown,
    /// It lacks its value.
    NoValue,
    /// It has no such value.
    Value(&'a [u8]),
    /// A `-m` that cannot be followed.
    Module(&'a [u8], Unusable<'a>),
    /// More `-m` than there can be layers.
    Modules,
    /// More than can be handed on.
    TooLong,
}

/// A word as an option's name and, for `--name=value`, the value.
pub fn split(word: &[u8]) -> (&[u8], Option<&[u8]>) {
    match word.iter().position(|&byte| byte == b'=') {
        Some(equals) if word.starts_with(b"--") => (&word[..equals], Some(&word[equals + 1..])),
        _ => (word, None),
    }
}

/// Keeps the option `name` in [`OPTIONS`], with the value `given` in its word or else the one that `next`
/// gives.
///
/// # Safety
/// As for [`Options::take`](super::Options::take).
pub unsafe fn take<'a>(
    name: &[u8],
    given: Option<&'a [u8]>,
    next: impl FnOnce() -> Option<&'a [u8]>,
) -> Result<(), Unfit<'a>> {
    let value = || given.or_else(next).ok_or(Unfit::NoValue);
    let (name, value) = match name {
        b"--shapes" => {
            let set = value()?;
            let known = core::str::from_utf8(set).is_ok_and(|set| ShapeSet::parse(set).is_ok());
            ("shapes", known.then_some(set).ok_or(Unfit::Value(set))?)
        }
        b"--skip" => ("skip", value()?),
        b"--plain" => ("plain", value()?),
        b"-m" | b"--module" => {
            let text = value()?;
            match modules::find(text) {
                // Whoever asks for it looks for a file.
                Ok(_) | Err(Unusable::NoModule(_)) => {}
                Err(why) => return Err(Unfit::Module(text, why)),
            }
            if OPTIONS.values(modules::OPTION).count() == modules::MOST {
                return Err(Unfit::Modules);
            }
            (modules::OPTION, text)
        }
        b"--watch" => {
            let policy = value()?;
            let known = Policy::named(policy).is_some();
            ("watch", known.then_some(policy).ok_or(Unfit::Value(policy))?)
        }
        b"--no-cache" if given.is_none() => ("no-cache", &b""[..]),
        _ => return Err(Unfit::Unknown),
    };
    // SAFETY: the caller's promise.
    unsafe { keep(name, value) }
}

/// Keeps an option under the name by which it is asked for.
///
/// # Safety
/// As for [`Options::take`](super::Options::take).
pub unsafe fn keep(name: &str, value: &[u8]) -> Result<(), Unfit<'static>> {
    // SAFETY: the caller's promise.
    if unsafe { OPTIONS.add(name, value) } { Ok(()) } else { Err(Unfit::TooLong) }
}

/// The file that `--log` names, and the name of the level, if there is one: a colon may be part of the
/// file's.
pub fn log(value: &[u8]) -> (&[u8], Option<&[u8]>) {
    match value.iter().rposition(|&byte| byte == b':') {
        Some(colon) if Level::named(&value[colon + 1..]).is_some() => {
            (&value[..colon], Some(&value[colon + 1..]))
        }
        _ => (value, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::spec::Malformed;

    #[test]
    fn a_word_has_its_value_behind_the_first_sign() {
        assert_eq!(split(b"--skip=a=b"), (&b"--skip"[..], Some(&b"a=b"[..])));
        assert_eq!(split(b"--skip"), (&b"--skip"[..], None));
        assert_eq!(split(b"-m=x"), (&b"-m=x"[..], None));
    }

    #[test]
    fn what_makes_no_sense_is_told_apart() {
        // SAFETY: nothing of it is kept.
        let refused = |name, given| unsafe { take(name, given, || None) }.err();
        assert_eq!(refused(b"--watch", Some(b"x")), Some(Unfit::Value(b"x")));
        assert_eq!(refused(b"--shapes", Some(b"x")), Some(Unfit::Value(b"x")));
        assert_eq!(refused(b"--skip", None), Some(Unfit::NoValue));
        assert_eq!(refused(b"--no-cache", Some(b"x")), Some(Unfit::Unknown));
        assert_eq!(refused(b"--nothing", None), Some(Unfit::Unknown));
        let module = Unfit::Module(b":", Unusable::Malformed(Malformed::NoName));
        assert_eq!(refused(b"-m", Some(b":")), Some(module));
    }

    #[test]
    fn only_a_level_is_cut_from_a_log_file() {
        assert_eq!(log(b"/a:debug"), (&b"/a"[..], Some(&b"debug"[..])));
        assert_eq!(log(b"/a:b"), (&b"/a:b"[..], None));
        assert_eq!(log(b"/a"), (&b"/a"[..], None));
    }
}
