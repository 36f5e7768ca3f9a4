use super::*;
use crate::abi::{Table, by_name, calls};
use std::string::String;
use std::vec::Vec;

/// The line of native call `name`.
fn native(name: &str, args: &[usize], result: Option<isize>) -> String {
    let number = by_name(Table::NATIVE, name).map_or(usize::MAX, |(number, _)| number as usize);
    let mut registers = [0xdead_beef; MAX_ARGS];
    for (register, arg) in registers.iter_mut().zip(args) {
        *register = *arg;
    }
    written(&Line { pid: None, entry: Entry::Native, number, args: registers, result })
}

fn written(line: &Line) -> String {
    let mut buffer = [0; MAX_LEN];
    let len = line.write(&mut buffer);
    String::from_utf8_lossy(&buffer[..len]).into_owned()
}

const AT_FDCWD_REGISTER: usize = 0xffff_ff9c;

#[test]
fn arguments_by_kind_and_only_its_own() {
    assert_eq!(
        native("openat", &[AT_FDCWD_REGISTER, 0x7f70_0360, 0x80000, 0], Some(3)),
        "openat(AT_FDCWD, 0x7f700360, 0x80000, 0) = 3\n"
    );
    assert_eq!(
        native("mkdirat", &[7, 0x1000, 0o755], Some(0)),
        "mkdirat(7, 0x1000, 0755)                = 0\n"
    );
    assert_eq!(
        native("fchownat", &[5, 0x1000, 1000, usize::MAX, 0x100], Some(0)),
        "fchownat(5, 0x1000, 1000, -1, 0x100)    = 0\n"
    );
    assert_eq!(
        native("kill", &[-1isize as usize, 15], Some(0)),
        "kill(-1, 15)                            = 0\n"
    );
    assert_eq!(native("getpid", &[], Some(42)), "getpid()                                = 42\n");
    assert_eq!(
        native("umask", &[0o22], Some(0o77)),
        "umask(022)                              = 077\n"
    );
}

#[test]
fn results_by_kind() {
    assert_eq!(
        native("brk", &[0], Some(0x558c_8000)),
        "brk(0)                                  = 0x558c8000\n"
    );
    assert_eq!(
        native("close", &[3], Some(-9)),
        "close(3)                                = -1 EBADF (Bad file descriptor)\n"
    );
    assert_eq!(native("exit_group", &[0], None), "exit_group(0)                           = ?\n");
    let restarts = [
        (-512, "? ERESTARTSYS (To be restarted if SA_RESTART is set)"),
        (-513, "? ERESTARTNOINTR (To be restarted)"),
        (-514, "? ERESTARTNOHAND (To be restarted if no handler)"),
        (-516, "? ERESTART_RESTARTBLOCK (Interrupted by signal)"),
        (-4095, "-1 (errno 4095)"),
        (-4096, "-4096"),
    ];
    for (result, text) in restarts {
        let line = native("fsync", &[3], Some(result));
        assert_eq!(line, std::format!("{:40}= {text}\n", "fsync(3)"));
    }
}

#[test]
fn numbers_that_no_call_has() {
    let line = |number| {
        written(&Line {
            pid: None,
            entry: Entry::Native,
            number,
            args: [1, 2, 0, 4, 5, 0x60],
            result: Some(-38),
        })
    };
    let rest = "(0x1, 0x2, 0, 0x4, 0x5, 0x60) = -1 ENOSYS (Function not implemented)\n";
    assert_eq!(line(0x1c8_0000), std::format!("syscall_0x1c80000{rest}"));
    // A register's width, as strace has it on every machine.
    assert_eq!(line(0xffff_ffff), std::format!("syscall_{:#x}{rest}", usize::MAX));
}

#[test]
fn pids_and_other_entries() {
    let mut line = Line {
        pid: Some(1234),
        entry: Entry::Native,
        number: by_name(Table::NATIVE, "getppid").map_or(0, |(number, _)| number as usize),
        args: [0; MAX_ARGS],
        result: Some(1),
    };
    assert_eq!(written(&line), std::format!("{:40}= 1\n", "[pid  1234] getppid()"));
    line.pid = Some(4_194_304);
    assert_eq!(written(&line), std::format!("{:40}= 1\n", "[pid 4194304] getppid()"));
    if let Some(compat) = Table::COMPAT {
        let number = by_name(compat, "mmap2").map_or(0, |(number, _)| number as usize);
        let args = [0, 4096, 3, 0x22, 0xffff_ffff, 0];
        // The kernel leaves a 32-bit address, sign-extended or not.
        for result in [0xf7fc_0000_u32 as isize, 0xf7fc_0000_u32 as i32 as isize] {
            let line = Line { pid: None, entry: Entry::Compat, number, args, result: Some(result) };
            assert_eq!(written(&line), "[int80] mmap2(0, 4096, 0x3, 0x22, -1, 0) = 0xf7fc0000\n");
        }
    }
}

