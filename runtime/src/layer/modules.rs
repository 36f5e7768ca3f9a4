//! `-m`: which modules there are, and the layers that a session's options ask for.

use super::list::{self, FIXED, Layer};
use super::raw::Raw;
use super::spec::{Malformed, Spec};
use super::{count, failing, forward, wanted};
use crate::abi::Entry;
use crate::process::OPTIONS;
use crate::sys::Errno;

/// The modules that are part of vload.
pub static BUILT_IN: [&Raw; 3] = [&count::COUNT, &forward::FORWARD, &failing::FAILING];

/// How the names begin of those that only the tests use.
pub const HIDDEN: &str = "test-";

/// The name under which [`OPTIONS`] keeps each `-m`.
pub const OPTION: &str = "module";
/// How often `-m` can be given: a trace is a layer, too.
pub const MOST: usize = FIXED - 1;

/// Why a `-m` cannot be followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unusable<'a> {
    /// It is not written as it must be.
    Malformed(Malformed<'a>),
    /// There is no such module.
    NoModule(&'a [u8]),
    /// The module has no such argument.
    NoArgument(&'static str, &'a [u8]),
}

/// The module of that name that is part of vload.
pub fn named(name: &[u8]) -> Option<&'static Raw> {
    BUILT_IN.into_iter().find(|raw| raw.name.as_bytes() == name)
}

/// The arguments that the module called `name` takes.
pub fn keys(name: &str) -> &'static [&'static str] {
    named(name.as_bytes()).map_or(&[], |raw| raw.keys)
}

/// What `text` asks for.
pub fn find(text: &[u8]) -> Result<(&'static Raw, Spec<'_>), Unusable<'_>> {
    let spec = Spec::parse(text).map_err(Unusable::Malformed)?;
    let raw = named(spec.name).ok_or(Unusable::NoModule(spec.name))?;
    match spec.keys().find(|key| !raw.keys.iter().any(|known| known.as_bytes() == *key)) {
        Some(key) => Err(Unusable::NoArgument(raw.name, key)),
        None => Ok((raw, spec)),
    }
}

/// A layer that cannot be put in place: the module's name and why.
pub type Failed = (&'static str, Errno);

/// Puts the layers in place that the options ask for, oldest first; `new` if the session begins.
fn attach(new: bool) -> Result<(), Failed> {
    for (index, text) in OPTIONS.values(OPTION).enumerate() {
        // What begins a session has looked at its options, and hands them on as they are.
        let (raw, spec) = match find(text) {
            Ok(found) => found,
            // It is a file, and the session knows the layer (`refresh`).
            Err(Unusable::NoModule(_)) => continue,
            Err(_) => return Err(("?", Errno::INVAL)),
        };
        let put = |layer: &'static Layer| {
            layer.have_area(new)?;
            if new {
                (raw.init)(layer, spec)?;
            }
            (raw.attach)(layer, spec)
        };
        let layer = list::fix(index, raw).ok_or((raw.name, Errno::NOSPC))?;
        put(layer).map_err(|error| (raw.name, error))?;
        list::want(raw);
        wanted::own_functions(|number| raw.wants.has(Entry::Native, number as usize));
    }
    Ok(())
}

/// The layers that the options ask for, and above them the trace.
pub fn put(new: bool) -> Result<(), Failed> {
    attach(new)?;
    super::set_trace_mode(match OPTIONS.values("trace").last() {
        Some(b"counts") => super::TraceMode::Counts,
        Some(_) => super::TraceMode::Lines,
        None => super::TraceMode::Off,
    });
    crate::trial::join();
    super::share();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_with_the_arguments_they_take() {
        assert!(find(b"forward").is_ok_and(|(raw, _)| raw.name == "forward"));
        assert!(find(b"count:file=x").is_ok_and(|(raw, _)| raw.name == "count"));
        let wrong = |text| find(text).map(|(raw, _)| raw.name).err();
        assert_eq!(wrong(b"nothing"), Some(Unusable::NoModule(b"nothing")));
        assert_eq!(wrong(b"count:pages=3"), Some(Unusable::NoArgument("count", b"pages")));
        assert_eq!(wrong(b"count:"), Some(Unusable::Malformed(Malformed::NotKeyValue(b""))));
    }
}
