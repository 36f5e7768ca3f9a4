//! Images of modules to be judged.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use vload_fuzz::{elf, module};

/// One input.
#[derive(Debug, Arbitrary)]
enum Input {
    /// A module that was built, with changes.
    Module(module::Image),
    /// A broken ELF file.
    Elf(elf::Image),
    /// Any bytes, as a file and as what was made of one.
    Raw(Vec<u8>),
}

fuzz_target!(|input: Input| {
    match input {
        Input::Module(image) => image.check(),
        Input::Elf(image) => module::check_bytes(&image.build()),
        Input::Raw(bytes) => module::check_bytes(&bytes),
    }
});
