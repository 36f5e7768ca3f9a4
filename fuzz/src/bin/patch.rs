//! Programs to be patched, and patched images to be opened.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use vload_fuzz::{elf, patch};

/// One input.
#[derive(Debug, Arbitrary)]
enum Input {
    /// A program with sites.
    Program(patch::Program),
    /// A broken ELF file.
    Elf(elf::Image),
    /// Any bytes, as a program and as a patched image.
    Raw(Vec<u8>),
}

fuzz_target!(|input: Input| {
    match input {
        Input::Program(program) => program.check(),
        Input::Elf(image) => patch::check_bytes(&image.build()),
        Input::Raw(bytes) => patch::check_bytes(&bytes),
    }
});
