//! Where thread blocks live: one mapping each, used again when its thread has ended.

use core::mem::{offset_of, size_of};
use core::ptr::{null, null_mut};
use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

use super::{AltStack, Block, Ownership};
use crate::arch::{Binding, image_range};
use crate::layer::LAYERS;
use crate::memory::{guard, readable};
use crate::process::Dispatch;
use crate::seccomp::Chain;
use crate::signal::Blocked;
use crate::sys::{self, Errno};

/// Bytes of the resident's stack, which ends at its block.
pub const STACK: usize = 96 * 1024;
/// Bytes of the stack on which the kernel starts our signal handler.
const SIGNAL_STACK: usize = 64 * 1024;
/// What lies above the first frame on the signal stack is looked at, too: emulators build frames that are
/// shorter than the kernel's structures, on riscv64 by the room for registers of 128 bits.
const SHORT_FRAME: usize = 1024;
/// An unmapped page below each stack.
const GUARD: usize = 4096;
const PAGE: usize = 4096;
/// Blocks that are mapped at once at most.
const AT_ONCE: usize = 32;

const BLOCK: usize = size_of::<Block>().next_multiple_of(PAGE);
const SIZE: usize = GUARD + SIGNAL_STACK + GUARD + STACK + BLOCK;

/// All blocks of a process (of an address space: a vfork child uses its parent's).
pub struct Pool {
    first: AtomicPtr<Node>,
    /// How many there are.
    mapped: AtomicUsize,
}

/// The list's link lies behind the block, in the same pages.
#[repr(C)]
struct Node {
    block: Block,
    next: *mut Node,
}

const _: () = assert!(size_of::<Node>() <= BLOCK);

/// Where a block has the address of the next one, and the pool that of the first, for the entry code.
pub const NEXT_BLOCK: usize = offset_of!(Node, next);
const _: () = assert!(offset_of!(Pool, first) == 0);
/// Where the pool says how many there are.
pub const BLOCK_COUNT: usize = offset_of!(Pool, mapped);

/// The pool of this address space.
pub static POOL: Pool = Pool { first: AtomicPtr::new(null_mut()), mapped: AtomicUsize::new(0) };

impl Pool {
    /// A block for a thread that is about to start. It has its stacks and is bound to nothing.
    pub fn take(&self) -> sys::Result<*mut Block> {
        let mut node = self.first.load(Ordering::Acquire);
        while !node.is_null() {
            // SAFETY: nodes are never unmapped.
            let found = unsafe { &*node };
            if found
                .block
                .state
                .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
            {
                // SAFETY: the exchange made the block ours.
                unsafe { reset(&raw mut (*node).block) };
                return Ok(node.cast());
            }
            node = found.next;
        }
        self.map()
    }

    /// Has a block ready for the next thread, or child of a vfork, in a process that may soon be forbidden to map one.
    pub fn reserve(&self) {
        if let Ok(block) = self.take() {
            // SAFETY: blocks are never unmapped.
            self.give_back(unsafe { &*block });
        }
    }

    /// Maps a block for the caller, and some more if there are many already: a process with thousands of
    /// threads has them in a few mappings.
    fn map(&self) -> sys::Result<*mut Block> {
        let mapped = self.mapped.load(Ordering::Relaxed);
        let count = mapped.clamp(1, AT_ONCE);
        // Of a few the guards are mappings of their own: a filter that is inherited may not allow to ask for marks.
        let marks = mapped >= AT_ONCE;
        let size = |count: usize| count * SIZE + if marks { GUARD } else { 0 };
        let (start, count) = match sys::map_anonymous(size(count)) {
            Ok(start) => (start, count),
            Err(_) => (sys::map_anonymous(size(1))?, 1),
        };
        guard::own(start, size(count));
        // What makes pages present (`mlockall(2)`) stops at a mark, with all of the mapping that is above: that must be none
        // of the target's.
        // SAFETY: the page is ours and unused.
        let is_apart = !marks || unsafe { sys::map_nothing(start + count * SIZE, GUARD) }.is_ok();
        // All before the first page is touched: where there is none the kernel may map a huge one.
        let has_guards =
            |index: &usize| is_apart && add_guards(start + index * SIZE, marks).is_ok();
        let guarded = (0..count).take_while(has_guards).count();
        // Of the others nothing is used.
        if guarded == 0 {
            // SAFETY: the mapping is ours and nobody knows it.
            unsafe { guard::unmap(start, size(count)) };
            return Err(Errno::NOMEM);
        }
        self.mapped.fetch_add(guarded, Ordering::Relaxed);
        let first = self.add(start, 1);
        for index in 1..guarded {
            self.add(start + index * SIZE, 0);
        }
        Ok(first)
    }

