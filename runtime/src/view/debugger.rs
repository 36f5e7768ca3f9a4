//! What a debugger finds that knows the process alone (`gdb -p`). It takes vload's file for the program's, and looks
//! for libraries where the auxiliary vector that the kernel keeps leads: by `AT_PHDR` to the program headers, from
//! there to the dynamic section, and in that to `DT_DEBUG`, an `r_debug` (link.h). These are copies of vload's
//! (`loader/src/debugger.rs`); the `r_debug` is the one below. Its list is the program's own, in which the program
//! itself has no name; so a second list (`r_version` 2, for a namespace of `dlmopen(3)`) names the program's file.
//! Nothing of the program's is changed.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::PROGRAM;
use crate::memory::{User, read_words};

/// Bytes of a word.
const WORD: usize = size_of::<usize>();
/// `DT_DEBUG` (elf.h).
pub const DT_DEBUG: usize = 21;

/// The `r_version` of a list that another one may follow.
const EXTENDED: usize = 2;
/// Words of a `struct r_debug_extended`: `r_version`, `r_map`, `r_brk`, `r_state`, `r_ldbase`, `r_next`.
const MAP: usize = 1;
const NEXT: usize = 5;
/// Words of a `struct link_map`: `l_addr`, `l_name`, `l_ld`, `l_next`, `l_prev`.
const ADDR: usize = 0;
const NAME: usize = 1;
const LD: usize = 2;

/// What `DT_DEBUG` leads to.
static FIRST: [AtomicUsize; 6] = [const { AtomicUsize::new(0) }; 6];
/// The list of the program alone.
static SECOND: [AtomicUsize; 6] = [const { AtomicUsize::new(0) }; 6];
/// Its one member.
static NODE: [AtomicUsize; 5] = [const { AtomicUsize::new(0) }; 5];
/// Where the interp puts the address of the program's own `r_debug`; 0 when that is known, or never will be.
static ENTRY: AtomicUsize = AtomicUsize::new(0);

fn set(words: &[AtomicUsize], index: usize, value: usize) {
    words[index].store(value, Ordering::Release);
}

/// Names the program, whose load bias is `bias` and whose dynamic section has `size` bytes at `dynamic`. The
/// address of the `r_debug`.
pub fn begin(bias: usize, dynamic: usize, size: usize) -> usize {
    const MOST: usize = 128;
    set(&NODE, ADDR, bias);
    set(&NODE, NAME, PROGRAM.path().as_ptr() as usize);
    set(&NODE, LD, dynamic);
    for list in [&FIRST, &SECOND] {
        set(list, 0, EXTENDED);
        set(list, MAP, NODE.as_ptr() as usize);
    }
    let mut words = [0usize; MOST];
    let words = &mut words[..(size / WORD).min(MOST)];
    // A section that cannot be read has no entry that the interp could set.
    if read_words(dynamic, words).is_ok()
        && let Some(index) = words.chunks_exact(2).position(|pair| pair[0] == DT_DEBUG)
    {
        ENTRY.store(dynamic + (2 * index + 1) * WORD, Ordering::Release);
    }
    FIRST.as_ptr() as usize
}

/// Looks whether the interp has made its list by now. It does so before it maps the first library (glibc), or
/// notes where the list will be (musl), which is then the one that follows the program's.
pub fn look() {
    let entry = ENTRY.load(Ordering::Acquire);
    if entry == 0 {
        return;
    }
    let word = |at: usize| User::<usize>::new(at).read_again().unwrap_or(0);
    let real = word(entry);
    if real == 0 {
        return;
    }
    match word(real.wrapping_add(MAP * WORD)) {
        0 => set(&FIRST, NEXT, real),
        map => {
            set(&FIRST, MAP, map);
            set(&FIRST, NEXT, SECOND.as_ptr() as usize);
            ENTRY.store(0, Ordering::Release);
        }
    }
}
