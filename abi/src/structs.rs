//! The structures that calls read and write, by name and size.

use super::Table;

macro_rules! structs {
    ($($(#[$doc:meta])* $name:ident $x86_64:tt $generic:tt $i386:tt;)*) => {
        /// A structure of the kernel's interface.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Struct {
            $($(#[$doc])* $name,)*
        }

        impl Struct {
            /// Its size in bytes, or none where it has no fixed one: it hangs on a version, a
            /// size member, a command or a count.
            pub const fn size(self, table: Table) -> Option<u16> {
                match self {
                    $(Struct::$name => by_table(
                        table,
                        size!($x86_64),
                        size!($generic),
                        size!($i386),
                    ),)*
                }
            }
        }

        /// All of them, for tests.
        #[cfg(test)]
        pub(super) const ALL: &[Struct] = &[$(Struct::$name),*];
    };
}

macro_rules! size {
    (?) => {
        None
    };
    ($size:literal) => {
        Some($size)
    };
}

const fn by_table(
    table: Table,
    x86_64: Option<u16>,
    generic: Option<u16>,
    i386: Option<u16>,
) -> Option<u16> {
    match table {
        Table::X86_64 => x86_64,
        Table::Aarch64 | Table::Riscv64 => generic,
        Table::I386 => i386,
    }
}

structs! {
    // Columns: size on x86-64, on aarch64 and riscv64, on i386; `?` is no fixed size.

    /// An `int`.
    CInt 4 4 4;
    /// 16 bits.
    U16 2 2 2;
    /// 32 bits.
    U32 4 4 4;
    /// 64 bits.
    U64 8 8 8;
    /// An `unsigned long`.
    Word 8 8 4;
    /// A `loff_t`.
    Loff 8 8 8;
    /// `struct stat`; on i386 the one before `stat64`.
    Stat 144 128 64;
    /// `struct stat64` of i386.
    Stat64 ? ? 96;
    /// `struct __old_kernel_stat`.
    OldStat ? ? 32;
    /// `struct statx`.
    Statx 256 256 256;
    /// `struct statfs`.
    Statfs 120 120 64;
    /// `struct statfs64` of i386.
    Statfs64 ? ? 84;
    /// `struct ustat`.
    Ustat 32 32 20;
    /// `struct old_linux_dirent`, with one name at its end.
    OldDirent ? ? ?;
    /// `struct file_handle`, as long as its `handle_bytes` says.
    FileHandle ? ? ?;
    /// `struct cachestat_range`.
    CachestatRange 16 16 16;
    /// `struct cachestat`.
    Cachestat 40 40 40;
    /// `struct mnt_id_req`, as long as its `size` says.
    MntIdReq ? ? ?;
    /// `struct timespec`; on i386 with 32-bit time.
    Timespec 16 16 8;
    /// `struct __kernel_timespec`.
    Timespec64 16 16 16;
    /// Two `struct timespec`: access and modification.
    TimespecPair 32 32 16;
    /// Two `struct __kernel_timespec`: access and modification.
    Timespec64Pair 32 32 32;
    /// `struct timeval`.
    Timeval 16 16 8;
    /// Two `struct timeval`: access and modification.
    TimevalPair 32 32 16;
    /// `struct timezone`.
    Timezone 8 8 8;
    /// `struct utimbuf`.
    Utimbuf 16 16 8;
    /// `struct itimerval`.
    Itimerval 32 32 16;
    /// `struct itimerspec`; on i386 with 32-bit time.
    Itimerspec 32 32 16;
    /// `struct __kernel_itimerspec`.
    Itimerspec64 32 32 32;
    /// `struct timex`; on i386 with 32-bit time.
    Timex 208 208 128;
    /// `struct __kernel_timex`.
    Timex64 208 208 208;
    /// `struct tms`.
    Tms 32 32 16;
    /// `struct rusage`.
    Rusage 144 144 72;
    /// `struct rlimit`.
    Rlimit 16 16 8;
    /// `struct rlimit64`.
    Rlimit64 16 16 16;
    /// `struct sysinfo`.
    Sysinfo 112 112 64;
    /// `struct new_utsname`.
    Utsname 390 390 390;
    /// `struct old_utsname`.
    OldUtsname ? ? 325;
    /// `struct oldold_utsname`.
    OldOldUtsname ? ? 45;
    /// `struct sigaction` of the kernel; riscv64's has no restorer.
    Sigaction 32 ? 20;
    /// `struct old_sigaction`.
    OldSigaction ? ? 16;
    /// A pointer to a signal set and the set's size (`pselect6(2)`).
    SigsetArg 16 16 8;
    /// `siginfo_t`.
    Siginfo 128 128 128;
    /// `struct sigevent`.
    Sigevent 64 64 64;
    /// `stack_t`.
    StackT 24 24 12;
    /// `struct pollfd`.
    Pollfd 8 8 8;
    /// An `fd_set`, as long as the highest descriptor asks for.
    FdSet ? ? ?;
    /// The arguments of i386's `select`.
    SelectArgs ? ? 20;
    /// The arguments of i386's `mmap`.
    MmapArgs ? ? 24;
    /// `struct epoll_event`, packed on x86.
    EpollEvent 12 16 12;
    /// `struct msghdr`.
    Msghdr 56 56 28;
    /// `struct mmsghdr`.
    Mmsghdr 64 64 32;
    /// `struct iocb`.
    Iocb 64 64 64;
    /// `struct io_event`.
    IoEvent 32 32 32;
    /// `struct io_uring_params`.
    IoUringParams 120 120 120;
    /// `struct sched_param`.
    SchedParam 4 4 4;
    /// `struct sched_attr`, as long as its `size` says.
    SchedAttr ? ? ?;
    /// `struct perf_event_attr`, as long as its `size` says.
    PerfEventAttr ? ? ?;
    /// `struct __user_cap_header_struct`.
    CapHeader 8 8 8;
    /// `struct __user_cap_data_struct`, one or two by the header's version.
    CapData ? ? ?;
    /// `struct futex_waitv`.
    FutexWaitv 24 24 24;
    /// `struct mq_attr`.
    MqAttr 64 64 32;
    /// `struct msgbuf`: a type, then as many bytes as the call says.
    Msgbuf ? ? ?;
    /// `struct sembuf`.
    Sembuf 6 6 6;
    /// What a command of `shmctl(2)` takes.
    ShmidDs ? ? ?;
    /// What a command of `msgctl(2)` takes.
    MsqidDs ? ? ?;
    /// `struct user_desc`.
    UserDesc 16 ? 16;
    /// `struct kexec_segment`.
    KexecSegment 32 32 16;
    /// `struct __sysctl_args`.
    SysctlArgs 80 ? 40;
    /// `struct riscv_hwprobe`.
    HwprobePair ? 16 ?;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Table;
    use linux_raw_sys::general as raw;

    /// The crate describes the machine the tests run on.
    #[test]
    fn sizes_are_the_native_ones() {
        let native = [
            (Struct::Stat, size_of::<raw::stat>()),
            (Struct::Statx, size_of::<raw::statx>()),
            (Struct::Statfs, size_of::<raw::statfs>()),
            (Struct::Timespec64, size_of::<raw::__kernel_timespec>()),
            (Struct::Timeval, size_of::<raw::__kernel_old_timeval>()),
            (Struct::Timezone, size_of::<raw::timezone>()),
            (Struct::Itimerspec64, size_of::<raw::__kernel_itimerspec>()),
            (Struct::Itimerval, size_of::<raw::itimerval>()),
            (Struct::Rusage, size_of::<raw::rusage>()),
            (Struct::Rlimit, size_of::<raw::rlimit>()),
            (Struct::Rlimit64, size_of::<raw::rlimit64>()),
            (Struct::Sigaction, size_of::<raw::kernel_sigaction>()),
            (Struct::Siginfo, size_of::<raw::siginfo_t>()),
            (Struct::Sigevent, size_of::<raw::sigevent>()),
            (Struct::StackT, size_of::<raw::stack_t>()),
            (Struct::Pollfd, size_of::<raw::pollfd>()),
            (Struct::EpollEvent, size_of::<raw::epoll_event>()),
            (Struct::FutexWaitv, size_of::<raw::futex_waitv>()),
            (Struct::CapHeader, size_of::<raw::__user_cap_header_struct>()),
        ];
        for (name, size) in native {
            if let Some(ours) = name.size(Table::NATIVE) {
                assert_eq!(usize::from(ours), size, "{name:?}");
            }
        }
    }

    /// A 32-bit machine never has the larger one: words are what differs.
    #[test]
    fn no_structure_is_larger_on_i386() {
        for name in ALL {
            if let (Some(wide), Some(narrow)) = (name.size(Table::X86_64), name.size(Table::I386)) {
                assert!(narrow <= wide, "{name:?}");
            }
        }
    }
}
