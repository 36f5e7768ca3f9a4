/* /erring: what is done with OPERATION-WAY there faults in that operation, in that way; all else is done well. The same in Rust:
 * `erring`. A way that begins with "locked-" has changed the area under a lock before. */
#include <vload/module.h>

static volatile uintptr_t nowhere = 8;
static volatile int on = 1;

static const char operations[][10] = {
    "well", "stat", "open", "read", "write", "poll", "list", "close", "ioctl", "fsync", "lseek", "unlink", "rename", "readlink",
    "truncate", "chmod", "utimens", "statfs", "getxattr", "link", "symlink", "access", "confirm", "map",
};
enum { WELL, STAT, OPEN, READ, WRITE, POLL, LIST, CLOSE, IOCTL, FSYNC, LSEEK, UNLINK, RENAME, READLINK,
       TRUNCATE, CHMOD, UTIMENS, STATFS, GETXATTR, LINK, SYMLINK, ACCESS, CONFIRM, MAP, OPERATIONS };
static const char ways[][6] = { "null", "panic", "deep", "locks", "claim" };
enum { NONE, PANIC, DEEP, LOCKS, CLAIMS, WAYS };
enum { LOCKED = WAYS, ALL = 2 * WAYS };

static long deeper(volatile long *depth)
{
    volatile char much[512];
    much[0] = (char)++*depth;
    return on ? deeper(depth) + much[0] : 0;
}

/* Takes a lock and gives it back, or claims and lets go, ever deeper. */
static long again(struct vload_layer *layer, int claims, long depth)
{
    volatile char much[64];
    much[0] = (char)depth;
    if (claims) {
        int claim = vload_claim_path(layer, "/erring-deep", 0, 0);
        if (claim >= 0)
            vload_unclaim(layer, (uint32_t)claim);
    } else if (vload_lock(layer, 1) == 0) {
        vload_unlock(layer, 1);
    }
    return on ? again(layer, claims, depth + 1) + much[0] : 0;
}

/* So that the stack ends elsewhere each time. */
static long begin(struct vload_layer *layer, int claims)
{
    static unsigned turns;
    volatile char *room = __builtin_alloca(16 * (__atomic_add_fetch(&turns, 1, __ATOMIC_RELAXED) % 64) + 16);
    room[0] = 1;
    return again(layer, claims, 0) + room[0];
}

static long fault(struct vload_layer *layer, int way)
{
    volatile long depth = 0;
    uint64_t *area = vload_area(layer);
    if (way >= LOCKED) {
        if (vload_lock(layer, 0) != 0)
            return -22;
        vload_change(layer, &area[0], area[0] + 1);
    }
    switch (way % WAYS) {
    case PANIC:
        vload_panic("it gave up", 10);
    case DEEP:
        return deeper(&depth);
    case LOCKS:
        return begin(layer, 0);
    case CLAIMS:
        return begin(layer, 1);
    }
    return *(volatile long *)nowhere;
}

/* The operation and the way that a name means, as one number; -1 for none. */
static int meant(const char *path)
{
    if (path[0] == '\0')
        return WELL;
    path++;
    for (int operation = 0; operation < OPERATIONS; operation++) {
        size_t length = strlen(operations[operation]);
        if (memcmp(path, operations[operation], length) != 0)
            continue;
        const char *rest = path + length;
        if (operation == WELL && *rest == '\0')
            return WELL;
        if (*rest++ != '-')
            continue;
        int locked = memcmp(rest, "locked-", 7) == 0 ? LOCKED : 0;
        if (locked)
            rest += 7;
        for (int way = 0; way < WAYS; way++)
            if (strlen(rest) == strlen(ways[way]) && memcmp(rest, ways[way], strlen(rest)) == 0)
                return operation * ALL + locked + way;
    }
    return -1;
}

/* Faults, if that is the operation: otherwise 0, or that there is no such file. */
static int in(int operation, const struct vload_node *node)
{
    int found = node->path ? meant(node->path) : (int)node->file->private_word;
    if (found < 0)
        return -2; /* ENOENT */
    return found / ALL == operation && found != WELL ? (int)fault(node->layer, found % ALL) : 0;
}

static int in_file(int operation, struct vload_file *file)
{
    int found = (int)file->private_word;
    return found / ALL == operation && found != WELL ? (int)fault(file->layer, found % ALL) : 0;
}

static int erring_confirm(const struct vload_node *node)
{
    int failed = in(CONFIRM, node);
    return failed == -2 || failed == 0 ? 1 : failed;
}

static int erring_open(const struct vload_node *node, int flags, uint32_t mode, struct vload_file *file)
{
    (void)flags, (void)mode;
    int failed = in(OPEN, node);
    if (failed < 0)
        return failed;
    int found = meant(node->path);
    file->private_word = (uint64_t)found;
    file->is = found / ALL == LIST || node->path[0] == '\0' ? VLOAD_DIRECTORY : found / ALL == MAP ? VLOAD_IN_AREA : 0;
    return 0;
}

static int erring_close(struct vload_file *file) { return in_file(CLOSE, file); }

/* How often a change has been kept that a fault came after: never. */
static long erring_read(struct vload_file *file, void *to, size_t length, int64_t offset)
{
    int failed = in_file(READ, file);
    uint64_t *area = vload_area(file->layer);
    if (failed < 0 || offset > 0 || length < 2)
        return failed;
    if (vload_lock(file->layer, 0) != 0)
        return -22;
    ((char *)to)[0] = (char)('0' + area[0]);
    vload_unlock(file->layer, 0);
    ((char *)to)[1] = '\n';
    return 2;
}

