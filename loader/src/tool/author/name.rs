//! Which names a module that is made anew can have.

use runtime::layer::modules;

use super::new::Language;
use crate::tool::prepare::FRAMEWORK;

/// The longest name of a module (`vload_module.name`).
const LONGEST: usize = 31;

/// What a Rust crate cannot be called, though the letters are right: keywords of the language (The Rust Reference, "Keywords"),
/// and what cargo itself keeps.
const NO_CRATE: &str = "abstract alignof as async await become box break const continue crate do dyn else enum \
    extern false final fn for gen if impl in let loop macro match mod move mut offsetof override priv proc pub pure ref return \
    self sizeof static struct super test trait true try type typeof unsafe unsized use virtual where while yield \
    alloc core proc_macro proc-macro std vload-module vload_module linux-raw-sys linux_raw_sys";

/// Why a module cannot be called so.
pub fn refusal(name: &[u8], language: Language) -> Option<&'static str> {
    let known = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !name.first().is_some_and(u8::is_ascii_alphabetic) {
        return Some("a module's name begins with a letter");
    }
    if !name.iter().all(known) {
        return Some("a module's name has letters, digits, - and _, nothing else");
    }
    if name.len() > LONGEST {
        return Some("a module's name has at most 31 letters");
    }
    if modules::named(name).is_some() || name == FRAMEWORK {
        return Some("a part of vload has that name, and 'vload -m' would find that");
    }
    let taken = || NO_CRATE.split_whitespace().any(|word| word.as_bytes() == name);
    (language == Language::Rust && taken()).then_some("a Rust crate cannot have that name")
}
