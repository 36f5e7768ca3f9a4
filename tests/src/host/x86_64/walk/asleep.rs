//! Whether all that is traced sleeps in system calls, and nothing but the tracer will wake it.

use super::tracee;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// How often in a row `/proc` must say so: who wakes another may be about to sleep itself.
const LOOKS: u32 = 4;
/// What the tracer itself must have used of the processor that all share, while nothing that is traced got any of it.
/// A thread that is ready to run gets its share long before.
const PATIENCE: Duration = Duration::from_millis(250);

/// What was seen since something has last happened.
pub struct Asleep {
    /// `/proc` has these processes: no other place tells of a thread's state.
    has_proc: bool,
    looks: u32,
    /// What the tracer and each process had used, when that of a process was seen to have changed.
    used: Option<(Duration, BTreeMap<i32, Duration>)>,
}

impl Asleep {
    /// Nothing was seen.
    pub fn new() -> Self {
        Asleep { has_proc: is_ours(), looks: 0, used: None }
    }

    /// Something has happened.
    pub fn forget(&mut self) {
        (self.looks, self.used) = (0, None);
    }

    /// Looks at the threads, given with their processes, once more. Whether it is certain now.
    pub fn look(&mut self, threads: &HashMap<i32, i32>) -> bool {
        if self.has_proc {
            let sleep = threads.keys().all(|&tid| tracee::sleeps(tid));
            self.looks = if sleep { self.looks + 1 } else { 0 };
            return self.looks >= LOOKS;
        }
        let own = tracee::used(std::process::id() as i32).unwrap_or_default();
        let now = threads.values().map(|&pid| (pid, tracee::used(pid).unwrap_or_default()));
        let now: BTreeMap<i32, Duration> = now.collect();
        match &self.used {
            Some((since, before)) if *before == now => own.saturating_sub(*since) >= PATIENCE,
            _ => {
                self.used = Some((own, now));
                false
            }
        }
    }
}

/// Whether `/proc` is there, and of this pid namespace.
fn is_ours() -> bool {
    let link = std::fs::read_link("/proc/self");
    link.is_ok_and(|link| link.as_os_str() == std::process::id().to_string().as_str())
}