static long erring_write(struct vload_file *file, const void *from, size_t length, int64_t offset)
{
    (void)from, (void)offset;
    int failed = in_file(WRITE, file);
    return failed < 0 ? failed : (long)length;
}

static int erring_poll(struct vload_file *file)
{
    int failed = in_file(POLL, file);
    return failed < 0 ? failed : 5;
}

static int erring_list(struct vload_file *file, uint64_t *cookie, struct vload_entry *entry)
{
    int failed = in_file(LIST, file);
    if (failed < 0 || *cookie >= 1)
        return failed;
    memcpy(entry->name, "well", 5);
    entry->inode = 2;
    entry->kind = 8;
    *cookie += 1;
    return 1;
}

static int erring_stat(const struct vload_node *node, struct vload_stat *known)
{
    int failed = in(STAT, node);
    if (failed < 0)
        return failed;
    int found = node->path ? meant(node->path) : (int)node->file->private_word;
    int operation = found / ALL, is_root = node->path && node->path[0] == '\0';
    if (operation == SYMLINK)
        return -2; /* ENOENT: it is to be made. */
    memset(known, 0, sizeof *known);
    known->inode = (uint64_t)(is_root ? 1 : found + 2);
    known->mode = is_root || operation == LIST ? 0040777 : operation == READLINK ? 0120777 : 0100777;
    known->links = 1;
    known->size = operation == READLINK ? 4 : is_root || operation == LIST ? 0 : 2;
    return 0;
}

static long erring_ioctl(struct vload_file *file, uint32_t request, uintptr_t argument)
{
    (void)request, (void)argument;
    return in_file(IOCTL, file);
}
static int erring_fsync(struct vload_file *file, int data_only) { return (void)data_only, in_file(FSYNC, file); }
static int64_t erring_lseek(struct vload_file *file, int64_t offset, int whence)
{
    (void)offset, (void)whence;
    return in_file(LSEEK, file);
}
static int erring_unlink(const struct vload_node *node) { return in(UNLINK, node); }
static int erring_rename(const struct vload_node *from, const struct vload_node *to, uint32_t flags)
{
    (void)to, (void)flags;
    return in(RENAME, from);
}
static long erring_readlink(const struct vload_node *node, char *to, size_t room)
{
    int failed = in(READLINK, node);
    if (failed < 0)
        return failed;
    if (room < 4)
        return 0;
    memcpy(to, "well", 4);
    return 4;
}
static int erring_truncate(const struct vload_node *node, int64_t size) { return (void)size, in(TRUNCATE, node); }
static int erring_chmod(const struct vload_node *node, uint32_t mode) { return (void)mode, in(CHMOD, node); }
static int erring_utimens(const struct vload_node *node, const struct vload_time times[2])
{
    return (void)times, in(UTIMENS, node);
}
static int erring_statfs(const struct vload_node *node, struct vload_statfs *known)
{
    memset(known, 0, sizeof *known);
    return in(STATFS, node);
}
static long erring_getxattr(const struct vload_node *node, const char *name, void *to, size_t room)
{
    (void)name, (void)to, (void)room;
    return in(GETXATTR, node);
}
static int erring_link(const struct vload_node *from, const struct vload_node *to) { return (void)to, in(LINK, from); }
static int erring_symlink(const struct vload_node *node, const char *target) { return (void)target, in(SYMLINK, node); }
static int erring_access(const struct vload_node *node, int mode) { return (void)mode, in(ACCESS, node); }
static int erring_map(struct vload_file *file, int64_t offset, uint64_t length, struct vload_piece *to)
{
    (void)offset, (void)length;
    to->length = 0;
    return in_file(MAP, file);
}

/* The fault that the argument `at` means where it names the place: init, attach, fini, event. */
static int at(struct vload_layer *layer, char place)
{
    char where[16], how[16];
    if (vload_argument(layer, "at", where, sizeof where) <= 0 || where[0] != place)
        return 0;
    if (vload_argument(layer, "how", how, sizeof how) <= 0)
        return -22;
    int locked = memcmp(how, "locked-", 7) == 0 ? LOCKED : 0;
    for (int way = 0; way < WAYS; way++)
        if (memcmp(how + (locked ? 7 : 0), ways[way], strlen(ways[way])) == 0)
            return (int)fault(layer, locked + way);
    return -22;
}

static int erring_init(struct vload_layer *layer)
{
    int claim = vload_claim_path(layer, "/erring", VLOAD_CLAIM_CONFIRM, 0);
    return claim < 0 ? claim : at(layer, 'i');
}
static int erring_attach(struct vload_layer *layer) { return at(layer, 'a'); }
static int erring_fini(struct vload_layer *layer) { return at(layer, 'f'); }
static void erring_event(struct vload_layer *layer, int event) { (void)event, at(layer, 'e'); }

static const struct vload_service erring_calls = {
    .confirm = erring_confirm, .open = erring_open, .close = erring_close, .read = erring_read, .write = erring_write,
    .poll = erring_poll, .list = erring_list, .stat = erring_stat, .ioctl = erring_ioctl, .fsync = erring_fsync,
    .lseek = erring_lseek, .unlink = erring_unlink, .rename = erring_rename, .readlink = erring_readlink,
    .truncate = erring_truncate, .chmod = erring_chmod, .utimens = erring_utimens, .statfs = erring_statfs,
    .getxattr = erring_getxattr, .link = erring_link, .symlink = erring_symlink, .access = erring_access, .map = erring_map,
};

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC, .version = VLOAD_VERSION, .kind = VLOAD_SERVICE,
    .name = "erring", .description = "faults in any operation", .keys = "at,how", .area = 4096,
    .init = erring_init, .attach = erring_attach, .fini = erring_fini, .event = erring_event, .operations = &erring_calls,
};
