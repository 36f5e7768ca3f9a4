//! `clone(2)`, `clone3(2)`, `fork(2)`, `vfork(2)`.
//!
//! A child with a copy of our memory comes back where its parent does. One that shares it gets a
//! block of its own first, with a stack for the resident, and starts on that.

use core::sync::atomic::{AtomicU32, Ordering};

use super::copying;
use crate::abi::Entry;
use crate::arch::{self, ABORTED, CallRegs};
use crate::layer::raw::Event;
use crate::layer::{self, Call};
use crate::memory::{self, HEAP_LOCK, User, read_words};
use crate::module::framework;
use crate::session::Kept;
use crate::signal;
use crate::sys::{self, Errno};
use crate::text;
use crate::thread::{AltStack, Block, Ownership, POOL};
use crate::view;
use crate::watch;
use linux_raw_sys::general as nr;
use linux_raw_sys::general::{
    CLONE_CLEAR_SIGHAND, CLONE_FILES, CLONE_SETTLS, CLONE_SIGHAND, CLONE_THREAD, CLONE_VFORK,
    CLONE_VM,
};

/// `struct clone_args` (clone(2)), as 64-bit words.
mod args3 {
    pub const FLAGS: usize = 0;
    pub const STACK: usize = 5;
    pub const STACK_SIZE: usize = 6;
    pub const TLS: usize = 7;
    /// Words that this kernel interface may ever have; a longer structure has zeros behind.
    pub const WORDS: usize = 32;
    /// `CLONE_ARGS_SIZE_VER0`.
    pub const LEAST: usize = 64;
}

/// A request to start a process or thread, in whatever way it came.
struct Request {
    number: usize,
    args: [usize; 6],
    flags: u64,
    /// The child's stack pointer, where it asked for another.
    stack: Option<usize>,
    structure: [u64; args3::WORDS],
}

impl Request {
    /// The child's thread pointer, where it asked for another.
    fn thread_pointer(&self) -> Option<usize> {
        if self.flags & u64::from(CLONE_SETTLS) == 0 {
            return None;
        }
        Some(if self.number == nr::__NR_clone3 as usize {
            self.structure[args3::TLS] as usize
        } else {
            self.args[arch::CLONE_TLS]
        })
    }
}

/// Index of the flags among the arguments of `clone(2)`.
const FLAGS: usize = 0;
/// Index of the child's stack pointer.
const STACK: usize = 1;

/// The calls that start processes and threads.
pub fn clone(call: &mut Call<'_>) -> isize {
    match read(call) {
        Ok(Some(request)) => start(call, request),
        Ok(None) => call.pass(),
        Err(error) => sys::raw(Err(refusal(error))),
    }
}

/// The same by the 32-bit entry, as the native call `number`. There `CLONE_SETTLS` sets a segment (`set_new_tls`,
/// arch/x86/kernel/process.c), which no native call does: such a child is not followed.
pub fn clone_compat(call: &mut Call<'_>, number: usize) -> isize {
    let asked = (call.number, call.entry, call.args);
    (call.number, call.entry) = (number, Entry::Native);
    if number == nr::__NR_clone as usize {
        // CONFIG_CLONE_BACKWARDS, which i386 has: the thread pointer comes before the child's word.
        call.args.swap(3, 4);
    }
    match read(call) {
        Ok(Some(request)) if request.flags & u64::from(CLONE_SETTLS) == 0 => start(call, request),
        _ => {
            (call.number, call.entry, call.args) = asked;
            call.pass()
        }
    }
}

/// Starts what was asked for.
fn start(call: &mut Call<'_>, mut request: Request) -> isize {
    if request.number == nr::__NR_clone3 as usize {
        request.args[0] = request.structure.as_ptr() as usize;
    }
    let shares = request.flags & u64::from(CLONE_VM) != 0;
    if shares { share(call, &request) } else { copy(call, &request) }
}

