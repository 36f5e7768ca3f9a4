//! Images of modules to be judged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vload_fuzz::module::Input;

fuzz_target!(|input: Input| input.check());
