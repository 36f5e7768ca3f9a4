//! The program is mapped, the stack is built, and the target begins.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use runtime::image::{Elf, Kind, Limits};
use runtime::layer::raw::Event;
use runtime::process::resolve::{self, Failure, Resolved};
use runtime::shown::Quoted;
use runtime::thread::{AltStack, Block, Ownership};
use runtime::view::{OWN, PROGRAM, unwind};
use runtime::{arch as resident, layer, process, signal, sys, text, watch};

use crate::arch;
use crate::auxv::{
    AT_BASE, AT_ENTRY, AT_EXECFD, AT_PHDR, AT_PHENT, AT_PHNUM, AT_SYSINFO, AT_SYSINFO_EHDR,
};
use crate::client;
use crate::debugger;
use crate::executable_stack;
use crate::find;
use crate::identity::{self, Addresses};
use crate::interpreter;
use crate::map::{self, Mapped, Place};
use crate::message::{NOT_EXECUTABLE, Shown, fail};
use crate::natively;
use crate::stack::{self, Contents};
use crate::vdso;
use crate::vectors::Vectors;

// linux/personality.h
const ADDR_NO_RANDOMIZE: u32 = 0x0004_0000;
const READ_IMPLIES_EXEC: u32 = 0x0040_0000;

static FIRST_BLOCK: AtomicPtr<Block> = AtomicPtr::new(core::ptr::null_mut());

/// Records the block on whose stack we run.
pub fn set_first_block(block: *mut Block) {
    FIRST_BLOCK.store(block, Ordering::Relaxed);
}

/// Tells the layers what the first thread has come to.
pub fn tell(event: Event) {
    let block = FIRST_BLOCK.load(Ordering::Relaxed);
    // SAFETY: the block is the one we run on, and this the only thread.
    layer::tell(event, unsafe { &mut *block });
}

/// The first thread's block.
pub fn first_block() -> *mut Block {
    FIRST_BLOCK.load(Ordering::Relaxed)
}

/// A program to become.
pub struct Target<'a> {
    /// What the kernel started us with.
    pub vectors: Vectors,
    /// The target's arguments.
    pub argv: &'a [usize],
    /// Its environment.
    pub envp: &'a [usize],
    /// The path by which it is executed.
    pub execfn: &'a CStr,
    /// What it is shown by instead, and where it lies, if the system does not know that: else empty.
    pub shown: [&'a CStr; 2],
    /// Its file.
    pub fd: i32,
    /// Its path means nothing to an interpreter.
    pub inaccessible: bool,
    /// Another vload has checked it already, or the kernel would have found out too late to say.
    pub resumed: bool,
}

