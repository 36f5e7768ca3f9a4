//! The architectures vload is built for.

use clap::ValueEnum;

/// One architecture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arch {
    /// 64-bit x86, the native one.
    X86_64,
    /// 32-bit x86, run by the same kernel.
    I686,
    /// 64-bit ARM, run by qemu-user.
    Aarch64,
    /// 64-bit RISC-V, run by qemu-user.
    Riscv64,
}

impl Arch {
    /// Every architecture, the native one first.
    pub const ALL: [Arch; 4] = [Arch::X86_64, Arch::I686, Arch::Aarch64, Arch::Riscv64];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::I686 => "i686",
            Arch::Aarch64 => "aarch64",
            Arch::Riscv64 => "riscv64",
        }
    }

    /// The target triple that rustc knows it by.
    pub fn triple(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64-unknown-linux-gnu",
            Arch::I686 => "i686-unknown-linux-gnu",
            Arch::Aarch64 => "aarch64-unknown-linux-gnu",
            Arch::Riscv64 => "riscv64gc-unknown-linux-gnu",
        }
    }

    /// The emulator that runs its programs, where the kernel does not.
    pub fn qemu(self) -> Option<&'static str> {
        match self {
            Arch::X86_64 | Arch::I686 => None,
            Arch::Aarch64 => Some("qemu-aarch64"),
            Arch::Riscv64 => Some("qemu-riscv64"),
        }
    }

    /// Where its C library is installed.
    pub fn sysroot(self) -> &'static str {
        match self {
            Arch::X86_64 | Arch::I686 => "/",
            Arch::Aarch64 => "/usr/aarch64-linux-gnu",
            Arch::Riscv64 => "/usr/riscv64-linux-gnu",
        }
    }

    /// The Debian packages that compile and run C test programs for it.
    pub fn packages(self) -> &'static [&'static str] {
        match self {
            Arch::X86_64 => &[],
            // gcc-multilib conflicts with the cross compilers; the versioned package does not.
            Arch::I686 => &["gcc-12-multilib"],
            Arch::Aarch64 => &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "qemu-user"],
            Arch::Riscv64 => &["gcc-riscv64-linux-gnu", "libc6-dev-riscv64-cross", "qemu-user"],
        }
    }
}

/// What `--arch` takes.
#[derive(Clone, Copy, ValueEnum)]
pub enum Choice {
    /// 64-bit x86
    #[value(name = "x86_64")]
    X86_64,
    /// 32-bit x86
    I686,
    /// 64-bit ARM
    Aarch64,
    /// 64-bit RISC-V
    Riscv64,
    /// All of them
    All,
}

impl Choice {
    /// The architectures it stands for.
    pub fn arches(self) -> &'static [Arch] {
        match self {
            Choice::X86_64 => &[Arch::X86_64],
            Choice::I686 => &[Arch::I686],
            Choice::Aarch64 => &[Arch::Aarch64],
            Choice::Riscv64 => &[Arch::Riscv64],
            Choice::All => &Arch::ALL,
        }
    }
}
