//! Fuzz target on what vload reads from files that others wrote: ELF images, `#!` lines and the
//! entries of binfmt_misc.
//!
//! The inputs are structures, not bytes: [`elf`] writes a well-formed file and then spoils some
//! of its fields, so that the checks behind the first ones are reached. What is looked for is a
//! panic, an overflow, a hang, or an answer that contradicts itself. No sanitizer is needed (the
//! readers hold no `unsafe`), and so a stable compiler is enough:
//!
//! ```text
//! cargo xtask fuzz --runs 5000000
//! ```
//!
//! which is `cargo run --release --manifest-path fuzz/Cargo.toml -- -runs=5000000` with the
//! compiler's coverage instrumentation in `RUSTFLAGS`. `cargo fuzz run -s none image --fuzz-dir
//! fuzz` works too. Both take libFuzzer's options, such as a folder to keep the corpus in.
#![no_main]

mod elf;
mod text;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use runtime::image::{Head, Nesting, Script, classify};

/// One input.
#[derive(Debug, Arbitrary)]
enum Input {
    /// A program, and perhaps its interp.
    Elf(elf::Image),
    /// Two files, one as interp of the other.
    Elves(elf::Image, elf::Image),
    /// A `#!` line.
    Script(text::Line),
    /// An entry of binfmt_misc and a file.
    Misc(text::Entry, elf::Image),
    /// Any bytes, as every kind of file.
    Raw(Vec<u8>),
}

fuzz_target!(|input: Input| {
    match input {
        Input::Elf(image) => elf::check(&image.build(), None),
        Input::Elves(program, interp) => elf::check(&program.build(), Some(&interp.build())),
        Input::Script(line) => text::check_script(&line.build()),
        Input::Misc(entry, image) => text::check_entry(&entry.build(), &image.build()),
        Input::Raw(bytes) => raw(&bytes),
    }
});

fn raw(bytes: &[u8]) {
    elf::check(bytes, Some(bytes));
    text::check_script(bytes);
    text::check_entry(bytes, bytes);
    let head = Head::read(bytes).expect("a slice can be read");
    assert_eq!(head.len, bytes.len().min(head.bytes.len()));
    assert_eq!(classify(bytes).is_ok(), bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"#!"));
    assert!(Script::read(bytes).is_err() || bytes.starts_with(b"#!"));
    let mut nesting = Nesting::default();
    assert_eq!(bytes.iter().filter(|_| nesting.enter().is_ok()).count(), bytes.len().min(6));
}