/// Becomes the target.
pub fn run(target: Target<'_>) -> ! {
    let mut argv: Vec<usize> = target.argv.into();
    let file = target.fd;
    let resolved = resolve::resolve(file, target.execfn, target.inaccessible, &mut |step, path| {
        interpreter::rewrite(&mut argv, &step, path);
    });
    let resolved = match resolved {
        Ok(resolved) => resolved,
        Err(failure) => refuse(&target, &failure),
    };
    let limits = Limits::new(process::page_size() as u64);
    let personality = sys::personality();
    if personality & READ_IMPLIES_EXEC != 0 || resolved.elf.read_implies_exec() {
        process::set_read_implies_exec();
        watch::demand(
            None,
            None,
            format_args!("what can be read can be executed (READ_IMPLIES_EXEC)"),
        );
    }
    if executable_stack::is_wanted(&resolved.elf) {
        watch::demand(None, None, format_args!("the stack is executable"));
    }
    let stack_exec =
        executable_stack::is_wanted(&resolved.elf) && !executable_stack::is_there(&target.vectors);
    if stack_exec && executable_stack::is_refused() {
        executable_stack::begin_again(&target, &argv, resolved.program);
    }
    let [shown, place] = target.shown;
    let path = match resolved.program == file && !place.is_empty() {
        true => {
            PROGRAM.set_placed();
            place.to_bytes().into()
        }
        false => find::real_path(resolved.program, target.execfn),
    };
    // SAFETY: one thread, and the target has not run.
    unsafe { PROGRAM.set_path(&path) };
    runtime::log!(Info, "{} is {}", Quoted(target.execfn), Quoted(PROGRAM.path()));
    crate::privilege::report(resolved.program, PROGRAM.path().to_bytes(), !target.resumed);

    let random = personality & ADDR_NO_RANDOMIZE == 0;
    let vdso_at = target.vectors.aux(AT_SYSINFO_EHDR);
    let (program, interp, vdso_moved) = match map_all(&resolved, &limits, random, vdso_at) {
        Ok(mapped) => mapped,
        Err(error) => lost(
            &target,
            format_args!("cannot be mapped: {} ({})", error.text(), error.name().unwrap_or("?")),
        ),
    };
    let nested = client::is_ourselves(resolved.program);
    // A process with few descriptors gets them all (`output::open_own`). What lies in a virtual tree is a copy here.
    if OWN.exe.get() >= 0 && !PROGRAM.is_placed() {
        OWN.keep_program(resolved.program);
    }
    resolved.close(-1);
    let vdso = vdso_at.is_some_and(|at| arch::cover_vdso(at.wrapping_add(vdso_moved)));
    // What is mapped from here on the program maps.
    if is_alone(&resolved) {
        text::note_alone();
    }
    let entry = |elf: &Elf, mapped: &Mapped| (elf.header.entry as usize).wrapping_add(mapped.bias);
    let (entered, mapped) = match (&resolved.interp, &interp) {
        (Some((_, elf)), Some(mapped)) => (elf, mapped),
        _ => (&resolved.elf, &program),
    };
    let start = entry(entered, mapped);
    if let Err(refusal) = entered.check_entry(mapped.bias as u64, &limits) {
        lost(&target, format_args!("{refusal}"));
    }

    let mut auxv = auxiliary(&target.vectors, &resolved.elf, &program, interp.as_ref(), vdso_moved);
    if nested {
        auxv.push([client::AT_VLOAD as usize, 1]);
    }
    if let Some(file) = resolved.execfd {
        auxv.push([AT_EXECFD as usize, interpreter::lowest(file) as usize]);
    }
    if !vdso {
        auxv.retain(|pair| !matches!(pair[0] as u32, AT_SYSINFO | AT_SYSINFO_EHDR));
    }
    let execfn = if shown.is_empty() { target.execfn } else { shown }.to_owned();
    let contents = Contents { argv: &argv, envp: target.envp, auxv: &mut auxv, execfn: &execfn };
    // SAFETY: we run on the resident's stack; `argv`, `auxv` and `execfn` are copies on the heap,
    // and of the rest only what `contents` points to is needed.
    let built = unsafe { stack::build(contents, &target.vectors) };
    if stack_exec {
        executable_stack::make(built.sp);
    }
    identity::set_name(&execfn, PROGRAM.path());
    let list = debugger::begin(&resolved.elf, &program);
    if let Some(headers) = debugger::headers(&resolved.elf, &program, list) {
        for pair in auxv.iter_mut().filter(|pair| pair[0] as u32 == AT_PHDR) {
            PROGRAM.set_changed(AT_PHDR, pair[1]);
            pair[1] = headers;
        }
    }
    for pair in auxv.iter_mut().filter(|pair| pair[0] as u32 == AT_SYSINFO_EHDR) {
        if let Some(image) = unwind::begin(pair[1]) {
            PROGRAM.set_changed(AT_SYSINFO_EHDR, pair[1]);
            pair[1] = image;
        }
    }
    identity::set_memory_map(&built, &auxv, &addresses(&resolved.elf, &program, &interp, random));
    runtime::view::debugger::tell();
    enter(built.sp, start)
}

/// Whether it is a program at no address but its own, without an interp.
fn is_alone(resolved: &Resolved) -> bool {
    resolved.interp.is_none() && resolved.elf.kind == Kind::Exec
}

fn map_all(
    resolved: &Resolved,
    limits: &Limits,
    random: bool,
    vdso: Option<usize>,
) -> sys::Result<(Mapped, Option<Mapped>, usize)> {
    // What has no interp lies among the mappings, however it is aligned (load_elf_binary, since Linux 6.10), and
    // the program area is its heap's alone.
    let in_program_area = resolved.interp.is_some();
    // Then no image is among the mappings, for the vDSO to lie below it.
    let kernels = vdso.filter(|_| !is_alone(resolved)).and_then(vdso::below_us).unwrap_or(0..0);
    let among = |aligned| Place::Anywhere { below: kernels.len(), aligned };
    let place = if in_program_area { Place::Program { random } } else { among(true) };
    let program = map::image(resolved.program, &resolved.elf, place, limits)?;
    let interp = match &resolved.interp {
        Some((fd, elf)) => Some(map::image(*fd, elf, among(false), limits)?),
        None => None,
    };
    let below = interp.as_ref().unwrap_or(&program).below.clone();
    let moved = if below.is_empty() {
        0
    } else {
        // SAFETY: reserved with the image; only the auxiliary vector names the vDSO so far.
        unsafe { vdso::move_to(below, &kernels) }
    };
    Ok((program, interp, moved))
}

/// The kernel's auxiliary vector with the target's addresses.
fn auxiliary(
    vectors: &Vectors,
    elf: &Elf,
    program: &Mapped,
    interp: Option<&Mapped>,
    vdso_moved: usize,
) -> Vec<[usize; 2]> {
    let at = |address: u64| (address as usize).wrapping_add(program.bias);
    let mut auxv: Vec<[usize; 2]> = vectors.auxv.into();
    for pair in &mut auxv {
        pair[1] = match pair[0] as u32 {
            AT_PHDR => at(elf.phdr_vaddr),
            AT_PHENT => usize::from(elf.header.phentsize),
            AT_PHNUM => usize::from(elf.header.phnum),
            AT_ENTRY => at(elf.header.entry),
            AT_BASE => interp.map_or(0, |mapped| mapped.bias),
            AT_SYSINFO | AT_SYSINFO_EHDR => pair[1].wrapping_add(vdso_moved),
            _ => pair[1],
        };
    }
    auxv
}

