/* Whoever asks for its parent has the layer open the file `path`: 4242, or why it cannot. */
#include <asm/unistd.h>
#include <vload/module.h>

enum { AT_FDCWD = -100 };

static long call(struct vload_layer *layer, struct vload_call *call)
{
    (void)call;
    char path[512];
    long error = vload_argument(layer, "path", path, sizeof path);
    if (error < 0)
        return error;
    uintptr_t open[6] = {(uintptr_t)AT_FDCWD, (uintptr_t)path};
    long fd = vload_system(layer, __NR_openat, open);
    if (fd < 0)
        return fd;
    uintptr_t close[6] = {(uintptr_t)fd};
    vload_system(layer, __NR_close, close);
    return 4242;
}

static const uintptr_t numbers[] = {GETPPID};
static const struct vload_raw operations = {call, numbers, 1};

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC, .version = VLOAD_VERSION, .kind = VLOAD_RAW,
    .name = "asks", .description = "getppid opens a file", .keys = "path",
    .operations = &operations,
};
