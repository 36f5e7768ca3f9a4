//! A thread that was there before the resident gets its block: at its first call, or at the first
//! signal that finds it.

use core::sync::atomic::{AtomicPtr, Ordering};

use super::{SIGHAND, threads};
use crate::arch::{self, Context, SigInfo};
use crate::layer::{self, raw::Event};
use crate::signal;
use crate::sys::{self, Result};
use crate::thread::{AltStack, Block, Ownership, POOL};
use crate::view::OWN;
use crate::watch;

/// The block of the thread that adopts.
static FIRST: AtomicPtr<Block> = AtomicPtr::new(core::ptr::null_mut());

/// The block of the calling thread, whose signals are blocked; `mask` is what it had.
pub fn bind_self(mask: u64) -> Result<*mut Block> {
    let block = POOL.take()?;
    // SAFETY: taken just now.
    unsafe { bind(block, kernel_altstack()?, mask)? };
    // SAFETY: as above.
    let (stack, size) = unsafe { (*block).signal_stack };
    sys::set_kernel_altstack(stack, size)?;
    Ok(block)
}

/// The calling thread's alternate stack, as the kernel has it.
fn kernel_altstack() -> Result<AltStack> {
    let (sp, flags, size) = sys::kernel_altstack()?;
    Ok(AltStack { sp, flags: flags & !AltStack::ONSTACK, size })
}

/// Makes `block` the calling thread's, which believes `altstack` and `mask` to be its own.
///
/// # Safety
/// `block` must be fresh.
unsafe fn bind(block: *mut Block, altstack: AltStack, mask: u64) -> Result<()> {
    let tid = sys::gettid();
    // SAFETY: the caller's promise.
    unsafe {
        (*block).sighand = &raw const SIGHAND;
        (*block).descriptors = &raw const OWN;
        let first = tid == sys::getpid();
        (*block).ownership = if first { Ownership::First } else { Ownership::Process };
        (*block).altstack = altstack;
        (*block).is_thread_of(sys::getpid(), tid);
        (*block).blocked.set_from(mask);
        arch::keep_thread_register(&*block);
        if watch::is_on() {
            // Who makes the process a watched one at this moment sees the block, or is seen here.
            (*block).must_arm.store(1, Ordering::SeqCst);
        }
        arch::bind_thread_block(block)?;
        // One that waits may be this thread's to take.
        signal::settle(&*block);
        tell(block);
        Ok(())
    }
}

/// The layers hear of the thread, or of the process with its first.
///
/// # Safety
/// `block` must be the calling thread's.
unsafe fn tell(block: *mut Block) {
    let none = core::ptr::null_mut();
    let first = match FIRST.compare_exchange(none, block, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => none,
        Err(first) => first,
    };
    // SAFETY: the block is ours by the caller's promise; that of the thread that adopted is never
    // unmapped, and its words do not change after it was told.
    unsafe {
        let Some(first) = first.as_ref() else {
            return layer::tell(Event::Begin, &mut *block);
        };
        (*block).take_layer_words(first);
        layer::tell(Event::Thread, &mut *block);
    }
}

/// Whether the calling thread has a block.
pub fn is_bound() -> bool {
    POOL.of_thread(sys::gettid()).is_some()
}

/// Called on the thread's own stack at its first call, by the entry code.
#[unsafe(no_mangle)]
pub extern "C" fn vload_adopt_thread() {
    let mask = sys::set_signal_mask(sys::ALL_SIGNALS);
    // A signal may have come first.
    if !is_bound() && bind_self(mask).is_err() {
        refuse();
    }
    sys::set_signal_mask(signal::for_kernel(mask));
}

/// A signal in an adopted process: whether it is dealt with.
///
/// A thread without a block, on whatever stack it has, gets one, and the signal comes again: then on
/// the block's stack. The signal that stops threads is nobody else's.
pub fn arrive(signal: i32, info: &SigInfo, context: &mut Context) -> bool {
    let stop = threads::is_stop(signal, info);
    let bound = is_bound();
    if !bound {
        bind_in_handler(context);
    }
    let called = watch::is_call_to_arm(info);
    if stop {
        threads::wait(context);
        arm_waited(context);
    } else if !bound && let Some(number) = called {
        threads::go_on(context, Some(number));
    } else if !bound && !signal::happens_again(signal, info) {
        signal::send_again(signal, info);
    }
    stop || !bound
}

/// The process may have come to be watched while the thread waited.
fn arm_waited(context: &mut Context) {
    if let Some(block) = POOL.of_thread(sys::gettid()) {
        // SAFETY: the block is the calling thread's, which uses it nowhere else in its handler.
        watch::arm_interrupted(context, unsafe { &mut *block });
    }
}

fn bind_in_handler(context: &mut Context) {
    let (sp, flags, size) = context.altstack();
    let altstack = AltStack { sp, flags: flags & !AltStack::ONSTACK, size };
    let Ok(block) = POOL.take() else { refuse() };
    // SAFETY: taken just now.
    if unsafe { bind(block, altstack, context.mask()) }.is_err() {
        refuse();
    }
    // SAFETY: as above. The kernel takes the alternate stack from the frame (restore_altstack).
    let (stack, size) = unsafe { (*block).signal_stack };
    context.set_altstack(stack, 0, size);
    context.set_mask(signal::for_kernel(context.mask()));
    // SAFETY: as above.
    watch::arm_interrupted(context, unsafe { &mut *block });
}

/// Without a block the thread cannot go on: its texts lead to the resident.
fn refuse() -> ! {
    crate::log::emergency(
        b"vload: a thread cannot be adopted: there is no memory for it, or the kernel refuses its registers\n",
    );
    sys::exit(126)
}
