//! Whether an observer outside and a trace inside tell the same story, thread by thread.

use crate::host::tracer::Pid;
use anyhow::{Context, Result, ensure};
use runtime::abi;
use std::collections::BTreeMap;

/// The numbers of each thread's calls, in their order.
pub type Calls = BTreeMap<Pid, Vec<u32>>;

/// What vload answers itself or asks of the kernel in other words: the trace has the target's call,
/// and the observer has vload's. These are left out of both.
const ANSWERED: &[i64] = &[
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
];

/// The kernel looks at 32 bits of the number (`do_syscall_64`, arch/x86/entry/syscall_64.c).
fn add(calls: &mut Calls, thread: Pid, number: u64) {
    let calls = calls.entry(thread).or_default();
    if !ANSWERED.contains(&(number as i64)) {
        calls.push(number as u32);
    }
}

/// The observer's list: the calls that are the target's, and the thread that made the first.
pub fn seen(text: &str) -> Result<(Pid, Calls)> {
    let mut calls = Calls::new();
    let mut first = None;
    for line in text.lines() {
        let mut words = line.split(' ');
        let (thread, kind, number) = (words.next(), words.next(), words.next());
        let thread = thread.and_then(|word| word.parse().ok()).context("no thread in the list")?;
        let number: u64 =
            number.and_then(|word| word.parse().ok()).context("no number in the list")?;
        if matches!(kind, Some("stub" | "forward")) {
            first.get_or_insert(thread);
            add(&mut calls, thread, number);
        }
    }
    Ok((first.context("an empty list")?, calls))
}

/// The lines of `vload trace`. Those without a pid are of the thread that began, `first`.
pub fn traced(text: &str, first: Pid) -> Result<Calls> {
    let mut calls = Calls::new();
    for line in text.lines() {
        let (thread, rest) = match line.strip_prefix("[pid ").and_then(|rest| rest.split_once("] "))
        {
            Some((pid, rest)) => (pid.trim().parse().context("no pid in a line")?, rest),
            None => (first, line),
        };
        let Some((name, _)) = rest.split_once('(') else { continue };
        let number = match abi::by_name(abi::Table::NATIVE, name) {
            Some((number, _)) => number.into(),
            None => {
                let digits = name.strip_prefix("syscall_0x").context("no call's name")?;
                u64::from_str_radix(digits, 16)?
            }
        };
        add(&mut calls, thread, number);
    }
    Ok(calls)
}

/// Whether both tell of the same calls.
pub fn agree(seen: &Calls, traced: &Calls) -> Result<()> {
    for thread in seen.keys() {
        ensure!(traced.contains_key(thread), "the trace knows nothing of thread {thread}");
    }
    for (thread, traced) in traced {
        let seen = seen.get(thread).map_or(&[][..], Vec::as_slice);
        let same = seen.iter().zip(traced).take_while(|(seen, traced)| seen == traced).count();
        ensure!(
            seen.len() == traced.len() && same == traced.len(),
            "thread {thread}: call {same} is {:?} to the observer and {:?} in the trace",
            seen.get(same),
            traced.get(same)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{agree, seen, traced};

    const LIST: &str = "7 own 9\n7 stub 39\n7 forward 1\n8 stub 39\n8 native 5\n7 exec 0\n";
    const TRACE: &str = "getpid() = 7\nrt_sigaction(2, 0, 0, 8) = 0\n[pid 8] getpid() = 8\n\
                         [pid 7] write(1, 0x1, 1) = 1\n";

    #[test]
    fn what_agrees() {
        let (first, seen) = seen(LIST).expect("a list");
        assert_eq!(first, 7);
        agree(&seen, &traced(TRACE, 7).expect("a trace")).expect("the same calls");
    }

    #[test]
    fn what_does_not() {
        let (_, all) = seen(LIST).expect("a list");
        let trace = |text: &str| traced(text, 7).expect("a trace");
        let lacks_one = TRACE.replace("[pid 8] getpid() = 8\n", "");
        assert!(agree(&all, &trace(&lacks_one)).is_err());
        let has_more = format!("{TRACE}getppid() = 1\n");
        assert!(agree(&all, &trace(&has_more)).is_err());
        let other_order = "[pid 7] write(1, 0x1, 1) = 1\ngetpid() = 7\n[pid 8] getpid() = 8\n";
        assert!(agree(&all, &trace(other_order)).is_err());
    }
}
