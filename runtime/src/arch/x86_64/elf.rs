//! Which executables a kernel of this architecture takes (`arch/x86/include/asm/elf.h`).

use goblin::elf::header as raw;

/// The layout of the ELF structures of a native program.
pub const CLASS: crate::image::Class = crate::image::Class::Elf64;

/// The end of a program's address space with four-level page tables: `TASK_SIZE_MAX` of
/// `arch/x86/include/asm/page_64.h`. A kernel with five levels has more, see
/// [`Limits`](crate::image::Limits).
pub const TASK_SIZE: u64 = (1 << 47) - 4096;

/// `elf_read_implies_exec` for a program without `PT_GNU_STACK`.
pub const READ_IMPLIES_EXEC: bool = false;

/// Whether the kernel looks into `PT_GNU_PROPERTY` (`CONFIG_ARCH_USE_GNU_PROPERTY`), and the
/// property it knows with the size that its value must have.
pub const GNU_PROPERTY: Option<(u32, u32)> = None;

/// `elf_check_arch`: the kernel looks at the machine and not at `EI_CLASS`.
pub fn accepts(_class: u8, machine: u16) -> bool {
    machine == raw::EM_X86_64
}