fn addresses(elf: &Elf, program: &Mapped, interp: &Option<Mapped>, random: bool) -> Addresses {
    let at = |address: u64| (address as usize).wrapping_add(program.bias);
    // The heap follows a program; behind a static-pie, which lies among the mappings, there is no
    // room for it, and it stays where the kernel has put it for vload.
    let brk = if interp.is_some() || elf.kind == Kind::Exec {
        let slack = if random { sys::random().unwrap_or(0) % arch::BRK_RANGE } else { 0 };
        program.end + (slack as usize & !(process::page_size() - 1))
    } else {
        0
    };
    let code = if elf.code.start < elf.code.end { elf.code.clone() } else { 0..0 };
    Addresses {
        code: (at(code.start), at(code.end)),
        data: (at(elf.data.start), at(elf.data.end)),
        brk,
    }
}

/// Binds the first thread's block, and makes the resident hear of the thread's faults. What comes after this may run
/// code of modules.
pub fn prepare() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.swap(true, Ordering::Relaxed) {
        return;
    }
    let block = FIRST_BLOCK.load(Ordering::Relaxed);
    // SAFETY: the block is the one we run on, and this the only thread.
    let ready = unsafe {
        (*block).sighand = &raw const SIGHAND;
        (*block).descriptors = &raw const OWN;
        (*block).ownership = Ownership::First;
        // An exec leaves no alternate stack, and no SS_DISABLE either (begin_new_exec, fs/exec.c).
        (*block).altstack = AltStack { flags: 0, ..AltStack::NONE };
        (*block).is_first_thread(sys::gettid());
        let (stack, size) = (*block).signal_stack;
        resident::bind_thread_block(block).and_then(|()| {
            match sys::set_kernel_altstack(stack, size) {
                Err(_) if !sys::can_set_kernel_altstack() => Ok(()),
                set => set,
            }
        })
    };
    if let Err(error) = ready {
        fail(
            NOT_EXECUTABLE,
            format_args!(
                "the kernel refuses the resident its registers or its stack: {}",
                error.text()
            ),
        );
    }
    signal::install(&SIGHAND);
}

/// Goes on with the target's first instruction.
fn enter(sp: usize, start: usize) -> ! {
    prepare();
    let block = FIRST_BLOCK.load(Ordering::Relaxed);
    // SAFETY: the block is the one we run on, and this the only thread.
    let first = unsafe { &mut *block };
    // The parent of `trace -c` has another number.
    first.is_first_thread(sys::gettid());
    signal::open_inherited(first, signal::SIGTRAP);
    watch::arm_first(first);
    // What has been loaded since the session began hears of this, too.
    layer::refresh::look();
    layer::ring::begin();
    layer::tell(Event::Enter, first);
    // SAFETY: the stack is complete, the entry point is the image's, the block is bound.
    unsafe { resident::enter_target(sp, start) }
}

static SIGHAND: signal::SigHand = signal::SigHand::untouched();

/// The target cannot be executed.
fn refuse(target: &Target<'_>, failure: &Failure) -> ! {
    let refusal = &failure.refusal;
    if failure.is_unknown_format() && !target.resumed {
        natively::natively(target.execfn, target.argv, &target.vectors);
    }
    if target.resumed && refusal.fatal {
        // The kernel finds out past the point of no return, and so have we.
        die();
    }
    let path = failure.path();
    let named = if path == target.execfn { c"" } else { path };
    let separator = if named.is_empty() { "" } else { ": " };
    fail(
        i32::from(refusal.exit_status()),
        format_args!(
            "{}{separator}{}: {refusal} ({})",
            Shown(target.execfn.to_bytes()),
            Shown(named.to_bytes()),
            refusal.errno.name().unwrap_or("?"),
        ),
    )
}

/// The image cannot be mapped: natively the process is gone by then.
fn lost(target: &Target<'_>, why: core::fmt::Arguments<'_>) -> ! {
    if target.resumed {
        die();
    }
    fail(NOT_EXECUTABLE, format_args!("{}: {why}", Shown(target.execfn.to_bytes())))
}

/// As `bprm_execve` ends a process that has lost its image (fs/exec.c).
fn die() -> ! {
    const SIGSEGV: i32 = 11;
    let default = resident::KernelAction::default();
    let set = sys::signal_action(SIGSEGV, Some(&default), None);
    debug_assert!(set.is_ok());
    sys::set_signal_mask(0);
    // Not reached unless the signal could not be sent.
    let _ = sys::raise(SIGSEGV);
    sys::exit(128 + SIGSEGV)
}