#[test]
fn the_longest_line_fits() {
    let result = (1..4096).map(|error| Some(-error)).max_by_key(|result| {
        let mut text = [0; MAX_LEN];
        let line =
            Line { pid: None, entry: Entry::Native, number: 0, args: [0; 6], result: *result };
        line.write(&mut text)
    });
    let entries = [(Table::NATIVE, Entry::Native), (Table::NATIVE, Entry::X32)]
        .into_iter()
        .chain(Table::COMPAT.map(|table| (table, Entry::Compat)));
    for (table, entry) in entries {
        let numbers = calls(table).map(|(number, _)| number as usize).chain([usize::MAX]);
        for number in numbers {
            for register in [usize::MAX - 1, usize::MAX / 2, 1 << (usize::BITS - 1)] {
                let line = Line {
                    pid: Some(u32::MAX),
                    entry,
                    number,
                    args: [register; MAX_ARGS],
                    result: result.flatten(),
                };
                let len = line.write(&mut [0; 2 * MAX_LEN]);
                assert!(len <= MAX_LEN, "{len}: {}", written(&line));
            }
        }
    }
}

/// What strace 6.1 printed with `-e raw=all` of a C program's start, on x86-64: ours has the
/// same call, arguments of the same value, and the result in the same column.
#[test]
fn as_strace_writes_it() {
    let recorded = "\
execve(0x7ffd8684ee00, 0x7ffd86850290, 0x7ffd868502a0) = 0
brk(0)                                  = 0x558c8aaa1000
mmap(0, 0x2000, 0x3, 0x22, 0xffffffff, 0) = 0x7f70035db000
access(0x7f700360f2a0, 0x4)             = -1 ENOENT (No such file or directory)
openat(0xffffff9c, 0x7f700360e0b1, 0x80000, 0) = 0x3
newfstatat(0x3, 0x7f700360ec99, 0x7ffe8ea481e0, 0x1000) = 0
close(0x3)                              = 0
read(0x3, 0x7ffe8ea48348, 0x340)        = 0x340
pread64(0x3, 0x7ffe8ea47f60, 0x310, 0x40) = 0x310
arch_prctl(0x1002, 0x7f70033ec740)      = 0
set_tid_address(0x7f70033eca10)         = 0x158d
set_robust_list(0x7f70033eca20, 0x18)   = 0
rseq(0x7f70033ed060, 0x20, 0, 0x53053053) = 0
mprotect(0x7f70035be000, 0x4000, 0x1)   = 0
prlimit64(0, 0x3, 0, 0x7ffe8ea48d20)    = 0
munmap(0x7f70035d1000, 0x9d3b)          = 0
exit_group(0)                           = ?";
    for theirs in recorded.lines().filter(|_| usize::BITS == 64) {
        let (name, args, result) = parsed(theirs);
        let Some((number, _)) = by_name(Table::NATIVE, name) else {
            continue;
        };
        let mut line = Line {
            pid: None,
            entry: Entry::Native,
            number: number as usize,
            args: [0xdead_beef; MAX_ARGS],
            result: value(result).map(|value| value as isize),
        };
        if result.contains("ENOENT") {
            line.result = Some(-2);
        }
        for (register, arg) in line.args.iter_mut().zip(&args) {
            *register = value(arg).unwrap_or_default() as usize;
        }
        let ours = written(&line);
        let ours = ours.trim_end();
        let (our_name, our_args, our_result) = parsed(ours);
        assert_eq!(our_name, name);
        let ints = |args: &[&str]| -> Vec<_> {
            args.iter().map(|arg| value(arg).map(|value| value as u32)).collect()
        };
        assert_eq!(ints(&our_args), ints(&args), "{theirs}");
        match value(result) {
            Some(number) => assert_eq!(value(our_result), Some(number), "{theirs}"),
            None => assert_eq!(our_result, result),
        }
        let column = |line: &str| line.find(" = ").filter(|column| *column < RESULT_COLUMN);
        if let (Some(here), Some(there)) = (column(ours), column(theirs)) {
            assert_eq!(here, there, "{theirs}");
        }
    }
}

/// Name, arguments and result of a line.
fn parsed(line: &str) -> (&str, Vec<&str>, &str) {
    let (name, rest) = line.split_once('(').unwrap_or((line, ""));
    let (args, result) = rest.split_once(')').unwrap_or_default();
    (name, args.split(", ").collect(), result.trim_start().trim_start_matches("= "))
}

/// A number as C writes it, or `AT_FDCWD`.
fn value(text: &str) -> Option<i64> {
    match text {
        "AT_FDCWD" => Some(AT_FDCWD.into()),
        "0" => Some(0),
        _ => match (text.strip_prefix("0x"), text.strip_prefix('0')) {
            (Some(digits), _) => i64::from_str_radix(digits, 16).ok(),
            (_, Some(digits)) => i64::from_str_radix(digits, 8).ok(),
            _ => text.parse().ok(),
        },
    }
}

#[test]
fn what_does_not_fit_is_marked() {
    let line = Line {
        pid: Some(1),
        entry: Entry::Native,
        number: 0,
        args: [usize::MAX; MAX_ARGS],
        result: Some(-2),
    };
    let whole = written(&line).into_bytes();
    for size in 0..whole.len() {
        let mut buffer = std::vec![0; size];
        assert_eq!(line.write(&mut buffer), size);
        let mark = &b"...\n"[4 - size.min(4)..];
        assert!(buffer.ends_with(mark), "{size}");
        assert_eq!(buffer[..size - mark.len()], whole[..size - mark.len()]);
    }
    let mut exact = std::vec![0; whole.len()];
    assert_eq!(line.write(&mut exact), whole.len());
    assert_eq!(exact, whole);
}
