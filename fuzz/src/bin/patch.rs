//! Programs to be patched, and patched images to be opened.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vload_fuzz::patch::Input;

fuzz_target!(|input: Input| input.check());