/// Reads what was asked for. `None`: the kernel will refuse it, and says how.
fn read(call: &Call<'_>) -> Result<Option<Request>, Errno> {
    let mut request = Request {
        number: call.number,
        args: call.args,
        flags: 0,
        stack: None,
        structure: [0; args3::WORDS],
    };
    if let Some(flags) = arch::numbers::implied_clone_flags(call.number) {
        // The number stays: a filter may allow this one alone.
        request.flags = flags as u64;
    } else if call.number == nr::__NR_clone as usize {
        // The low 32 bits count (SYSCALL_DEFINE5(clone), kernel/fork.c).
        request.flags = u64::from(call.args[FLAGS] as u32);
        let stack = core::mem::take(&mut request.args[STACK]);
        request.stack = (stack != 0).then_some(stack);
    } else {
        let [at, size, ..] = call.args;
        if !(args3::LEAST..=super::page_size()).contains(&size) {
            return Ok(None);
        }
        // What this kernel interface does not know must be zero (copy_struct_from_user).
        for index in args3::WORDS..size.div_ceil(8) {
            if User::<u64>::new(at.wrapping_add(index * 8)).read()? != 0 {
                return Err(Errno::TOOBIG);
            }
        }
        request.args[1] = size.min(args3::WORDS * 8);
        let words = request.args[1].div_ceil(8);
        let mut raw = [0usize; args3::WORDS * 8 / size_of::<usize>()];
        let used = words * 8 / size_of::<usize>();
        read_words(at, raw.get_mut(..used).ok_or(Errno::INVAL)?)?;
        // SAFETY: both are plain words of the same total length.
        request.structure = unsafe { core::mem::transmute_copy(&raw) };
        request.flags = request.structure[args3::FLAGS];
        let stack = core::mem::take(&mut request.structure[args3::STACK]);
        let length = core::mem::take(&mut request.structure[args3::STACK_SIZE]);
        // clone3_stack_valid, kernel/fork.c.
        if (stack == 0) != (length == 0) {
            return Err(Errno::INVAL);
        }
        request.stack = (stack != 0).then_some(stack.wrapping_add(length) as usize);
    }
    Ok(Some(request))
}

/// The error of a `clone3` whose arguments cannot be used: that of a filter which forbids the call
/// comes first, because it is asked before the kernel reads them (Docker's answers `ENOSYS`).
fn refusal(error: Errno) -> Errno {
    // SAFETY: with a structure of no length the call starts nothing and touches no memory; the
    // kernel's own answer is EINVAL (copy_clone_args_from_user, kernel/fork.c).
    match sys::check(unsafe { arch::syscall(nr::__NR_clone3 as usize, [0; 6]) }) {
        Err(Errno::INVAL) | Ok(_) => error,
        Err(forbidden) => forbidden,
    }
}

