//! The table of the records, for people and for programs that read it.

use alloc::vec::Vec;
use core::fmt::{self, Write};

use super::records::{Kind, Recorded, Records, Unrecorded};
use crate::shown::Shown;

/// What all threads of one program of one process have done together.
struct Row {
    first: Recorded,
    threads: u64,
    calls: u64,
}

impl Records {
    /// Writes a row for each program of each process, and totals. `path` gives the path of the
    /// program at a place of the session's table.
    pub fn write<'p>(
        &self,
        path: impl Fn(u32) -> Option<&'p [u8]>,
        out: &mut dyn Write,
    ) -> fmt::Result {
        let mut rows: Vec<Option<Row>> = Vec::new();
        let rest = self.rest();
        let mut started = rest.started;
        for (index, recorded) in self.all().filter(|(_, recorded)| recorded.kind != Kind::Thread) {
            rows.resize_with(index, || None);
            rows.push(Some(Row { first: recorded, threads: 0, calls: 0 }));
        }
        for (_, recorded) in self.all() {
            started += u64::from(recorded.started);
            if let Some(Some(row)) = rows.get_mut(recorded.process) {
                row.threads += 1;
                row.calls += recorded.calls;
            }
        }
        writeln!(out, "    pid began threads        calls program")?;
        writeln!(out, "------- ----- ------- ------------ -------")?;
        let Unrecorded { mut processes, mut execs, mut threads, mut calls, .. } = rest;
        for row in rows.iter().flatten() {
            match row.first.kind {
                Kind::Exec => execs += 1,
                _ => processes += 1,
            }
            threads += row.threads;
            calls += row.calls;
            let kind = row.first.kind.name();
            write!(out, "{:>7} {kind:<5} {:>7} {:>12} ", row.first.tid, row.threads, row.calls)?;
            match row.first.program.and_then(&path) {
                Some(path) => write!(out, "{}", Shown(path))?,
                None => out.write_str("?")?,
            }
            out.write_char('\n')?;
        }
        write!(
            out,
            "total: {processes} processes ({started} started), {execs} execs, {threads} threads, {calls} calls"
        )?;
        if rest.threads != 0 {
            write!(
                out,
                "; of these {} threads and {} calls have no row",
                rest.threads, rest.calls
            )?;
        }
        out.write_char('\n')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::string::String;

    #[test]
    fn threads_are_counted_with_their_process() {
        // SAFETY: all zero bytes are no records.
        let records = unsafe { Box::<Records>::new_zeroed().assume_init() };
        let first = records.begin(Kind::First, 100, 0);
        records.count(first, Some(0));
        let thread = records.begin(Kind::Thread, 101, first);
        records.count(thread, Some(0));
        records.started(thread);
        let child = records.begin(Kind::Fork, 102, thread);
        records.count(child, None);
        let image = records.begin(Kind::Exec, 102, 0);
        for _ in 0..30 {
            records.count(image, Some(1));
        }
        let mut text = String::new();
        let paths: [&[u8]; 2] = [b"/bin/sh", b"/\xff"];
        let path = |place: u32| paths.get(place as usize).copied();
        assert!(records.write(path, &mut text).is_ok());
        let expected = "    pid began threads        calls program
------- ----- ------- ------------ -------
    100 first       2            2 /bin/sh
    102 fork        1            1 /bin/sh
    102 exec        1           30 /\\xff
total: 2 processes (1 started), 1 execs, 4 threads, 33 calls
";
        assert_eq!(text, expected);
    }
}
