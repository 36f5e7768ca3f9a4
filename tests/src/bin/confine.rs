//! Runs a program under one restriction that it may meet in containers and on shared hosts:
//! `confine RESTRICTION PROGRAM [ARG]...`.

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::{env, fs, io, ptr};

#[derive(Clone, Copy, ValueEnum)]
enum Restriction {
    /// Memory that was not executable never becomes so: PR_SET_MDWE
    Mdwe,
    /// Executing a program never adds rights: PR_SET_NO_NEW_PRIVS
    NoNewPrivs,
    /// A seccomp filter like Docker's default
    Docker,
    /// ptrace answers EPERM
    DenyPtrace,
    /// process_vm_readv and process_vm_writev answer EPERM
    DenyProcessVm,
    /// prctl(PR_SET_SYSCALL_USER_DISPATCH) answers EPERM
    DenyUserDispatch,
    /// prctl(PR_SET_SYSCALL_USER_DISPATCH) with the inclusive mode answers EINVAL, as a kernel before 6.18
    NoInclusiveDispatch,
    /// prctl(PR_SET_SYSCALL_USER_DISPATCH) kills the process
    KillUserDispatch,
    /// prctl(PR_SET_MM) answers EPERM
    DenyMemoryMap,
    /// execveat answers EPERM
    DenyExecveat,
    /// memfd_create answers EPERM
    DenyMemfd,
    /// personality answers EPERM
    DenyPersonality,
    /// unshare answers EPERM
    DenyUnshare,
    /// execveat with AT_EXECVE_CHECK answers EINVAL, as a kernel before 6.14
    NoExecveCheck,
    /// With CAP_SYS_ADMIN in a mount namespace of its own: `bare FOLDER DIR` covers /tmp with a
    /// file system that nothing can be executed from, but for FOLDER below it, which cannot be
    /// written but for DIR below that, the program's working directory
    Bare,
}

fn main() -> ExitCode {
    // Not parsed as options: the program's arguments are passed on as they are, `--` too.
    match confine(env::args_os().skip(1)) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("confine: {error:#}");
            ExitCode::from(125)
        }
    }
}

fn confine(mut words: impl Iterator<Item = OsString>) -> Result<Infallible> {
    let restriction = words.next().unwrap_or_default();
    let restriction = Restriction::from_str(&restriction.to_string_lossy(), false)
        .map_err(|_| anyhow!("no restriction {}", restriction.display()))?;
    let mut word = |what| words.next().with_context(|| format!("no {what}"));
    match restriction {
        Restriction::Bare => bare(&word("folder")?, &word("working directory")?)?,
        Restriction::Mdwe => {
            const PR_SET_MDWE: i32 = 65;
            const PR_MDWE_REFUSE_EXEC_GAIN: libc::c_ulong = 1;
            prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN).context("PR_SET_MDWE")?;
        }
        Restriction::NoNewPrivs => {
            prctl(libc::PR_SET_NO_NEW_PRIVS, 1).context("PR_SET_NO_NEW_PRIVS")?;
        }
        Restriction::Docker => {
            install(docker_clone3()?)?;
            install(docker()?)?;
        }
        Restriction::DenyPtrace => deny(&[libc::SYS_ptrace])?,
        Restriction::DenyProcessVm => {
            deny(&[libc::SYS_process_vm_readv, libc::SYS_process_vm_writev])?
        }
        Restriction::DenyUserDispatch => install(denying(prctls(USER_DISPATCH)?)?)?,
        Restriction::NoInclusiveDispatch => {
            const INCLUSIVE: u64 = 2;
            let [option, mode] = [(0, USER_DISPATCH), (1, INCLUSIVE)].map(|(argument, value)| {
                let (width, is) = (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq);
                SeccompCondition::new(argument, width, is, value)
            });
            let rule = SeccompRule::new(vec![option?, mode?])?;
            let rules = BTreeMap::from([(libc::SYS_prctl, vec![rule])]);
            let unknown = SeccompAction::Errno(libc::EINVAL as u32);
            install(filter(rules, SeccompAction::Allow, unknown)?)?;
        }
        Restriction::KillUserDispatch => {
            let rules = prctls(USER_DISPATCH)?;
            install(filter(rules, SeccompAction::Allow, SeccompAction::KillProcess)?)?;
        }
        Restriction::DenyMemoryMap => install(denying(prctls(libc::PR_SET_MM as u64)?)?)?,
        Restriction::DenyExecveat => deny(&[libc::SYS_execveat])?,
        Restriction::DenyMemfd => deny(&[libc::SYS_memfd_create])?,
        Restriction::DenyPersonality => deny(&[libc::SYS_personality])?,
        Restriction::DenyUnshare => deny(&[libc::SYS_unshare])?,
        Restriction::NoExecveCheck => {
            const AT_EXECVE_CHECK: u64 = 0x10000;
            let rule = rule(4, SeccompCmpOp::MaskedEq(AT_EXECVE_CHECK), AT_EXECVE_CHECK)?;
            let rules = BTreeMap::from([(libc::SYS_execveat, vec![rule])]);
            let unknown = SeccompAction::Errno(libc::EINVAL as u32);
            install(filter(rules, SeccompAction::Allow, unknown)?)?;
        }
    }
    let program = word("program")?;
    let error = Command::new(&program).args(words).exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}

