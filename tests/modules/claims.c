/* Claims calls by their numbers: every call by every entry, or those that are LISTED. MORE: one of them alone, to
 * which the next layer down gives a meaning. */
#include <sys/syscall.h>
#include <vload/module.h>

#ifdef __i386__
#define MAP SYS_mmap2
#else
#define MAP SYS_mmap
#endif

enum { UNKNOWN = 0x12345, LENGTH = 0x564c000, ENOMEM = 12, X32 = 0x40000000 };

static long call(struct vload_layer *layer, struct vload_call *call) {
#ifdef MORE
    long result = vload_next(layer, call);
    return result == 9000000 ? 9000001 : result;
#else
    if (call->entry == VLOAD_INT80)
        /* getpid(2) of 32-bit programs. */
        return call->number == 20 ? 9000020 : vload_next(layer, call);
    if (call->entry == VLOAD_X32)
        return call->number == X32 + 39 ? 9000039 : vload_next(layer, call);
    switch (call->number) {
    case (uintptr_t)-1:
        return 9009999;
    case UNKNOWN:
        return 9000000;
    case MAP:
        if (call->arguments[1] == LENGTH)
            return -ENOMEM;
        break;
    case SYS_execve: {
        /* The program that is the first argument. */
        uintptr_t first = 0;
        if (vload_get(&first, call->arguments[1] + sizeof first, sizeof first) == 0 && first != 0)
            call->arguments[0] = first;
        break;
    }
    case SYS_exit_group:
        if (call->arguments[0] == 77)
            call->arguments[0] = 17;
        break;
    }
    return vload_next(layer, call);
#endif
}

#ifdef MORE
static const uintptr_t numbers[] = { UNKNOWN };
#else
static const uintptr_t numbers[] = { (uintptr_t)-1, UNKNOWN, MAP, SYS_execve, SYS_exit_group };
#endif

static const struct vload_raw operations = {
    call,
    numbers,
#if defined LISTED || defined MORE
    sizeof numbers / sizeof numbers[0],
#else
    VLOAD_EVERY,
#endif
};

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC, .version = VLOAD_VERSION, .kind = VLOAD_RAW,
#ifdef MORE
    .name = "more",
#else
    .name = "claims",
#endif
    .description = "claims calls by their numbers", .operations = &operations,
};
