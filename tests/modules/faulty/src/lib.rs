//! `getppid` does what the argument `how` says: one fault or another, as safe Rust has them and as `unsafe` makes them.
//! What it has changed under a lock is undone.
#![no_std]

use core::ffi::c_long;
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use vload_module::Layer;
use vload_module::linux::general::__NR_getppid;
use vload_module::raw::{Call, Next, Raw};

struct Faulty;

fn deeper(depth: usize) -> usize {
    let much = black_box([depth; 64]);
    if black_box(true) { deeper(depth + 1) + much[depth % 64] } else { 0 }
}

/// The first call changes a word under a lock and panics, the second says what the word is.
fn locked(layer: Layer<'_>) -> c_long {
    static AGAIN: AtomicBool = AtomicBool::new(false);
    let word: &AtomicU64 = layer.area().expect("an area");
    let lock = layer.lock(0).expect("a lock");
    if AGAIN.swap(true, Ordering::Relaxed) {
        return word.load(Ordering::Relaxed) as c_long + 77;
    }
    lock.change(word, 5);
    panic!("with a lock held");
}

impl Raw for Faulty {
    fn call(&self, layer: Layer<'_>, call: &mut Call, next: Next<'_>) -> c_long {
        let mut how = [0; 16];
        let how = layer.argument(c"how", &mut how).unwrap_or(b"");
        match how {
            b"index" => c_long::from(how[black_box(99)]),
            b"unwrap" => black_box(None::<c_long>).unwrap(),
            b"overflow" => {
                c_long::from(black_box(200u8).checked_add(black_box(100)).expect("a sum"))
            }
            b"deep" => deeper(0) as c_long,
            b"locked" => locked(layer),
            // SAFETY: none: it faults, on purpose.
            b"null" => unsafe {
                core::ptr::without_provenance::<c_long>(black_box(8)).read_volatile()
            },
            _ => next.call(call),
        }
    }
}

vload_module::raw_module!(
    Faulty,
    Faulty,
    "faulty-rust",
    "faults on purpose",
    numbers: [__NR_getppid],
    keys: "how",
    area: 8,
);