fn prctl(option: i32, value: libc::c_ulong) -> io::Result<()> {
    // SAFETY: both options that are passed here take a number and zeros, and touch no memory.
    match unsafe { libc::prctl(option, value, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// PR_SET_SYSCALL_USER_DISPATCH of linux/prctl.h.
const USER_DISPATCH: u64 = 59;

/// Rules that match prctl with this option.
fn prctls(option: u64) -> Result<BTreeMap<i64, Vec<SeccompRule>>> {
    Ok(BTreeMap::from([(libc::SYS_prctl, vec![rule(0, SeccompCmpOp::Eq, option)?])]))
}

fn bare(folder: &OsStr, dir: &OsStr) -> Result<()> {
    const READ_ONLY: libc::c_ulong = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY;
    const WRITABLE: libc::c_ulong = libc::MS_REMOUNT | libc::MS_BIND;
    let aside = OsStr::new("/mnt");
    mount(folder, aside, libc::MS_BIND)?;
    mount(OsStr::new("tmpfs"), OsStr::new("/tmp"), libc::MS_NOEXEC)?;
    fs::create_dir_all(folder).context("cannot make the folder anew")?;
    mount(aside, folder, libc::MS_MOVE)?;
    mount(dir, dir, libc::MS_BIND)?;
    mount(folder, folder, READ_ONLY)?;
    mount(dir, dir, WRITABLE)?;
    env::set_current_dir(dir).context("cannot enter the working directory")
}

/// mount(2); a source called `tmpfs` is a new file system of that type.
fn mount(source: &OsStr, target: &OsStr, flags: libc::c_ulong) -> Result<()> {
    let from = CString::new(source.as_bytes())?;
    let to = CString::new(target.as_bytes())?;
    // SAFETY: the strings end in NUL and outlive the call; there is no data.
    match unsafe { libc::mount(from.as_ptr(), to.as_ptr(), from.as_ptr(), flags, ptr::null()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error())
            .with_context(|| format!("cannot mount {} at {}", source.display(), target.display())),
    }
}

/// Puts a filter on this process; it stays across execve.
fn install(filter: SeccompFilter) -> Result<()> {
    let program: BpfProgram = filter.try_into().context("cannot compile the filter")?;
    apply_filter(&program).context("cannot install the filter")
}

/// Lets the calls of `numbers` answer EPERM.
fn deny(numbers: &[i64]) -> Result<()> {
    install(denying(numbers.iter().map(|&number| (number, Vec::new())).collect())?)
}

fn denying(rules: BTreeMap<i64, Vec<SeccompRule>>) -> Result<SeccompFilter> {
    filter(rules, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32))
}

fn filter(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<SeccompFilter> {
    let arch = std::env::consts::ARCH.try_into().context("no seccomp on this machine")?;
    SeccompFilter::new(rules, otherwise, matched, arch).context("a bad filter")
}

fn rule(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

/// The call that Docker answers with ENOSYS, so that libc falls back to clone, whose flags a
/// filter can see.
fn docker_clone3() -> Result<SeccompFilter> {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    filter(rules, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))
}

/// Docker's profile (moby, profiles/seccomp/default.json) without capabilities: what is not
/// allowed answers EPERM, calls that the profile does not know among it.
fn docker() -> Result<SeccompFilter> {
    /// The calls that the profile knows and does not allow.
    const DENIED: [i64; 43] = [
        libc::SYS_acct,
        libc::SYS_add_key,
        libc::SYS_bpf,
        libc::SYS_clock_adjtime,
        libc::SYS_clock_settime,
        libc::SYS_delete_module,
        libc::SYS_fanotify_init,
        libc::SYS_finit_module,
        libc::SYS_fsconfig,
        libc::SYS_fsmount,
        libc::SYS_fsopen,
        libc::SYS_fspick,
        libc::SYS_get_mempolicy,
        libc::SYS_init_module,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_io_uring_setup,
        libc::SYS_kcmp,
        libc::SYS_kexec_load,
        libc::SYS_keyctl,
        libc::SYS_mbind,
        libc::SYS_mount,
        libc::SYS_mount_setattr,
        libc::SYS_move_mount,
        libc::SYS_move_pages,
        libc::SYS_open_by_handle_at,
        libc::SYS_open_tree,
        libc::SYS_perf_event_open,
        libc::SYS_pivot_root,
        libc::SYS_quotactl,
        libc::SYS_quotactl_fd,
        libc::SYS_reboot,
        libc::SYS_request_key,
        libc::SYS_set_mempolicy,
        libc::SYS_setdomainname,
        libc::SYS_sethostname,
        libc::SYS_setns,
        libc::SYS_settimeofday,
        libc::SYS_swapoff,
        libc::SYS_swapon,
        libc::SYS_umount2,
        libc::SYS_unshare,
        libc::SYS_userfaultfd,
    ];
    /// `personality` values that the profile lets through.
    const PERSONALITIES: [u64; 5] = [0, 8, 0x20000, 0x20008, 0xffff_ffff];
    /// CLONE_NEW* in the flags of clone.
    const NEW_NAMESPACES: u64 = 0x7e02_0000;
    /// The newest call that the profile knows, futex_requeue.
    const NEWEST: i64 = 456;
    let mut allowed: BTreeMap<i64, Vec<SeccompRule>> = (0..=NEWEST)
        .filter(|number| !DENIED.contains(number))
        .map(|number| (number, Vec::new()))
        .collect();
    let personalities = PERSONALITIES.map(|value| rule(0, SeccompCmpOp::Eq, value));
    allowed.insert(libc::SYS_personality, personalities.into_iter().collect::<Result<_>>()?);
    let clone = rule(0, SeccompCmpOp::MaskedEq(NEW_NAMESPACES), 0)?;
    allowed.insert(libc::SYS_clone, vec![clone]);
    if allowed.remove(&libc::SYS_set_mempolicy_home_node).is_none() {
        bail!("a call of the profile has no number");
    }
    filter(allowed, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow)
}