    /// Makes a block of fresh memory, in `state`.
    fn add(&self, start: usize, state: u32) -> *mut Block {
        let stack = start + GUARD + SIGNAL_STACK + GUARD;
        let node = (stack + STACK) as *mut Node;
        // SAFETY: the pages behind the stack are ours and zero, which is a valid block: no
        // pointers are followed before `reset` has set them.
        unsafe {
            let block = &raw mut (*node).block;
            (*block).this = block;
            (*block).stack_top = stack + STACK;
            (*block).signal_stack = (start + GUARD, SIGNAL_STACK - SHORT_FRAME);
            (*block).state = AtomicU32::new(state);
            reset(block);
        }
        let mut next = self.first.load(Ordering::Relaxed);
        loop {
            // SAFETY: the node is ours until the exchange below publishes it.
            unsafe { (*node).next = next };
            match self.first.compare_exchange_weak(next, node, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return node.cast(),
                Err(seen) => next = seen,
            }
        }
    }

    /// Gives back the block of a thread that has ended and could not do it itself.
    pub fn give_back(&self, block: &Block) {
        block.state.store(0, Ordering::Release);
    }

    /// After a fork the child has one thread: every block but `mine` is free.
    pub fn keep_only(&self, mine: *const Block) {
        let mut node = self.first.load(Ordering::Acquire);
        while !node.is_null() {
            // SAFETY: nodes are never unmapped.
            let found = unsafe { &*node };
            // What is not written is not copied.
            if !core::ptr::eq(&found.block, mine) && found.block.state.load(Ordering::Relaxed) != 0
            {
                found.block.state.store(0, Ordering::Release);
            }
            node = found.next;
        }
    }

    /// Whether `block` is one of ours: what a value found in a register is checked against.
    pub fn contains(&self, block: *const Block) -> bool {
        let mut node = self.first.load(Ordering::Acquire);
        while !node.is_null() {
            if node.cast_const().cast() == block {
                return true;
            }
            // SAFETY: nodes are never unmapped.
            node = unsafe { (*node).next };
        }
        false
    }

    /// The block of thread `tid`, where the architecture's register does not tell.
    pub fn of_thread(&self, tid: i32) -> Option<*mut Block> {
        let mut node = self.first.load(Ordering::Acquire);
        while !node.is_null() {
            // SAFETY: nodes are never unmapped.
            let found = unsafe { &*node };
            if found.block.state.load(Ordering::Acquire) == 1
                && found.block.tid.load(Ordering::Relaxed) == tid
            {
                return Some(node.cast());
            }
            node = found.next;
        }
        None
    }

    /// The block of the thread whose alternate stack is, for the kernel, the one at `start`: that is
    /// the truth whatever the thread's registers are.
    ///
    /// # Safety
    /// `start` must be what the kernel says of a thread that the resident has started.
    pub unsafe fn of_signal_stack(start: usize) -> *mut Block {
        (start + SIGNAL_STACK + GUARD + STACK) as *mut Block
    }

    /// The lowest address of a block's stack.
    pub fn stack_floor(block: &Block) -> usize {
        core::ptr::from_ref(block) as usize - STACK
    }