/// A child with a copy of our memory: the next lines run in both.
fn copy(call: &mut Call<'_>, request: &Request) -> isize {
    // SAFETY: a bound block has its handlers.
    let sighand = unsafe { &*call.block.sighand };
    let handlers = sighand.version();
    // What the framework has open for other threads' calls is copied if it is in this thread's table; the same number in
    // another table is the program's.
    let copied = (request.flags & u64::from(CLONE_FILES) == 0)
        .then_some(call.block.table.load(Ordering::Relaxed));
    // The child must find all these free, and what they guard whole. Who changes the list may run a module, which may
    // want to make a descriptor; who has the texts' lock may use the heap, so the heap's comes last.
    let (mut list, mut alone) = (Kept::none(), Kept::none());
    let is_held = layer::refresh::hold(&mut list);
    let is_alone = copying::hold(&mut alone);
    let locks = (text::lock(), HEAP_LOCK.lock(), arch::hold_bindings());
    let sleeps = request.flags & u64::from(CLONE_VFORK) != 0 && is_held && is_alone;
    if request.flags & u64::from(CLONE_FILES) == 0 {
        view::maps::share();
    }
    let number = if sleeps { memory::fall_asleep() } else { 0 };
    if sleeps {
        // Others may have these locks before the caller is awake: if it is killed then, its list must be the program's.
        alone.leave_list();
        list.leave_list();
    }
    // What comes to the child before it knows that it is one would be dropped with what its parent has pending. A parent
    // that waits can be ended meanwhile.
    let is_deaf = request.flags & u64::from(CLONE_VFORK) == 0;
    let mask = is_deaf.then(|| sys::set_signal_mask(sys::ALL_SIGNALS));
    let result = match signal::is_held(call.block) {
        true => ABORTED,
        // SAFETY: the child has its own copy of all memory and starts where we are.
        false => unsafe { arch::forward(request.number, &request.args, call.block) },
    };
    if let Some(mask) = mask
        && result != 0
        && result != ABORTED
    {
        sys::set_signal_mask(mask);
    }
    if result == 0 {
        memory::forked();
    }
    if result != 0 && sleeps && !memory::wake_up(number) {
        core::mem::forget(locks);
    } else {
        drop(locks);
        if is_alone {
            copying::release(&mut alone, result == 0);
        }
        if is_held {
            layer::refresh::release(&mut list, result == 0);
        }
    }
    if result == 0 {
        let block = &mut *call.block;
        block.is_first_thread(sys::gettid());
        block.ownership = Ownership::First;
        // Pending signals are the parent's (fork(2)).
        block.pending.forget();
        block.called.store(0, Ordering::Relaxed);
        view::PROGRAM.forked();
        layer::ring::forked();
        view::together();
        block.traced = false;
        block.dispatch = super::Dispatch::OFF;
        POOL.keep_only(block);
        arch::forked();
        watch::after_fork(block);
        sighand.after_fork(handlers);
        if let Some(mask) = mask {
            sys::set_signal_mask(mask);
        }
        if request.flags & CLONE_CLEAR_SIGHAND != 0 {
            sighand.clear();
        }
        if let Some(stack) = request.stack {
            call.regs.set_sp(stack);
        }
        // Before any layer is told, whose module may use it.
        framework::forked(copied);
        layer::tell(Event::Process, block);
    } else if result > 0 {
        layer::tell(Event::Started, call.block);
    }
    result
}

/// A child that shares our memory.
fn share(call: &mut Call<'_>, request: &Request) -> isize {
    let Ok(child) = POOL.take() else {
        return sys::raw(Err(Errno::AGAIN));
    };
    let mask = sys::set_signal_mask(sys::ALL_SIGNALS);
    if signal::is_held(call.block) {
        // SAFETY: the block was ours alone.
        POOL.give_back(unsafe { &*child });
        return ABORTED;
    }
    let waited = request.flags & u64::from(CLONE_VFORK) != 0;
    let mask = if waited { mask } else { watch::expect_thread(call.block, mask) };
    let open = signal::open_signals();
    let mut regs = *call.regs;
    regs.set_result(0);
    if let Some(stack) = request.stack {
        regs.set_sp(stack);
    }
    // SAFETY: `child` is ours until the clone below.
    arch::expect_child(call.block, unsafe { &*child }, request.thread_pointer());
    // SAFETY: as above.
    prepare(call.block, unsafe { &mut *child }, request.flags, mask);
    // SAFETY: all signals are blocked, `child` is fresh, and the request has no stack any more.
    let result = unsafe { arch::clone_vm(request.number, &request.args, child, &regs, call.regs) };
    if result < 0 || waited {
        // SAFETY: there is no child, or it has left our memory: a vfork returns only then.
        let child = unsafe { &*child };
        for (start, length) in child.exec_scratch {
            if length != 0 {
                // SAFETY: the child mapped it for an exec that has succeeded.
                unsafe { sys::munmap(start, length) };
            }
        }
        POOL.give_back(child);
    }
    if result > 0 && request.flags & u64::from(CLONE_THREAD) == 0 {
        layer::tell(Event::Started, call.block);
    }
    let mask = if waited { watch::after_vfork(call.block, open, mask) } else { mask };
    sys::set_signal_mask(mask);
    result
}

