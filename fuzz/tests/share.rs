//! The same inputs in every run: what a fuzz target finds is looked for, a little, by every test.

use arbitrary::{Arbitrary, Unstructured};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use vload_fuzz::{image, module, patch};

/// How long the bytes of an input are at most.
const MOST: usize = 2048;

/// xorshift64*: always the same numbers.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Bytes of an input: half of them small numbers, as lengths and choices are.
    fn bytes(&mut self) -> Vec<u8> {
        let length = self.next() as usize % MOST;
        let byte = |number: u64| {
            if number & 1 << 40 == 0 { (number >> 32) as u8 } else { (number >> 32) as u8 % 8 }
        };
        (0..length).map(|_| byte(self.next())).collect()
    }
}

/// Checks so many inputs. Of one that fails the bytes are printed, as a file for libFuzzer would have them.
fn share<T: for<'a> Arbitrary<'a>>(count: u32, check: impl Fn(&T)) {
    let mut numbers = Numbers(0x7664_6c6f_6164);
    for number in 0..count {
        let bytes = numbers.bytes();
        let input =
            T::arbitrary_take_rest(Unstructured::new(&bytes)).expect("any bytes are an input");
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&input))) {
            eprintln!("input {number}: {}", bytes.escape_ascii());
            resume_unwind(panic);
        }
    }
}

#[test]
fn images() {
    share(100_000, image::Input::check);
}

#[test]
fn patched() {
    share(50_000, patch::Input::check);
}

/// `cargo xtask test` names the folder of the built modules.
#[test]
fn modules() {
    share(100_000, module::Input::check);
}