    /// Calls `visit` with every block, whoever uses it.
    pub fn each(&self, mut visit: impl FnMut(&Block)) {
        let mut node = self.first.load(Ordering::Acquire);
        while !node.is_null() {
            // SAFETY: nodes are never unmapped.
            let found = unsafe { &*node };
            visit(&found.block);
            node = found.next;
        }
    }

    /// Calls `visit` with every block that a thread uses.
    pub fn each_in_use(&self, mut visit: impl FnMut(&Block)) {
        self.each(|block| {
            if block.state.load(Ordering::Acquire) != 0 {
                visit(block);
            }
        });
    }

    /// Whether the caller's is the only thread.
    pub fn has_one_thread(&self) -> bool {
        let mut count = 0;
        self.each_in_use(|_| count += 1);
        count == 1
    }

    /// How many threads of the process there are.
    pub fn threads_of(&self, process: i32) -> usize {
        let mut count = 0;
        self.each_in_use(|block| {
            count += usize::from(block.process.load(Ordering::Relaxed) == process);
        });
        count
    }

    /// Calls `visit` with the range of every block's mapping.
    pub fn ranges(&self, visit: &mut dyn FnMut(usize, usize)) {
        let mut node = self.first.load(Ordering::Acquire);
        while !node.is_null() {
            let end = node as usize + BLOCK;
            visit(end - SIZE, end);
            // SAFETY: nodes are never unmapped.
            node = unsafe { (*node).next };
        }
    }
}

/// Makes the guard pages of a block: mappings of their own, or `marks` in its mapping (Linux 6.13), because of a thousand
/// threads' mappings each fork would have to copy thousands.
fn add_guards(start: usize, marks: bool) -> sys::Result<()> {
    [start, start + GUARD + SIGNAL_STACK].into_iter().try_for_each(|guard| {
        // SAFETY: the pages are ours and unused.
        let is_marked = marks && unsafe { sys::mark_as_guard(guard, GUARD) }.is_ok();
        if is_marked && readable(guard, GUARD).is_err() {
            return Ok(());
        }
        // SAFETY: as above.
        unsafe { sys::map_nothing(guard, GUARD) }
    })
}

/// Makes a block that is ours as good as new.
///
/// # Safety
/// The block must be in nobody else's use.
unsafe fn reset(block: *mut Block) {
    // SAFETY: the caller's promise; all are plain fields of mapped memory.
    unsafe {
        (*block).regs = null_mut();
        (*block).binding = Binding::none();
        (*block).image = image_range().0;
        (*block).held_flag = AtomicU32::new(0);
        (*block).exit_mask_set = 0;
        (*block).temporary_mask = None;
        (*block).altstack = AltStack::NONE;
        (*block).sighand = null();
        (*block).descriptors = null();
        (*block).table = AtomicU32::new(0);
        (*block).exec_scratch = [(0, 0); 2];
        (*block).exec_as = [0; 2];
        (*block).sequences = 0;
        (*block).last_stack = (0, 0, 0);
        (*block).ownership = Ownership::Process;
        (*block).filters = Chain::none();
        (*block).dispatch = Dispatch::OFF;
        (*block).handlers_cleared = false;
        (*block).copied_handlers = None;
        (*block).new_process = false;
        (*block).traced = false;
        (*block).guard = AtomicPtr::new(null_mut());
        (*block).faults_open = AtomicBool::new(false);
        (*block).layer_words = [const { AtomicUsize::new(0) }; LAYERS];
        (*block).inside = AtomicU64::new(0);
        (*block).must_arm = AtomicU32::new(0);
        (*block).at_work = AtomicU32::new(0);
        (*block).armed = AtomicU32::new(0);
        (*block).tid = AtomicI32::new(0);
        (*block).process = AtomicI32::new(0);
        (*block).blocked = Blocked::nothing();
        (*block).pending.forget();
        (*block).called = AtomicU32::new(0);
    }
}
