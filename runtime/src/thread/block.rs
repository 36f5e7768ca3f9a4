//! The thread block: one for each thread that can enter the resident.

use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

use crate::arch::{self, Binding, CallRegs, Extended};
use crate::layer::LAYERS;
use crate::process::Dispatch;
use crate::seccomp::Chain;
use crate::signal::{Blocked, Pending, SigHand};
use crate::view::Descriptors;

/// What belongs to one thread. The gate (`arch/*/entry.rs` and others) reaches the first fields by their offsets.
#[repr(C)]
pub struct Block {
    /// The block's own address: what the architecture's thread register is checked against.
    pub this: *mut Block,
    /// Where the resident's stack starts, a multiple of 16. It is empty whenever target code runs.
    pub stack_top: usize,
    /// Room for the entry code, which has no free registers.
    pub spill: [usize; 6],
    /// The registers of the call that is being handled.
    pub regs: *mut CallRegs,
    /// Where the exit code jumps.
    pub jump: usize,
    /// Not 0: a signal came while the resident ran; all others are blocked until it is delivered.
    pub held_flag: AtomicU32,
    /// Not 0: the thread must be armed before it goes on in the target (`watch`). The exit code tests it
    /// together with the flag before.
    pub must_arm: AtomicU32,
    /// Not 0: the exit code sets `exit_mask`.
    pub exit_mask_set: u32,
    /// The target's signal mask, to be set on the way out.
    pub exit_mask: u64,
    /// The mask with which the call has waited, when a signal has ended it.
    pub temporary_mask: Option<u64>,
    /// Not 0: the thread is in the resident, and leaves it by way of `must_arm`. Kept where threads can be
    /// watched.
    pub at_work: AtomicU32,
    /// The state of the block in its pool: 0 free, 1 in use.
    pub state: AtomicU32,
    /// Where vload's image begins, for who looks at the thread from another process.
    pub image: usize,
    /// The thread's id; 0: it has not started.
    pub tid: AtomicI32,
    /// Its process's: several processes can share the memory.
    pub process: AtomicI32,
    /// What leads from the thread's registers to the block.
    pub binding: Binding,
    /// The description of the site whose call a watched thread is making in the gate.
    pub watched_site: usize,
    /// Where it goes on, and the address behind the site.
    pub watched_way: [usize; 2],
    /// Its stack pointer there.
    pub watched_sp: usize,
    /// The state of the watch for which the thread is armed.
    pub armed: AtomicU32,
    /// What the target believes it blocks of the signals that the resident never blocks.
    pub blocked: Blocked,
    /// Of those, the ones that wait until the target unblocks them.
    pub pending: Pending,
    /// The signals, as bits, that the thread has been called to take, and whether another one ever called it
    /// (`signal/shared.rs`).
    pub called: AtomicU32,
    /// The number of the held signal.
    pub held_signal: i32,
    /// The alternate stack that the target asked for; the kernel's is the resident's.
    pub altstack: AltStack,
    /// The alternate stack that the kernel knows: start and size.
    pub signal_stack: (usize, usize),
    /// The handlers: shared by all threads of a process (`CLONE_SIGHAND`).
    pub sighand: *const SigHand,
    /// vload's own descriptors: shared by all that share the descriptor table (`CLONE_FILES`).
    pub descriptors: *const Descriptors,
    /// Which table of descriptors the thread has, of those in the process's memory ([`crate::view::new_table`]).
    pub table: AtomicU32,
    /// Where handlers and descriptors of a child that shares memory but not these are kept.
    pub private: PrivateTables,
    /// Who gives the block back.
    pub ownership: Ownership,
    /// The thread is the first of a process that shares another's memory, and not told to the layers yet.
    pub new_process: bool,
    /// The thread has asked to be traced by its parent.
    pub traced: bool,
    /// The code of a module's that the thread is in.
    pub guard: AtomicPtr<crate::module::Guard>,
    /// The faults of such code are not blocked in this thread (`signal::open_faults`).
    pub faults_open: AtomicBool,
    /// The table of wanted calls, where stubs find it by the block.
    pub wanted_table: AtomicUsize,
    /// A word for each layer.
    pub layer_words: [AtomicUsize; LAYERS],
    /// A bit for each of the layers that come and go: the thread is in a call of it.
    pub inside: AtomicU64,
    /// The syscall user dispatch that the thread has asked for.
    pub dispatch: Dispatch,
    /// The seccomp filters of the thread.
    pub filters: Chain,
    /// The handlers that the thread's own were copied from, and how often they had been changed.
    pub copied_handlers: Option<(&'static SigHand, u32)>,
    /// The clone that made the thread reset all handlers (`CLONE_CLEAR_SIGHAND`).
    pub handlers_cleared: bool,
    /// Memory that a child which shares ours took for its exec: start and length, of the resident's and of the
    /// framework's. Its parent gives it back.
    pub exec_scratch: [(usize, usize); 2],
    /// What the framework says of the program that the thread is about to execute: the addresses of the path by which it is
    /// executed and of the one where it lies; 0 where that is as the system finds it.
    pub exec_as: [usize; 2],
    /// The part of the thread's own stack that its `munmap(2)` left, because calls still use it: the stack
    /// pointer at that call, start and length.
    pub last_stack: (usize, usize, usize),
    /// Where the kernel notes that the thread was interrupted (`rseq(2)`), or 0.
    pub sequences: usize,
    /// The held signal's frame.
    pub held: Extended,
}

impl Block {
    /// The calling thread's, in the resident and in what it calls.
    pub fn own() -> &'static mut Self {
        // SAFETY: the resident runs on a bound block's stack, which is this thread's alone; what is
        // changed through this is a field that nobody holds a reference to meanwhile.
        unsafe { &mut *arch::thread_block() }
    }

