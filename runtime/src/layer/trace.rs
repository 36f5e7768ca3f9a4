//! `vload trace`: a raw layer above all others. It prints a line for each call, or counts.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::Call;
use super::list::{self, Layer, Next};
use super::raw::{Event, Raw};
use crate::abi::Entry;
use crate::arch;
use crate::session;
use crate::sys;
use crate::thread::Block;
use crate::trace::line::{Line, MAX_LEN};
use crate::view::OWN;
use linux_raw_sys::general as nr;

/// What the layer does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Mode {
    /// It is not there.
    Off = 0,
    /// A line for each call.
    Lines = 1,
    /// A count for each call (`-c`).
    Counts = 2,
}

static MODE: AtomicU32 = AtomicU32::new(0);
/// Whether there is, or was, more than one process.
static MANY: AtomicBool = AtomicBool::new(false);

static TRACE: Raw =
    Raw { name: "trace", description: "prints or counts every call", call, event, ..Raw::PLAIN };

/// Puts the layer in place.
pub fn set_mode(mode: Mode) {
    MODE.store(mode as u32, Ordering::Relaxed);
    if mode != Mode::Off {
        let pushed = list::crown(&TRACE);
        debug_assert!(pushed.is_some(), "`modules::MOST` leaves room");
        list::want(&TRACE);
    }
}

/// Whether lines name their process.
pub fn many() -> bool {
    MANY.load(Ordering::Relaxed)
}

/// From now on lines of two processes may stand side by side.
pub fn many_processes() {
    MANY.store(true, Ordering::Relaxed);
}

/// The call, seen on its way down and up again.
fn call(call: &mut Call<'_>, next: Next) -> isize {
    match MODE.load(Ordering::Relaxed) {
        1 => traced(call, next),
        _ => counted(call, next),
    }
}

fn traced(call: &mut Call<'_>, next: Next) -> isize {
    let before = (call.entry, call.number, call.args);
    if does_not_return(call) {
        print(before, None);
    }
    if starts_a_process(call) {
        many_processes();
    }
    let result = next.call(call);
    if !is_told(call, result) {
        print(before, Some(result));
    }
    result
}

fn counted(call: &mut Call<'_>, next: Next) -> isize {
    let (entry, number) = (call.entry, call.number);
    if comes_back_in_a_frame(call) {
        count(entry, number, false, 0);
    }
    let start = arch::ticks();
    let result = next.call(call);
    if !is_told(call, result) {
        let error = (-4095..0).contains(&result);
        count(entry, number, error, arch::ticks().wrapping_sub(start));
    }
    result
}

fn count(entry: Entry, number: usize, error: bool, ticks: u64) {
    if let Some(counters) = session::counters() {
        counters.add(entry, number, error, ticks);
    }
}

/// Calls after which there is nobody to ask: they are reported before they are made.
fn does_not_return(call: &Call<'_>) -> bool {
    const NEVER: [u32; 3] = [nr::__NR_exit, nr::__NR_exit_group, nr::__NR_rt_sigreturn];
    if call.entry.is_narrow() {
        // exit, sigreturn, rt_sigreturn, exit_group (arch/x86/entry/syscalls/syscall_32.tbl).
        return matches!(call.number, 1 | 119 | 173 | 252);
    }
    NEVER.contains(&(call.number as u32))
}

/// `rt_sigreturn`: it returns, but not to us. Calls that end the thread are not counted, as strace
/// does not.
fn comes_back_in_a_frame(call: &Call<'_>) -> bool {
    call.entry == Entry::Native && call.number == nr::__NR_rt_sigreturn as usize
}

fn starts_a_process(call: &Call<'_>) -> bool {
    use crate::layer::Legacy;
    const CLONES: [u32; 2] = [nr::__NR_clone, nr::__NR_clone3];
    CLONES.contains(&(call.number as u32))
        || matches!(arch::numbers::legacy(call.number), Some(Legacy::Fork))
}

/// Whether the call has been told of: before it was made, or we are the child that it has started, and it is its parent's.
fn is_told(call: &Call<'_>, result: isize) -> bool {
    does_not_return(call) || (result == 0 && starts_a_process(call))
}

/// An exec has succeeded: the program that it started says so.
fn event(_: &Layer, event: Event, _: &mut Block) {
    let Event::Exec { number, arguments } = event else { return };
    let mut args = [0; 6];
    for (place, argument) in args.iter_mut().zip(arguments) {
        *place = argument as usize;
    }
    let entry = Entry::native(number);
    match MODE.load(Ordering::Relaxed) {
        1 => print((entry, number, args), Some(0)),
        _ => count(entry, number, false, 0),
    }
}

/// Writes one line with one call, so that lines never mix and a finished one is never lost.
fn print((entry, number, args): (Entry, usize, [usize; 6]), result: Option<isize>) {
    let pid = many().then(|| sys::gettid() as u32);
    let mut buffer = [0; MAX_LEN];
    let length = Line { pid, entry, number, args, result }.write(&mut buffer);
    let fd = OWN.trace.get();
    if fd >= 0 {
        // Nobody reads any more, the disk is full: the program goes on, as it would without us.
        let _ = sys::write_aside(fd, &buffer[..length]);
    }
}
