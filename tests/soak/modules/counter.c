/* Counts: call 5000 adds one to two words that all processes of the session share, 5001 says what they are while they
 * are the same. */
#include <vload/module.h>

enum { ADD = 5000, SAY = 5001, LOCK = 3, EINVAL = 22 };

static long call(struct vload_layer *layer, struct vload_call *call)
{
    uint64_t *words = vload_area(layer);
    int error = vload_lock(layer, LOCK);
    if (error < 0)
        return error;
    if (call->number == ADD) {
        vload_change(layer, &words[0], words[0] + 1);
        vload_change(layer, &words[1], words[1] + 1);
    }
    long result = words[0] == words[1] ? (long)words[0] : -EINVAL;
    vload_unlock(layer, LOCK);
    return result;
}

static const uintptr_t numbers[] = { ADD, SAY };
static const struct vload_raw operations = { call, numbers, 2 };

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC, .version = VLOAD_VERSION, .kind = VLOAD_RAW,
    .name = "counter", .description = "counts calls", .area = 16, .operations = &operations,
};
