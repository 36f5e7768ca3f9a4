//! The other way in: a process that already runs, with its C library mapped and its threads alive,
//! gets a resident.
//!
//! ```text
//! the calling thread gets its block        (all signals blocked)
//! the process's handlers become ours        handlers.rs: signal::install
//! the other threads stop                    threads.rs
//! what is mapped executable is patched      texts.rs
//! the other threads go on                   each gets its block at its first call or signal
//! what is left makes them all watched       watch::gather_after
//! ```
//!
//! A thread that is blocked in the kernel is not woken: it goes on behind its system call, where
//! every shape that is used here leaves an instruction. A thread that runs is stopped by a signal,
//! and goes on where its instruction is then.

mod texts;
mod thread;
mod threads;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

pub use thread::{arrive, is_bound, vload_adopt_thread};

use crate::layer::{modules, ring};
use crate::memory::guard;
use crate::process;
use crate::session;
use crate::signal::{self, SigHand};
use crate::sys::{self, Errno, Result};
use crate::thread::others;
use crate::view::{self, OWN, PROGRAM};
use crate::watch;

/// Read by the entry code, too.
pub(crate) static ADOPTED: AtomicBool = AtomicBool::new(false);

/// The handlers that the process had, and has from then on.
static SIGHAND: SigHand = SigHand::untouched();

/// Whether the process has a resident already: this one, or that of a `vload` that has started it.
pub fn is_resident() -> bool {
    is_adopted() || crate::arch::is_covered()
}

/// Whether the resident came into a process that ran already.
pub fn is_adopted() -> bool {
    ADOPTED.load(Ordering::Relaxed)
}

/// What the caller has found out and opened.
pub struct Means {
    /// vload's own file, to be executed for every program that the process starts; without it
    /// they run natively.
    pub exe: Option<i32>,
    /// The auxiliary vector's `AT_SYSINFO_EHDR`.
    pub vdso: Option<usize>,
    /// Its `AT_HWCAP2`.
    pub hwcap2: usize,
}

/// Makes the process one of vload's, with the options that are in [`process::OPTIONS`].
///
/// Errors: `EALREADY` in a process that has a resident; `EOPNOTSUPP` on a processor where it is not provided for; `EAGAIN` when a thread could not be stopped; those of reading `/proc`.
pub fn adopt(means: &Means) -> Result<()> {
    process::set_hwcap2(means.hwcap2);
    if !crate::arch::can_adopt() {
        return Err(Errno::OPNOTSUPP);
    }
    if crate::arch::is_covered() || ADOPTED.swap(true, Ordering::AcqRel) {
        return Err(Errno::ALREADY);
    }
    guard::own_image();
    let mask = sys::set_signal_mask(sys::ALL_SIGNALS);
    let done = with_signals_blocked(means, mask);
    sys::set_signal_mask(signal::for_kernel(mask));
    if done.is_err() {
        ADOPTED.store(false, Ordering::Release);
    }
    done
}

fn with_signals_blocked(means: &Means, mask: u64) -> Result<()> {
    // What can fail for want of something comes first, while nothing has changed.
    texts::mapped()?;
    let mut path = [0; 4096];
    let program = sys::readlink(sys::CWD, c"/proc/self/exe", &mut path)?;
    if let Some(exe) = means.exe {
        OWN.exe.set(view::move_away(exe)?);
    }
    if let Ok(fd) = session::create() {
        OWN.session.set(view::move_away(fd).unwrap_or(fd));
        if let Ok(fd) = session::placeholders() {
            OWN.placeholders.set(view::move_away(fd).unwrap_or(fd));
        }
    }
    // SAFETY: no other thread has entered the resident: nothing leads there yet.
    unsafe { PROGRAM.set_path(program) };
    process::configure();
    modules::put(true).map_err(|(_, error)| error)?;
    let mut threads = 0;
    others::each(&mut |_| threads += 1)?;
    if threads > 1 {
        watch::expect_threads();
    }
    let block = thread::bind_self(mask)?;
    signal::install(&SIGHAND);
    // SAFETY: bound just now, and never unmapped.
    let block = unsafe { &*block };
    let done = watch::gather_after(block, || {
        let stopped = threads::stop()?;
        // Another thread may have mapped a library until then.
        texts::cover(&texts::mapped()?, means.vdso, stopped.all);
        Ok(())
    });
    // What has come to be open in the kernel is blocked here.
    block.blocked.set_from(mask);
    if done.is_ok() {
        ring::begin_adopted();
    }
    done
}

/// The path of the file that the resident is mapped from.
pub fn own_path() -> Option<Vec<u8>> {
    let (own, end) = crate::arch::image_range();
    let mapped = texts::mapped().ok()?;
    let text = mapped.into_iter().find(|text| own <= text.start && text.end <= end)?;
    Some(text.path.into_bytes())
}
