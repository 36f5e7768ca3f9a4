//! Which executables a kernel of this architecture takes (`arch/x86/include/asm/elf.h`).

use goblin::elf::header as raw;

/// `EM_486`, which the kernel takes as it takes `EM_386`.
const EM_486: u16 = 6;

/// The layout of the ELF structures of a native program.
pub const CLASS: crate::image::Class = crate::image::Class::Elf32;

/// The end of a program's address space: `IA32_PAGE_OFFSET` of a 64-bit kernel. A 32-bit one
/// and `ADDR_LIMIT_3GB` have less, see [`Limits`](crate::image::Limits).
pub const TASK_SIZE: u64 = 0xffff_e000;

/// `elf_read_implies_exec` for a program without `PT_GNU_STACK`.
pub const READ_IMPLIES_EXEC: bool = true;

/// Whether the kernel looks into `PT_GNU_PROPERTY` (`CONFIG_ARCH_USE_GNU_PROPERTY`), and the
/// property it knows with the size that its value must have.
pub const GNU_PROPERTY: Option<(u32, u32)> = None;

/// `elf_check_arch_ia32`: the kernel looks at the machine and not at `EI_CLASS`.
pub fn accepts(_class: u8, machine: u16) -> bool {
    machine == raw::EM_386 || machine == EM_486
}
