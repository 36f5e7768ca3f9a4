//! What `vload new` writes agrees with what there is.

use regex_lite::Regex;

const WORKSPACE: &str = include_str!("../../Cargo.lock");
const MODULE: &str = include_str!("../../loader/templates/rust/lock");

/// A package of a lock file: all its lines.
fn package<'a>(lock: &'a str, name: &str) -> &'a str {
    let named = format!("name = \"{name}\"\n");
    let mut packages = lock.split("[[package]]\n");
    packages.find(|package| package.starts_with(&named)).expect("the package is there").trim()
}

/// Cargo would have to ask the registry for what a lock file does not name, and write another.
#[test]
fn a_new_crate_is_locked_to_what_vload_is_made_of() {
    for name in ["linux-raw-sys", "vload-module"] {
        assert_eq!(package(MODULE, name), package(WORKSPACE, name));
    }
    let version = Regex::new(r"(?m)^version = \d+$").expect("a pattern");
    let format = |lock| version.find(lock).map(|found| found.as_str());
    assert_eq!(format(MODULE), format(WORKSPACE));
}
