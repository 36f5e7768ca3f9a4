//! stress-ng with `--verify`, a stressor at a time.

use super::{Piece, Suite};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The suite.
pub const SUITE: Suite = Suite { name: "stress", packages: &["stress-ng"], pieces };

/// Versions before 0.16 have no class `signal`: its stressors are in `os` and `interrupt`.
const CLASSES: [&str; 8] =
    ["cpu", "interrupt", "pipe", "scheduler", "filesystem", "memory", "vm", "os"];

/// Those in the share: processes, threads, signals, memory and the calls that wait.
const SHARE: [&str; 34] = [
    "access",
    "affinity",
    "alarm",
    "bad-altstack",
    "brk",
    "clone",
    "close",
    "daemon",
    "dup",
    "enosys",
    "env",
    "epoll",
    "exec",
    "exit-group",
    "fault",
    "fork",
    "futex",
    "itimer",
    "kill",
    "munmap",
    "nanosleep",
    "pthread",
    "seccomp",
    "sigabrt",
    "sigchld",
    "sigfd",
    "sigfpe",
    "sigq",
    "sigrt",
    "sigsegv",
    "sigsuspend",
    "spawn",
    "vfork",
    "wait",
];

/// Those that refuse to run as root.
const NOT_AS_ROOT: [&str; 2] = ["exec", "spawn"];

/// Those that say so under a layer that takes every call, for docs/limits.md has them refused there.
const LIMITED: [(&str, &str); 1] = [("aiol", "aiol: io_setup failed, ran out of available events")];

/// Operations of one run: a small number, for some are a second's work.
const OPS: u32 = 16;

/// Those that say that no thread could be made when their first one has done all before they look.
const MORE: [(&str, u32); 1] = [("mutex", 10_000)];

/// Those whose operations take minutes, or that wait for what does not come: they end after a time.
const BY_TIME: [&str; 18] = [
    "dev",
    "dev-shm",
    "fpunch",
    "inode-flags",
    "mcontend",
    "misaligned",
    "mmap",
    "mmapfork",
    "netlink-proc",
    "pipeherd",
    "secretmem",
    "sem",
    "sigio",
    "softlockup",
    "syscall",
    "tree",
    "vforkmany",
    "yield",
];

/// That time.
const TIME: &str = "20s";

fn pieces(_: &Path) -> Result<Vec<Piece>> {
    let mut names = BTreeSet::new();
    for class in CLASSES {
        let output = Command::new("stress-ng").args(["--class", &format!("{class}?")]).output();
        let text = output.context("stress-ng cannot be run")?.stdout;
        let text = String::from_utf8_lossy(&text).into_owned();
        let (_, list) =
            text.split_once("stressors:").with_context(|| format!("no class {class}"))?;
        names.extend(list.split_whitespace().map(str::to_owned));
    }
    let named = SHARE.iter().chain(&BY_TIME).chain(MORE.iter().map(|(name, _)| name));
    let unknown: Vec<_> = named.filter(|name| !names.contains(**name)).collect();
    ensure!(unknown.is_empty(), "stress-ng has no stressors {unknown:?}");
    Ok(names.into_iter().map(piece).collect())
}

fn piece(name: String) -> Piece {
    let ops = MORE.iter().find(|(more, _)| *more == name).map_or(OPS, |(_, ops)| *ops);
    let mut command: Vec<String> =
        ["stress-ng", "--verify", "--no-rand-seed", "--temp-path", "{dir}"]
            .map(String::from)
            .into();
    command.extend([format!("--{name}"), "1".into(), format!("--{name}-ops"), ops.to_string()]);
    if BY_TIME.contains(&name.as_str()) {
        command.extend(["--timeout", TIME].map(String::from));
    }
    Piece {
        share: SHARE.contains(&name.as_str()),
        unprivileged: NOT_AS_ROOT.contains(&name.as_str()),
        limited: LIMITED.iter().find(|(limited, _)| *limited == name).map(|(_, said)| *said),
        name,
        command,
        folder: None,
        variables: Vec::new(),
        limit: Duration::from_secs(300),
        passed: |text, _| passed(text),
        prepare: None,
    }
}

/// The whole stressor is one case: it ran to its end and nothing was wrong, nor was it left out.
fn passed(text: &str) -> BTreeSet<String> {
    let ran = text.contains("successful run completed");
    let bad = text.lines().any(|line| line.contains("fail:") || line.contains("skipped"));
    if ran && !bad { BTreeSet::from(["verified".to_owned()]) } else { BTreeSet::new() }
}
