//! `trace -c` and `-m count` keep a parent, which prints their tables when the program has ended.

use alloc::string::String;
use alloc::vec::Vec;

use runtime::layer::count::{self, Records};
use runtime::layer::spec::Spec;
use runtime::layer::{Layer, modules};
use runtime::process::OPTIONS;
use runtime::trace::summary::{self, Row};
use runtime::view::OWN;
use runtime::{arch, layer, session, sys};

use crate::message::{USAGE, fail};
use crate::output;

/// If there will be something to print, forks: the child comes back and becomes the program; the
/// parent waits for it, prints, and ends as it ended. `counts`: the trace counts.
pub fn with_parent(counts: bool) {
    let reports = reports();
    if !counts && reports.is_empty() {
        return;
    }
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
            for report in reports.iter().filter(|report| report.file >= 0) {
                sys::close(report.file);
            }
            return;
        }
        Ok(child) => child as i32,
        Err(error) => fail(USAGE, format_args!("no process for the program: {}", error.text())),
    };
    let status = wait(child);
    let elapsed = |from: Option<i64>| sys::monotonic().zip(from).map(|(now, from)| now - from);
    let nanoseconds = elapsed(time).unwrap_or(0).max(1) as u64;
    let passed = arch::ticks().wrapping_sub(ticks).max(1);
    if counts {
        print(nanoseconds, passed);
    }
    reports.iter().for_each(Report::print);
    sys::end_like(status)
}

/// What a `-m count` has counted, and where it is to go.
struct Report {
    records: &'static Records,
    /// −1: standard error.
    file: i32,
}

/// The reports that the options ask for; their files are made now, when a person can still be told that it
/// cannot be done.
fn reports() -> Vec<Report> {
    let of_options = |layer: &'static Layer| {
        let text = OPTIONS.values(modules::OPTION).nth(layer.index())?;
        Some((layer, text))
    };
    let layers = layer::layers().filter_map(of_options);
    let counting = layers.filter(|(layer, _)| layer.raw().name == count::COUNT.name);
    let report = |(layer, text): (&'static Layer, &[u8])| {
        let spec = Spec::parse(text).ok()?;
        let records = count::records(layer).ok()?;
        let path = spec.value(count::FILE.as_bytes());
        let file = path.map_or(-1, |path| output::create(&path));
        Some(Report { records, file })
    };
    counting.filter_map(report).collect()
}

impl Report {
    fn print(&self) {
        let mut text = String::new();
        count::write(self.records, &mut text);
        let fd = if self.file >= 0 { self.file } else { 2 };
        if sys::write_aside(fd, text.as_bytes()).is_err() {
            runtime::log!(Error, "the table of module 'count' could not be written");
        }
    }
}

/// SIGHUP, SIGINT, SIGQUIT, SIGTERM and SIGCHLD.
pub const WAITED_FOR: u64 = 1 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 16;
pub const SIGCHLD: i32 = 17;

/// Waits until the program has ended; gives its status. What another process sends to vload is
/// handed on; what the terminal sends (SI_KERNEL) has reached the program already.
pub fn wait(child: i32) -> i32 {
    loop {
        if let Some(status) = sys::wait_without_blocking(child) {
            return status;
        }
        if let Some((signal, from_kernel)) = sys::wait_for_signal(WAITED_FOR, None)
            && signal != SIGCHLD
            && !from_kernel
        {
            sys::send_signal(child, signal);
        }
    }
}

fn print(nanoseconds: u64, ticks: u64) {
    let Some(counters) = session::counters() else { return };
    let in_time =
        |count: u64| summary::share(count, nanoseconds, ticks).map_or(0, |(time, _)| time);
    let mut rows: Vec<Row<'_>> = Vec::new();
    // What is no call's number, wherever it was counted.
    let mut other = counters.other();
    for (entry, number, counted) in counters.numbered() {
        let Some(call) = entry.call(number) else {
            other.calls += counted.calls;
            other.errors += counted.errors;
            other.ticks += counted.ticks;
            continue;
        };
        if counted.calls != 0 {
            rows.push(Row {
                name: call.name(),
                calls: counted.calls,
                errors: counted.errors,
                nanoseconds: in_time(counted.ticks),
            });
        }
    }
    if other.calls != 0 {
        rows.push(Row {
            name: "other",
            calls: other.calls,
            errors: other.errors,
            nanoseconds: in_time(other.ticks),
        });
    }
    let mut text = String::new();
    let written = summary::write(&mut rows, &mut text);
    debug_assert!(written.is_ok());
    let fd = if OWN.trace.get() >= 0 { OWN.trace.get() } else { 2 };
    if sys::write_aside(fd, text.as_bytes()).is_err() {
        runtime::log!(Error, "the table could not be written");
    }
}
