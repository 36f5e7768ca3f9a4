//! A process that is killed while it opens and closes a file: a tracer steps it, and kills it before one instruction after
//! the other.

use super::world::{World, call, expect, fork, tables};

/// At how many places it is killed.
const PLACES: u64 = 12;

/// Starts a process that opens and closes a file, and waits to be stepped.
fn start(world: &World, name: &str) -> libc::pid_t {
    let pid = fork();
    if pid == 0 {
        // SAFETY: the parent is the tracer.
        unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            libc::raise(libc::SIGSTOP);
        }
        let fd = world.open(name, libc::O_CREAT | libc::O_RDWR).unwrap_or(-1);
        call("close", &[fd as usize]);
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) }
    }
    assert_ne!(wait(pid), None);
    pid
}

/// Waits: the signal that it stopped with, or none when it has ended.
fn wait(pid: libc::pid_t) -> Option<i32> {
    let mut status = 0;
    // SAFETY: the test's own child.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    libc::WIFSTOPPED(status).then(|| libc::WSTOPSIG(status))
}

/// Steps it so many times, or to its end: how many.
fn step(pid: libc::pid_t, most: u64) -> u64 {
    for done in 0..most {
        // SAFETY: it is stopped.
        let stepped = unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, pid, 0, 0) };
        assert_eq!(stepped, 0);
        if wait(pid).is_none() {
            return done;
        }
    }
    most
}

#[test]
fn nothing_is_left_of_a_process_that_is_killed_anywhere() {
    let world = World::new();
    // The module's counts are this process's, which closes what others have opened.
    expect(1000);
    // One that takes a place for its path.
    let long = std::format!("/{}", "x".repeat(200));
    let all = step(start(&world, &long), u64::MAX);
    assert!(all > 1000, "{all} steps");
    let empty = tables();
    let mut closed = 0;
    for place in 0..PLACES {
        let pid = start(&world, &long);
        step(pid, all * place / PLACES);
        // SAFETY: the test's own child.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        assert_eq!(wait(pid), None);
        let before = world.counts().1;
        assert_eq!(crate::descriptor::users(3, None), 0, "killed after {place} of {PLACES}");
        closed += world.counts().1 - before;
        assert_eq!(tables(), empty, "killed after {place} of {PLACES}");
        let fd = world.open("/short", libc::O_CREAT | libc::O_RDWR).unwrap();
        call("close", &[fd as usize]);
    }
    assert!(closed > 0, "it was never killed with a file open");
}