/// Makes `child` the block of a child that a clone with `flags` starts.
fn prepare(parent: &Block, child: &mut Block, flags: u64, mask: u64) {
    let has = |flag: u32| flags & u64::from(flag) != 0;
    child.exit_mask = mask;
    child.exit_mask_set = u32::from(sys::can_set_signal_mask());
    child.blocked.set(parent.blocked.get());
    // The kernel keeps the alternate stack for a vfork child only (copy_process, kernel/fork.c).
    child.altstack = if has(CLONE_VFORK) { parent.altstack } else { AltStack::NONE };
    child.ownership = if has(CLONE_VFORK) {
        Ownership::Parent
    } else if has(CLONE_THREAD) {
        Ownership::Process
    } else {
        Ownership::SharedMemory
    };
    child.filters.copy_from(&parent.filters);
    child.sighand = parent.sighand;
    if !has(CLONE_SIGHAND) {
        // SAFETY: a bound block has its handlers. They are a static's or in a block, and blocks are never unmapped: where
        // they are somebody else's by the time at which the child asks for their version, it tells the kernel in vain.
        let theirs = unsafe { &*parent.sighand };
        child.copied_handlers = Some((theirs, theirs.version()));
        child.private.sighand.copy_from(theirs);
        if flags & CLONE_CLEAR_SIGHAND != 0 {
            child.private.sighand.forget_handlers();
        }
        child.sighand = &raw const child.private.sighand;
    }
    child.new_process = !has(CLONE_THREAD);
    child.process.store(parent.process.load(Ordering::Relaxed), Ordering::Relaxed);
    child.take_layer_words(parent);
    child.handlers_cleared = flags & CLONE_CLEAR_SIGHAND != 0;
    child.descriptors = parent.descriptors;
    child.table = AtomicU32::new(parent.table.load(Ordering::Relaxed));
    if !has(CLONE_FILES) {
        child.table = AtomicU32::new(view::new_table());
        view::maps::share();
        // SAFETY: a bound block has its descriptors.
        child.private.descriptors.copy_from(unsafe { &*parent.descriptors });
        child.descriptors = &raw const child.private.descriptors;
    }
}

/// The first thing that a child which shares our memory does, on its own resident stack.
///
/// # Safety
/// Called by the clone code alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vload_child_start(_regs: &mut CallRegs, block: &mut Block) {
    // SAFETY: the block is this thread's until it exits.
    let bound = unsafe { arch::bind_thread_block(block) };
    let tid = sys::gettid();
    match block.new_process {
        true => block.is_first_thread(tid),
        // Its starter's process: `prepare`.
        false => block.is_thread_of(block.process.load(Ordering::Relaxed), tid),
    }
    let stacked = sys::set_kernel_altstack(block.signal_stack.0, block.signal_stack.1);
    let stacked = stacked.is_ok() || !sys::can_set_kernel_altstack();
    if bound.is_err() || !stacked {
        crate::log::emergency(
            b"vload: a thread cannot be followed: the kernel refuses its registers\n",
        );
        sys::exit(126);
    }
    if block.handlers_cleared {
        signal::keep_all_ours(block);
    }
    if let Some((theirs, version)) = block.copied_handlers
        && theirs.version() != version
    {
        // Another thread has changed one, before the kernel made its copy or after.
        block.private.sighand.tell_kernel();
    }
    watch::arm_new(block);
    // One that waits may be this thread's to take.
    signal::settle(block);
    let event = if block.new_process { Event::Process } else { Event::Thread };
    layer::tell(event, block);
}
