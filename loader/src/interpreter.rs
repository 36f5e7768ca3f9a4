//! What an interpreter is given: of a script, or of a file of a format that the system was told of (binfmt_misc).

use alloc::vec::Vec;
use core::ffi::CStr;

use runtime::image::Script;
use runtime::process::resolve::Step;
use runtime::sys;

/// The file of a binfmt_misc interpreter, at the number the kernel would have given it: the lowest
/// free one, and open across the interpreter's own execs.
pub fn lowest(file: i32) -> i32 {
    match sys::duplicate(file, 0, false) {
        Ok(copy) if copy < file => {
            sys::close(file);
            copy
        }
        Ok(copy) => {
            sys::close(copy);
            // It is the lowest already; it only must outlive an exec.
            let kept = sys::set_close_on_exec(file, false);
            debug_assert!(kept.is_ok());
            file
        }
        Err(_) => file,
    }
}

/// Gives a script's or a foreign file's interpreter its arguments (`load_script`, `load_misc_binary`).
pub fn rewrite(argv: &mut Vec<usize>, step: &Step<'_>, path: &CStr) {
    let keep = |text: &CStr| text.to_bytes_with_nul().to_vec().leak().as_ptr() as usize;
    let replaced = match step {
        Step::Misc { keeps_argv0: true, .. } => 0,
        _ => 1.min(argv.len()),
    };
    let mut front = Vec::new();
    match step {
        Step::Script(script) => front_of_script(script, &mut |text| front.push(keep(text))),
        Step::Misc { interpreter, .. } => front.push(keep(interpreter)),
    }
    front.push(keep(path));
    argv.splice(..replaced, front);
}

fn front_of_script(script: &Script, push: &mut dyn FnMut(&CStr)) {
    push(script.interp());
    if let Some(argument) = script.argument() {
        push(argument);
    }
}
