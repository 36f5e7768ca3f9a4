//! What a debugger finds that knows the process alone (`gdb -p`). It takes vload's file for the program's, and looks
//! for libraries where the auxiliary vector that the kernel keeps leads: by `AT_PHDR` to the program headers, from
//! there to the dynamic section, and in that to `DT_DEBUG`, an `r_debug` (link.h). These are copies of vload's
//! (`loader/src/debugger.rs`); the `r_debug` is the one below. Its list is the program's own, in which the program
//! itself has no name; so a second list (`r_version` 2, for a namespace of `dlmopen(3)`) names the program's file.
//! Nothing of the program's is changed.
//!
//! One that has started vload (`gdb --args vload ./app`) finds the same lists by vload's own `DT_DEBUG`, and looks
//! at them when `_dl_debug_state` is called, where it has put a breakpoint before vload's first instruction.

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use super::PROGRAM;
use crate::memory::{User, read_words};
use linux_raw_sys::general::{__NR_mprotect, __NR_munmap};

/// Bytes of a word.
const WORD: usize = size_of::<usize>();
/// `DT_DEBUG` (elf.h).
pub const DT_DEBUG: usize = 21;

/// The `r_version` of a list that another one may follow.
const EXTENDED: usize = 2;
/// Words of a `struct r_debug_extended`: `r_version`, `r_map`, `r_brk`, `r_state`, `r_ldbase`, `r_next`.
const MAP: usize = 1;
const BRK: usize = 2;
const NEXT: usize = 5;
/// Words of a `struct link_map`: `l_addr`, `l_name`, `l_ld`, `l_next`, `l_prev`.
const ADDR: usize = 0;
const NAME: usize = 1;
const LD: usize = 2;
const FOLLOWING: usize = 3;

/// What `DT_DEBUG` leads to.
static FIRST: [AtomicUsize; 6] = [const { AtomicUsize::new(0) }; 6];
/// The list of the program alone.
static SECOND: [AtomicUsize; 6] = [const { AtomicUsize::new(0) }; 6];
/// Its one member.
static NODE: [AtomicUsize; 5] = [const { AtomicUsize::new(0) }; 5];
/// Where the interp puts the address of the program's own `r_debug`; 0 when that is known, or never will be.
static ENTRY: AtomicUsize = AtomicUsize::new(0);
/// The address of `_dl_debug_state`, and of its second instruction, which is the same as the first; 0 where there is none.
static STATE: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
/// What a debugger has heard of.
static TOLD: AtomicUsize = AtomicUsize::new(0);

fn set(words: &[AtomicUsize], index: usize, value: usize) {
    words[index].store(value, Ordering::Release);
}

/// Names the program, whose load bias is `bias`. Until the interp has a better place for a debugger's breakpoint that is
/// `entry`, where the program has begun. `state` is where `_dl_debug_state` and its second instruction are. The
/// address of the `r_debug`.
pub fn begin(bias: usize, entry: usize, state: [usize; 2]) -> usize {
    set(&NODE, ADDR, bias);
    set(&NODE, NAME, PROGRAM.path().as_ptr() as usize);
    for list in [&FIRST, &SECOND] {
        set(list, 0, EXTENDED);
        set(list, MAP, NODE.as_ptr() as usize);
    }
    set(&FIRST, BRK, entry);
    set(&STATE, 0, state[0]);
    set(&STATE, 1, state[1]);
    FIRST.as_ptr() as usize
}

/// The program's dynamic section has `size` bytes at `dynamic`.
pub fn follow(dynamic: usize, size: usize) {
    const MOST: usize = 128;
    set(&NODE, LD, dynamic);
    let mut words = [0usize; MOST];
    let words = &mut words[..(size / WORD).min(MOST)];
    // A section that cannot be read has no entry that the interp could set.
    if read_words(dynamic, words).is_ok()
        && let Some(index) = words.chunks_exact(2).position(|pair| pair[0] == DT_DEBUG)
    {
        ENTRY.store(dynamic + (2 * index + 1) * WORD, Ordering::Release);
    }
}

fn word(at: usize) -> usize {
    User::<usize>::new(at).read_again().unwrap_or(0)
}

/// The program is about to change its mappings by call `number`. What has been relocated is made read-only then, before
/// its first instruction, and by now a debugger can know its threads.
pub fn look(number: usize) {
    let entry = ENTRY.load(Ordering::Acquire);
    if entry != 0 {
        find(entry);
    }
    if [__NR_mprotect, __NR_munmap].contains(&(number as u32)) {
        tell();
    }
}

/// Looks whether the interp has made its list by now. It does so before it maps the first library (glibc), or
/// notes where the list will be (musl), which is then the one that follows the program's.
fn find(entry: usize) {
    let real = word(entry);
    if real == 0 {
        return;
    }
    match word(real.wrapping_add(MAP * WORD)) {
        0 => set(&FIRST, NEXT, real),
        map => {
            set(&FIRST, BRK, word(real.wrapping_add(BRK * WORD)));
            set(&FIRST, MAP, map);
            set(&FIRST, NEXT, SECOND.as_ptr() as usize);
            ENTRY.store(0, Ordering::Release);
        }
    }
}

/// Tells a debugger that has a breakpoint at `_dl_debug_state` when there are others in the list than before.
pub fn tell() {
    let [state, twin] = [&STATE[0], &STATE[1]].map(|at| at.load(Ordering::Acquire));
    if state == 0 {
        return;
    }
    // SAFETY: both are instructions of vload's. A debugger may change them at any time, by the byte.
    let byte = |at: usize| unsafe { AtomicU8::from_ptr(at as *mut u8) }.load(Ordering::Relaxed);
    if byte(state) == byte(twin) {
        return;
    }
    let listed = signature();
    if TOLD.swap(listed, Ordering::Relaxed) != listed {
        // SAFETY: a function without arguments, which does nothing (`loader/src/debugger.rs`).
        unsafe { core::mem::transmute::<usize, extern "C" fn()>(state)() }
    }
}

/// A number that is another one for another list.
fn signature() -> usize {
    /// A list that is changed just now may have no end.
    const MOST: usize = 10_000;
    let mut node = FIRST[MAP].load(Ordering::Acquire);
    let mut sum = 1usize;
    for _ in 0..MOST {
        if node == 0 {
            break;
        }
        sum = sum.wrapping_mul(31).wrapping_add(node);
        node = word(node.wrapping_add(FOLLOWING * WORD));
    }
    sum
}
