//! What the kernel would have given the program, and does not, because it is vload that it has executed:
//! another user or group (set-user-ID, set-group-ID), or capabilities of the file.

use crate::message::Shown;
use runtime::log::Line;
use runtime::session;
use runtime::sys;

/// Says so: always in the log, and once in a session where a person sees it, which is on standard error
/// for the program of the command line, and for those it starts when that is a terminal. Anything else
/// may be read by a program, which natively finds nothing there.
pub fn report(file: i32, path: &[u8], started_by_person: bool) {
    let Some(lost) = lost(file) else { return };
    let path = Shown(path);
    runtime::log!(Warn, "{path}: runs without its privilege: {lost}");
    let seen = started_by_person || sys::is_terminal(2);
    if !seen || !session::is_first(session::Told::Privilege) {
        return;
    }
    let mut line = Line::new();
    let _cut = core::fmt::Write::write_fmt(
        &mut line,
        format_args!(
            "vload: {path}: {lost}: it runs without that privilege, as under no_new_privs, and so \
             does every program of its kind here; '--plain' lets one run natively\n"
        ),
    );
    // A closed standard error is nobody's loss.
    let _ = sys::write_aside(2, line.bytes());
}

/// What is lost, if anything is (`bprm_creds_from_file`, fs/exec.c; `cap_bprm_creds_from_file`,
/// security/commoncap.c).
fn lost(file: i32) -> Option<&'static str> {
    const SET_UID: u32 = 0o4000;
    const SET_GID: u32 = 0o2000;
    const GROUP_EXECUTES: u32 = 0o0010;
    let stat = sys::fstat(file).ok()?;
    let uid = sys::geteuid();
    let what = if stat.mode & SET_UID != 0 && stat.uid != uid {
        "it is set-user-ID"
    } else if stat.mode & (SET_GID | GROUP_EXECUTES) == SET_GID | GROUP_EXECUTES
        && stat.gid != sys::getegid()
    {
        "it is set-group-ID"
    } else if uid != 0 && sys::has_attribute(file, c"security.capability") {
        "its file has capabilities"
    } else {
        return None;
    };
    let given = !sys::has_no_new_privs() && !sys::is_nosuid(file);
    given.then_some(what)
}
