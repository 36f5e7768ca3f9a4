//! What a case needs of the machine, and whether it is there.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// One thing that a case cannot do without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// A program on `PATH`.
    Program(&'static str),
    /// A program on `PATH` that not every machine can get: without it a case is not run, which fails
    /// nothing.
    Extra(&'static str),
    /// A file at a fixed place.
    File(&'static str),
    /// The rights of the real root user.
    Root,
    /// The kernel has the page of functions at a fixed address.
    Vsyscall,
    /// A user and mount namespace can be made.
    UserNamespaces,
}

impl Need {
    /// Why the need is not met; nothing when it is.
    pub fn missing(self) -> Option<String> {
        match self {
            Need::Program(name) | Need::Extra(name) => {
                find_program(name).is_none().then(|| format!("{name} is not installed"))
            }
            Need::File(path) => {
                (!PathBuf::from(path).exists()).then(|| format!("there is no {path}"))
            }
            Need::Root => (!is_root()).then(|| "not root".into()),
            Need::Vsyscall => {
                let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
                (!maps.contains("[vsyscall]")).then(|| "the kernel has no vsyscall page".into())
            }
            Need::UserNamespaces => {
                (!user_namespaces()).then(|| "user namespaces are forbidden".into())
            }
        }
    }

    /// Whether a case without it fails nothing.
    pub fn is_extra(self) -> bool {
        matches!(self, Need::Extra(_))
    }
}

/// The file that `name` is on `PATH`, or in the folders a user's `PATH` may lack.
pub fn find_program(name: &str) -> Option<PathBuf> {
    env::split_paths(PATH).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The `PATH` of every test: what the machine's own packages install, so that no shim of a
/// version manager takes the place of a program.
pub const PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin";

fn is_root() -> bool {
    // SAFETY: geteuid(2) takes nothing and always succeeds.
    unsafe { libc::geteuid() == 0 }
}

fn user_namespaces() -> bool {
    static ALLOWED: OnceLock<bool> = OnceLock::new();
    *ALLOWED.get_or_init(|| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--mount", "true"]);
        unshare.stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    })
}
