// Mounts as libmount does (libmount/src/hook_mount.c): by fsopen(2), fsconfig(2), fsmount(2) and move_mount(2), and by
// mount(2) where the first of them says that there are none. What it prints is the same either way.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int new_interface(const char *type, const char *size, const char *target)
{
    int context = syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
    if (context < 0)
        return -1;
    int tree = -1;
    if (syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "source", "none", 0) == 0 &&
        syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "size", size, 0) == 0 &&
        syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        tree = syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
    int result = tree < 0 ? -1 : syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
    int error = errno;
    close(context);
    if (tree >= 0)
        close(tree);
    errno = error;
    return result;
}

static int mounted(const char *type, const char *size, const char *target)
{
    int result = new_interface(type, size, target);
    if (result == 0 || errno != ENOSYS)
        return result;
    char options[64];
    snprintf(options, sizeof options, "size=%s", size);
    return mount("none", target, type, 0, options);
}

static void say(const char *what, int result)
{
    printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "done");
}

int main(int argc, char **argv)
{
    struct stat known;
    if (argc < 2)
        return 2;
    say("mkdir", mkdir("here", 0700));
    say("mount", mounted(argv[1], "64k", "here"));
    say("a file", open("here/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    say("stat", stat("here/file", &known));
    say("a size that is none", mounted(argv[1], "much", "here"));
    say("no such place", mounted(argv[1], "64k", "nowhere"));
    say("no such type", syscall(SYS_fsopen, "nosuchtype", 0));
    say("busy", umount2("here", 0));
    say("detached", umount2("here", MNT_DETACH));
    say("stat", stat("here/file", &known));
    say("nothing is mounted", umount2("here", 0));
    return 0;
}
