//! The architectures that programs are compiled for and run on.

use clap::ValueEnum;

/// One architecture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Arch {
    /// 64-bit x86, the native one
    #[value(name = "x86_64")]
    X86_64,
    /// 32-bit x86, run by the same kernel
    I686,
    /// 64-bit ARM, under qemu-user
    Aarch64,
    /// 64-bit RISC-V, under qemu-user
    Riscv64,
}

impl Arch {
    /// The name on the command line and of folders.
    pub fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::I686 => "i686",
            Arch::Aarch64 => "aarch64",
            Arch::Riscv64 => "riscv64",
        }
    }

    /// The C compiler for it, with the arguments that make it one.
    pub fn cc(self) -> &'static [&'static str] {
        match self {
            Arch::X86_64 => &["cc"],
            // The kernel's headers serve both word sizes, but only gcc-multilib's link says so.
            Arch::I686 => &["cc", "-m32", "-idirafter", "/usr/include/x86_64-linux-gnu"],
            Arch::Aarch64 => &["aarch64-linux-gnu-gcc"],
            Arch::Riscv64 => &["riscv64-linux-gnu-gcc"],
        }
    }

    /// The disassembler for it, with its arguments.
    pub fn disassembler(self) -> &'static [&'static str] {
        match self {
            Arch::X86_64 | Arch::I686 => &["objdump", "-d", "-w"],
            Arch::Aarch64 => &["aarch64-linux-gnu-objdump", "-d", "-w"],
            Arch::Riscv64 => &["riscv64-linux-gnu-objdump", "-d", "-w"],
        }
    }

    /// The emulator that runs its programs, where this kernel does not.
    pub fn emulator(self) -> Option<Emulator> {
        match self {
            Arch::X86_64 | Arch::I686 => None,
            Arch::Aarch64 => Some(Emulator {
                program: "qemu-aarch64",
                machine: 183,
                libraries: "/usr/aarch64-linux-gnu",
            }),
            Arch::Riscv64 => Some(Emulator {
                program: "qemu-riscv64",
                machine: 243,
                libraries: "/usr/riscv64-linux-gnu",
            }),
        }
    }
}

/// A user-mode emulator.
#[derive(Clone, Copy)]
pub struct Emulator {
    /// Its program.
    pub program: &'static str,
    /// The `e_machine` of the ELF files that it runs.
    pub machine: u16,
    /// Where the C library of its architecture is.
    pub libraries: &'static str,
}
