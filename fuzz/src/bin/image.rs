//! ELF images, `#!` lines and the entries of binfmt_misc.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vload_fuzz::image::Input;

fuzz_target!(|input: Input| input.check());
