//! Where vload must run too: the restrictions of containers and shared hosts.
//!
//! A confinement is a further dimension of the comparison. The program runs under it natively and
//! under vload, and the two must agree, also where the program cannot do its work there.

use crate::needs::Need;

/// What needs /proc is not for these.
pub const WITHOUT_PROC: &[&str] = &["bwrap", "no-proc", "foreign-proc"];

/// Those that install a seccomp filter: for 64-bit calls, so an `int $0x80` kills.
pub const FILTERED: &[&str] = &[
    "docker",
    "deny-ptrace",
    "deny-process-vm",
    "deny-user-dispatch",
    "deny-memfd",
    "deny-personality",
    "deny-unshare",
    "no-execve-check",
];

/// One set of restrictions, as the words of a program that makes them and becomes the rest of its
/// arguments. They come last before vload's own, so that they hold for the program alone and not
/// for a case's own wrapper.
#[derive(Clone, Copy, Debug)]
pub struct Confinement {
    /// Its name in reports and on the command line.
    pub name: &'static str,
    /// The words, with the placeholders of a case.
    pub words: &'static [&'static str],
    /// What it cannot do without.
    pub needs: &'static [Need],
}

const fn confine(name: &'static str, words: &'static [&'static str]) -> Confinement {
    Confinement { name, words, needs: &[] }
}

impl Confinement {
    /// No restriction.
    pub const NONE: Confinement = confine("none", &[]);

    /// All of them.
    pub const ALL: [Confinement; 13] = [
        confine("mdwe", &["{confine}", "mdwe"]),
        confine("no-new-privs", &["{confine}", "no-new-privs"]),
        confine("docker", &["{confine}", "docker"]),
        confine("deny-ptrace", &["{confine}", "deny-ptrace"]),
        confine("deny-process-vm", &["{confine}", "deny-process-vm"]),
        confine("deny-user-dispatch", &["{confine}", "deny-user-dispatch"]),
        confine("deny-memfd", &["{confine}", "deny-memfd"]),
        confine("deny-personality", &["{confine}", "deny-personality"]),
        confine("deny-unshare", &["{confine}", "deny-unshare"]),
        // A kernel before 6.14 cannot say whether a file may be executed (AT_EXECVE_CHECK).
        confine("no-execve-check", &["{confine}", "no-execve-check"]),
        // Nothing but the case's own folder can be written, /tmp holds no program, and there is
        // no /proc and no /dev/shm.
        Confinement {
            name: "bwrap",
            words: &[
                "bwrap",
                "--unshare-user",
                "--uid",
                "0",
                "--gid",
                "0",
                "--cap-add",
                "CAP_SYS_ADMIN",
                "--ro-bind",
                "/",
                "/",
                "--tmpfs",
                "/proc",
                "--tmpfs",
                "/dev",
                "--dev-bind",
                "/dev/null",
                "/dev/null",
                "--",
                "{confine}",
                "bare",
                "{work}",
                "{dir}",
            ],
            needs: &[Need::Program("bwrap"), Need::UserNamespaces],
        },
        Confinement {
            name: "no-proc",
            words: &["bwrap", "--unshare-user", "--dev-bind", "/", "/", "--tmpfs", "/proc", "--"],
            needs: &[Need::Program("bwrap"), Need::UserNamespaces],
        },
        // /proc is that of another pid namespace, where the process has another number.
        Confinement {
            name: "foreign-proc",
            words: &["unshare", "--user", "--map-root-user", "--pid", "--fork", "--"],
            needs: &[Need::UserNamespaces],
        },
    ];

    /// Why it cannot be had; nothing when it can.
    pub fn missing(&self) -> Option<String> {
        self.needs.iter().find_map(|need| need.missing())
    }
}