    /// Notes who the calling thread is: the first of its process.
    pub fn is_first_thread(&self, tid: i32) {
        self.is_thread_of(tid, tid);
    }

    /// Notes who the calling thread is.
    pub fn is_thread_of(&self, process: i32, tid: i32) {
        self.process.store(process, Ordering::Relaxed);
        self.tid.store(tid, Ordering::Release);
    }

    /// Gives the layers the words that they have in another thread.
    pub fn take_layer_words(&self, from: &Self) {
        for (mine, theirs) in self.layer_words.iter().zip(&from.layer_words) {
            mine.store(theirs.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// Who gives a block back when its thread ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ownership {
    /// The process, whose first thread it is: nobody.
    First,
    /// The thread itself; the end of the process takes the rest.
    Process,
    /// The parent, which waits for it (`CLONE_VFORK`).
    Parent,
    /// The thread itself, also when its process ends: the memory is another process's too.
    SharedMemory,
}

/// The tables of a child that shares our memory but has handlers or descriptors of its own, as the
/// child of a vfork does.
pub struct PrivateTables {
    /// Its handlers.
    pub sighand: SigHand,
    /// vload's descriptors as they are numbered in its table.
    pub descriptors: Descriptors,
}

/// `stack_t` (sigaltstack(2)), as the target set it.
#[derive(Clone, Copy)]
pub struct AltStack {
    /// Lowest address.
    pub sp: usize,
    /// As they were given.
    pub flags: i32,
    /// Length in bytes.
    pub size: usize,
}

impl AltStack {
    /// `SS_ONSTACK`.
    pub const ONSTACK: i32 = 1;
    /// `SS_DISABLE`.
    pub const DISABLE: i32 = 2;
    /// `SS_AUTODISARM`.
    pub const AUTODISARM: i32 = 1 << 31;

    /// No alternate stack.
    pub const NONE: Self = Self { sp: 0, flags: Self::DISABLE, size: 0 };

    /// Whether `sp` is on this stack (`__on_sig_stack`, include/linux/sched/signal.h). A stack that
    /// disarms itself is never one that code is on.
    pub fn holds(&self, sp: usize) -> bool {
        self.flags & Self::AUTODISARM == 0 && sp > self.sp && sp - self.sp <= self.size
    }

    /// Whether there is one.
    pub fn enabled(&self) -> bool {
        self.size != 0
    }

    /// The flags as `sigaltstack(2)` reports them to code with stack pointer `sp`
    /// (`sas_ss_flags`).
    pub fn reported_flags(&self, sp: usize) -> i32 {
        let state = if !self.enabled() {
            Self::DISABLE
        } else if self.holds(sp) {
            Self::ONSTACK
        } else {
            0
        };
        state | (self.flags & Self::AUTODISARM)
    }
}
