//! `trace -c` keeps a parent, which prints the table when the program has ended.

use alloc::vec::Vec;

use runtime::abi;
use runtime::trace::summary::{self, Row};
use runtime::view::OWN;
use runtime::{arch, session, sys};

use crate::message::{USAGE, fail};

/// Forks: the child comes back and becomes the program; the parent waits for it, prints the table
/// and ends as it ended.
pub fn with_parent() {
    let ticks = arch::ticks();
    let time = sys::monotonic();
    if session::counters().is_none() {
        fail(
            USAGE,
            format_args!("no file for the counts could be made; 'trace' without -c needs none"),
        );
    }
    let mask = sys::block_signals(WAITED_FOR);
    let child = match sys::fork() {
        Ok(0) => {
            sys::set_signal_mask(mask);
            return;
        }
        Ok(child) => child as i32,
        Err(error) => fail(USAGE, format_args!("no process for the program: {}", error.text())),
    };
    let status = wait(child);
    let elapsed = |from: Option<i64>| sys::monotonic().zip(from).map(|(now, from)| now - from);
    let nanoseconds = elapsed(time).unwrap_or(0).max(1) as u64;
    let passed = arch::ticks().wrapping_sub(ticks).max(1);
    print(nanoseconds, passed);
    sys::end_like(status)
}

/// SIGHUP, SIGINT, SIGQUIT, SIGTERM and SIGCHLD.
const WAITED_FOR: u64 = 1 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 16;
const SIGCHLD: i32 = 17;

/// Waits until the program has ended; gives its status. What another process sends to vload is
/// handed on; what the terminal sends (SI_KERNEL) has reached the program already.
fn wait(child: i32) -> i32 {
    loop {
        if let Some(status) = sys::wait_without_blocking(child) {
            return status;
        }
        let (signal, from_kernel) = sys::wait_for_signal(WAITED_FOR);
        if signal != SIGCHLD && !from_kernel {
            sys::send_signal(child, signal);
        }
    }
}

fn print(nanoseconds: u64, ticks: u64) {
    let Some(counters) = session::counters() else { return };
    let in_time =
        |count: u64| (u128::from(count) * u128::from(nanoseconds) / u128::from(ticks)) as u64;
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (entry, number, counted) in counters.numbered() {
        if counted.calls != 0 {
            rows.push(Row {
                name: entry.call(number).map_or("unknown", abi::Call::name),
                calls: counted.calls,
                errors: counted.errors,
                nanoseconds: in_time(counted.ticks),
            });
        }
    }
    let other = counters.other();
    if other.calls != 0 {
        rows.push(Row {
            name: "other",
            calls: other.calls,
            errors: other.errors,
            nanoseconds: in_time(other.ticks),
        });
    }
    let mut text = alloc::string::String::new();
    let written = summary::write(&mut rows, &mut text);
    debug_assert!(written.is_ok());
    let fd = if OWN.trace.get() >= 0 { OWN.trace.get() } else { 2 };
    if sys::write_all(fd, text.as_bytes()).is_err() {
        runtime::log!(Error, "the table could not be written");
    }
}
