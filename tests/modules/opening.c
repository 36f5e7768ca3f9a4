/* Every process that is started opens a file of an older layer's first of all, and says that it has. */
#include <asm/unistd.h>
#include <vload/module.h>

enum { AT_FDCWD = -100, O_NONBLOCK = 04000, ENOSYS = 38 };

static void event(struct vload_layer *layer, int event)
{
    if (event != VLOAD_PROCESS)
        return;
    static char path[512];
    if (vload_argument(layer, "path", path, sizeof path) < 0)
        return;
    uintptr_t open[6] = {(uintptr_t)AT_FDCWD, (uintptr_t)path, O_NONBLOCK};
    long fd = vload_system(layer, __NR_openat, open);
    if (fd < 0)
        return;
    uintptr_t say[6] = {1, (uintptr_t)"opened\n", 7}, close[6] = {(uintptr_t)fd};
    vload_system(layer, __NR_write, say);
    vload_system(layer, __NR_close, close);
}

static long call(struct vload_layer *layer, struct vload_call *call)
{
    (void)layer, (void)call;
    return -ENOSYS;
}

/* No call has this number. */
static const uintptr_t numbers[] = {0x800000};
static const struct vload_raw operations = {call, numbers, 1};

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC, .version = VLOAD_VERSION, .kind = VLOAD_RAW,
    .name = "opening", .description = "processes open a file as they start", .keys = "path",
    .event = event, .operations = &operations,
};
