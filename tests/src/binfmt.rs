//! Foreign programs as if they were native.
//!
//! A program under test executes others, so an emulator on the command line is not enough: the
//! kernel must know it. Inside a user namespace of its own that can be said without root and
//! without a trace on the machine (Documentation/admin-guide/binfmt-misc.rst, Linux 6.7).

use crate::arch::Emulator;
use crate::needs::find_program;
use anyhow::{Context, Result};
use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Set in the namespace, so that the runner enters it only once.
const INSIDE: &str = "VLOAD_TESTS_BINFMT";

/// Registers the emulator from standard input's place, then becomes the rest of its arguments.
const REGISTER: &str = r#"set -e
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf '%s' "$1" > /proc/sys/fs/binfmt_misc/register
shift
exec "$@""#;

/// Runs this program again, in namespaces where the kernel hands the emulator its programs, and
/// does not come back. In those namespaces it does nothing.
pub fn enter(emulator: &Emulator) -> Result<()> {
    if env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    let path = find_program(emulator.program)
        .with_context(|| format!("{} is not installed", emulator.program))?;
    let this = env::current_exe().context("cannot tell this program's path")?;
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc"])
        .args(["sh", "-c", REGISTER, "sh"])
        .arg(registration(emulator, &path.display().to_string()))
        .arg(this)
        .args(env::args_os().skip(1))
        .env(INSIDE, "1")
        .env("QEMU_LD_PREFIX", emulator.libraries)
        .stdin(Stdio::null());
    Err(command.exec()).context("cannot run unshare")
}

/// The line for `register`: the ELF header's first 20 bytes, the type (ET_EXEC or ET_DYN) and the
/// ABI's version masked. `F` opens the emulator now, `P` keeps argv[0] as it was passed, `O` is not
/// asked for because the emulator opens the program by its name.
fn registration(emulator: &Emulator, path: &str) -> String {
    let [low, high] = emulator.machine.to_le_bytes();
    let magic = format!(
        r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x{low:02x}\x{high:02x}"
    );
    let mask = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";
    format!(":{}:M::{magic}:{mask}:{path}:FP", emulator.program)
}

#[cfg(test)]
mod tests {
    use super::registration;
    use crate::arch::Arch;

    #[test]
    fn names_the_machine_in_file_order() {
        let emulator = Arch::Aarch64.emulator().expect("aarch64 is emulated");
        let line = registration(&emulator, "/usr/bin/qemu-aarch64");
        assert!(line.contains(r"\x02\x00\xb7\x00:"), "{line}");
        assert!(line.ends_with(":/usr/bin/qemu-aarch64:FP"), "{line}");
    }
}
