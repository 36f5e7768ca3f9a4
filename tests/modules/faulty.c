/* getppid(2) does what the argument `how` says: one fault or another. What it has changed under a lock is undone. */
#include <vload/module.h>

/* What the compiler does not know: it would have a word to say. */
static volatile uintptr_t nowhere = 8;
static volatile int on = 1;

static long deeper(volatile long *depth) {
    volatile char much[512];
    much[0] = (char)++*depth;
    return on ? deeper(depth) + much[0] : 0;
}

static long again(struct vload_layer *layer) {
    uintptr_t none[6] = { 0 };
    return !on ? 0 : again(layer) + vload_system(layer, GETPPID, none);
}

/* The fault that `how` says of a function that is no call's. */
static int elsewhere(struct vload_layer *layer, const char *where) {
    char how[16];
    if (vload_argument(layer, "how", how, sizeof how) > 0 && how[0] == where[0] && how[1] == where[1])
        return (int)*(volatile long *)nowhere;
    return 0;
}

static int init(struct vload_layer *layer) { return elsewhere(layer, "init"); }
static int attach(struct vload_layer *layer) { return elsewhere(layer, "start"); }
static int fini(struct vload_layer *layer) { return elsewhere(layer, "end"); }
static void event(struct vload_layer *layer, int what) {
    (void)what;
    elsewhere(layer, "event");
}

static long call(struct vload_layer *layer, struct vload_call *call) {
    char how[16];
    volatile long depth = 0;
    uint64_t *area = vload_area(layer);
    vload_argument(layer, "how", how, sizeof how);
    switch (how[0]) {
    case 'n': /* null */
        return *(volatile long *)nowhere;
    case 't': /* trap */
        __builtin_trap();
    case 'd': /* deep */
        return deeper(&depth);
    case 'a': /* again */
        return again(layer);
    case 'j': /* jump */
        return ((long (*)(void))nowhere)();
    case 'z': { /* zero */
        volatile int zero = 0;
        return on / zero;
    }
    case 'c': /* copy */
        memcpy((void *)nowhere, "abc", 3);
        break;
    case 'p': /* panic */
        vload_panic("it gave up", 10);
    case 'l': /* lock, lock-deep, lock-panic: the first call changes a word and faults, the second says what the word is */
        if (vload_lock(layer, 0) != 0)
            return -22;
        if (*vload_word(layer) != 0) {
            vload_unlock(layer, 0);
            return (long)area[1] + 77;
        }
        *vload_word(layer) = 1;
        vload_change(layer, &area[1], 5);
        if (how[4] == '-' && how[5] == 'd')
            return deeper(&depth);
        if (how[4] == '-' && how[5] == 'p')
            vload_panic("it gave up", 10);
        return *(volatile long *)nowhere;
    }
    return vload_next(layer, call);
}

static const uintptr_t numbers[] = { GETPPID };
static const struct vload_raw operations = { call, numbers, 1 };

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC, .version = VLOAD_VERSION, .kind = VLOAD_RAW,
    .name = "faulty", .description = "faults on purpose", .keys = "how", .area = 4096,
    .init = init, .attach = attach, .fini = fini, .event = event, .operations = &operations,
};
