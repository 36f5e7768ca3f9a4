//! The table of `strace -c`: calls by the time they took.
//!
//! Columns and their widths are strace's (`src/count.c`, `call_summary_pers`), so that what reads
//! its tables reads ours.

use crate::sort;
use core::cmp::Reverse;
use core::fmt::{Result, Write};

/// One call in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row<'a> {
    /// Its name.
    pub name: &'a str,
    /// How often it was made.
    pub calls: u64,
    /// How often it failed.
    pub errors: u64,
    /// The time it took in all.
    pub nanoseconds: u64,
}

/// Widths of the columns, in their order.
struct Widths {
    seconds: usize,
    average: usize,
    calls: usize,
    errors: usize,
    name: usize,
}

/// `100.00`, and the column's title.
const PERCENT_WIDTH: usize = 6;

/// Writes the table to `out`: most time first, then most calls, then by name. `rows` comes back
/// in that order; a row without calls is left out, and so is a table without rows.
pub fn write(rows: &mut [Row<'_>], out: &mut dyn Write) -> Result {
    sort::by_key(rows, |row| (Reverse((row.nanoseconds, row.calls)), row.name));
    let shown = || rows.iter().filter(|row| row.calls > 0);
    let total =
        shown().fold(Row { name: "total", calls: 0, errors: 0, nanoseconds: 0 }, |total, row| {
            Row {
                name: total.name,
                calls: total.calls.saturating_add(row.calls),
                errors: total.errors.saturating_add(row.errors),
                nanoseconds: total.nanoseconds.saturating_add(row.nanoseconds),
            }
        });
    if total.calls == 0 {
        return Ok(());
    }
    let widest = |width: fn(&Row<'_>) -> usize| shown().map(width).max().unwrap_or(0);
    let widths = Widths {
        // Six digits behind the point, and the point.
        seconds: usize::max(11, digits(microseconds(total.nanoseconds) / 1_000_000) + 7),
        average: usize::max(11, widest(|row| digits(average(row)))),
        calls: usize::max(9, digits(total.calls)),
        errors: usize::max(9, digits(total.errors)),
        name: usize::max(16, widest(|row| row.name.len()) + 1),
    };

    let Widths { seconds, average, calls, errors, .. } = widths;
    writeln!(
        out,
        "% time {:>seconds$} {:>average$} {:>calls$} {:>errors$} syscall",
        "seconds", "usecs/call", "calls", "errors"
    )?;
    divider(&widths, out)?;
    for row in shown() {
        line(row, percent(row.nanoseconds, total.nanoseconds), &widths, out)?;
    }
    divider(&widths, out)?;
    line(&total, 10_000, &widths, out)
}

fn divider(widths: &Widths, out: &mut dyn Write) -> Result {
    let Widths { seconds, average, calls, errors, name } = *widths;
    for width in [PERCENT_WIDTH, seconds, average, calls, errors] {
        write!(out, "{:->width$} ", "")?;
    }
    writeln!(out, "{:->name$}", "")
}

/// `percent` is in hundredths.
fn line(row: &Row<'_>, percent: u64, widths: &Widths, out: &mut dyn Write) -> Result {
    let Widths { seconds, average: average_width, calls, errors, .. } = *widths;
    let microseconds = microseconds(row.nanoseconds);
    write!(
        out,
        "{:>percent_width$}.{:02} {:>whole$}.{:06} {:>average_width$} {:>calls$} ",
        percent / 100,
        percent % 100,
        microseconds / 1_000_000,
        microseconds % 1_000_000,
        average(row),
        row.calls,
        percent_width = PERCENT_WIDTH - 3,
        whole = seconds - 7,
    )?;
    match row.errors {
        0 => write!(out, "{:>errors$}", "")?,
        count => write!(out, "{count:>errors$}")?,
    }
    writeln!(out, " {}", row.name)
}

/// Rounded, as `printf` rounds seconds to six digits.
fn microseconds(nanoseconds: u64) -> u64 {
    nanoseconds / 1000 + u64::from(nanoseconds % 1000 >= 500)
}

/// Whole microseconds a call.
fn average(row: &Row<'_>) -> u64 {
    row.nanoseconds / row.calls.max(1) / 1000
}

/// The share of `part` in `total` in hundredths of a percent, rounded.
fn percent(part: u64, total: u64) -> u64 {
    share(part, 10_000, total)
        .map_or(0, |(hundredths, rest)| hundredths + u64::from(rest >= total.div_ceil(2)))
}

/// `part` of `whole` in units of which `whole` has `units`, and what is left of the division: digit by digit, because what is
/// multiplied may have more than 64 bits. The result has to fit in 64.
pub fn share(part: u64, units: u64, whole: u64) -> Option<(u64, u64)> {
    let (each, more) = (units.checked_div(whole)?, units % whole);
    let (mut share, mut rest) = (0u64, 0u64);
    for bit in (0..u64::BITS).rev() {
        let is_set = part >> bit & 1;
        share = 2 * share + is_set * each;
        for summand in [rest, is_set * more] {
            // What is missing to the next whole one: the sum may have more than 64 bits too.
            let missing = whole - summand;
            if rest >= missing {
                rest -= missing;
                share += 1;
            } else {
                rest += summand;
            }
        }
    }
    Some((share, rest))
}

fn digits(value: u64) -> usize {
    value.checked_ilog10().map_or(1, |log| log as usize + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    const fn row(name: &'static str, calls: u64, errors: u64, microseconds: u64) -> Row<'static> {
        Row { name, calls, errors, nanoseconds: microseconds * 1000 }
    }

    fn table(rows: &mut [Row<'_>]) -> String {
        let mut text = String::new();
        assert!(write(rows, &mut text).is_ok());
        text
    }

    /// Recorded from strace 6.1, `strace -f -c` of a shell that runs `chrt -m`, `ls -lR` and
    /// `cat` of a file that is not there.
    #[test]
    fn as_strace_writes_it() {
        let mut rows = [
            row("read", 114, 0, 225),
            row("close", 1054, 1, 12_414),
            row("execve", 7, 0, 0),
            row("wait4", 11, 5, 780_602),
            row("sched_get_priority_max", 6, 0, 14),
            row("getdents64", 1840, 0, 59_952),
            row("openat", 1133, 102, 14_356),
            row("newfstatat", 1080, 32, 11_499),
            row("getppid", 0, 0, 0),
        ];
        let recorded = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- -----------------------
 88.80    0.780602       70963        11         5 wait4
  6.82    0.059952          32      1840           getdents64
  1.63    0.014356          12      1133       102 openat
  1.41    0.012414          11      1054         1 close
  1.31    0.011499          10      1080        32 newfstatat
  0.03    0.000225           1       114           read
  0.00    0.000014           2         6           sched_get_priority_max
  0.00    0.000000           0         7           execve
------ ----------- ----------- --------- --------- -----------------------
100.00    0.879062         167      5245       140 total
";
        assert_eq!(table(&mut rows), recorded);
    }

    #[test]
    fn without_any_time() {
        let mut rows = [row("read", 1, 0, 0), row("mmap", 8, 0, 0), row("close", 1, 0, 0)];
        let expected = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
  0.00    0.000000           0         8           mmap
  0.00    0.000000           0         1           close
  0.00    0.000000           0         1           read
------ ----------- ----------- --------- --------- ----------------
100.00    0.000000           0        10           total
";
        assert_eq!(table(&mut rows), expected);
        assert_eq!(table(&mut []), "");
    }

    #[test]
    fn numbers_that_need_more_room() {
        let mut rows = [
            Row { name: "futex", calls: u64::MAX, errors: u64::MAX, nanoseconds: u64::MAX },
            Row { name: "pause", calls: 1, errors: 1, nanoseconds: u64::MAX },
        ];
        let expected = "\
% time            seconds        usecs/call                calls               errors syscall
------ ------------------ ----------------- -------------------- -------------------- ----------------
100.00 18446744073.709552                 0 18446744073709551615 18446744073709551615 futex
100.00 18446744073.709552 18446744073709551                    1                    1 pause
------ ------------------ ----------------- -------------------- -------------------- ----------------
100.00 18446744073.709552                 0 18446744073709551615 18446744073709551615 total
";
        assert_eq!(table(&mut rows), expected);
    }

    #[test]
    fn a_share_is_that_of_a_division_in_128_bits() {
        let values =
            [1, 2, 3, 999, 10_000, 1 << 32, 3_141_592_653_589_793, (1 << 62) - 1, u64::MAX];
        for (part, units, whole) in values.into_iter().flat_map(|part| {
            values.into_iter().flat_map(move |units| values.map(|whole| (part, units, whole)))
        }) {
            let (product, divisor) = (u128::from(part) * u128::from(units), u128::from(whole));
            if let Ok(quotient) = u64::try_from(product / divisor) {
                let rest = (product % divisor) as u64;
                assert_eq!(
                    share(part, units, whole),
                    Some((quotient, rest)),
                    "{part} {units} {whole}"
                );
            }
        }
        assert_eq!(share(7, 10, 0), None);
    }
}
