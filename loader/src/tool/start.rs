//! From the kernel's stack to what is asked.

use alloc::vec::Vec;

use runtime::memory::guard;
use runtime::process;
use runtime::thread::POOL;

use super::{prepare, verbs};
use crate::auxv::{AT_HWCAP2, AT_PAGESZ};
use crate::command::{self, Command};
use crate::handover;
use crate::message::{NOT_EXECUTABLE, USAGE, fail};
use crate::vectors::{Vectors, string};

/// Called by the first instructions, relocated, on the kernel's stack.
///
/// # Safety
/// Called once, by `_start`.
#[unsafe(no_mangle)]
unsafe extern "C" fn vload_start(sp: usize) -> ! {
    guard::own_image();
    let Ok(block) = POOL.take() else {
        fail(NOT_EXECUTABLE, format_args!("no memory for the resident's stack"));
    };
    handover::set_first_block(block);
    // SAFETY: the block is fresh and nothing uses its stack.
    unsafe { crate::arch::on_stack((*block).stack_top, sp, main) }
}

extern "C" fn main(sp: usize) -> ! {
    // SAFETY: `sp` is the kernel's, and nothing is written there.
    let vectors = unsafe { Vectors::at(sp) };
    if let Some(size) = vectors.aux(AT_PAGESZ) {
        process::set_page_size(size);
    }
    process::set_hwcap2(vectors.aux(AT_HWCAP2).unwrap_or(0));
    let (Some(own), Some(verb)) = (vectors.arg(1), vectors.arg(2)) else { alone() };
    let words: Vec<&'static [u8]> =
        vectors.argv[3..].iter().map(|&at| string(at).to_bytes()).collect();
    let end = words.iter().position(|&word| word == b"--").unwrap_or(words.len());
    match verb.to_bytes() {
        b"--ask" => verbs::run(&vectors, own, &words),
        b"--begin" => prepare::begin(&vectors, own, &words[..end], 3 + end + 1),
        b"--nest" => verbs::nest(&vectors, own, &words[..end], 3 + end + 1),
        _ => {}
    }
    // As vload has it, whose path stands for its name.
    let vectors = Vectors { argv: &vectors.argv[1..], ..vectors };
    match command::parse(&vectors) {
        Command::Bisect(ask) => crate::bisect::run(&vectors, &ask),
        _ => alone(),
    }
}

fn alone() -> ! {
    fail(USAGE, format_args!("vload-tool is a part of vload, which starts it"))
}
