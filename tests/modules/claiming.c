/* Claims what the argument `how` says, at the place that `at` says: a path and what is below it, of which `confirm` decides
 * (confirm); one of which a part is what it would be without the module (negative); a name with numbers behind it
 * (numbers); calls by their numbers (calls). tests/modules/claiming/ is the same in Rust. */
#include <sys/syscall.h>
#include <vload/module.h>

enum { ENOENT = 2, EROFS = 30, O_CREAT = 0100, UNKNOWN = 0x12345, ROOM = 512, DIRECTORY = 3 };

/* The files of a tree; the last name is the part that is not the module's. */
static const char *const names[] = { "/one.v", "/two.v", "/real" };

static int is(const struct vload_node *node, const char *text)
{
    return node->length == strlen(text) && memcmp(node->path, text, node->length) == 0;
}

static int how_is(struct vload_layer *layer, const char *text)
{
    char how[16];
    return vload_argument(layer, "how", how, sizeof how) == (long)strlen(text) && memcmp(how, text, strlen(text)) == 0;
}

/* The file that a path is of, 0 and up; or DIRECTORY. Of the name with numbers any below 100 is there. */
static int which(const struct vload_node *node)
{
    if (how_is(node->layer, "numbers"))
        return node->length < 3 ? 0 : -ENOENT;
    if (node->length == 0)
        return DIRECTORY;
    for (int at = 0; at < 2; at++)
        if (is(node, names[at]))
            return at;
    return -ENOENT;
}

/* A line: a file's name, or the number that a name has. */
static long line(const struct vload_node *node, int file, char *to)
{
    const char *text = how_is(node->layer, "numbers") ? node->path : names[file] + 1;
    size_t length = strlen(text);
    memcpy(to, text, length);
    to[length] = '\n';
    return (long)length + 1;
}

static int claiming_confirm(const struct vload_node *node)
{
    return node->length > 2 && memcmp(node->path + node->length - 2, ".v", 2) == 0;
}

static int claiming_stat(const struct vload_node *node, struct vload_stat *known)
{
    char text[ROOM];
    int file = which(node);
    if (file < 0)
        return file;
    memset(known, 0, sizeof *known);
    known->inode = (uint64_t)file + 1;
    known->mode = file == DIRECTORY ? 0040755 : 0100444;
    known->links = file == DIRECTORY ? 2 : 1;
    known->size = file == DIRECTORY ? 0 : (uint64_t)line(node, file, text);
    return 0;
}

/* What is read is what the name was when the file was opened: a line of at most 8 bytes fits in the file's word. */
static int claiming_open(const struct vload_node *node, int flags, uint32_t mode, struct vload_file *file)
{
    char text[ROOM] = { 0 };
    (void)mode;
    int found = which(node);
    if (found < 0)
        return flags & O_CREAT ? -EROFS : found;
    if (found == DIRECTORY)
        file->is = VLOAD_DIRECTORY;
    else
        line(node, found, text);
    memcpy(&file->private_word, text, sizeof file->private_word);
    return 0;
}

static long claiming_read(struct vload_file *file, void *to, size_t length, int64_t offset)
{
    char text[sizeof file->private_word + 1] = { 0 };
    memcpy(text, &file->private_word, sizeof file->private_word);
    size_t size = strlen(text), start = offset < (int64_t)size ? (size_t)offset : size;
    if (length > size - start)
        length = size - start;
    memcpy(to, text + start, length);
    return (long)length;
}

static int claiming_list(struct vload_file *file, uint64_t *cookie, struct vload_entry *entry)
{
    (void)file;
    if (*cookie >= 3)
        return 0;
    const char *name = names[*cookie] + 1;
    memcpy(entry->name, name, strlen(name) + 1);
    entry->inode = *cookie + 1;
    entry->kind = *cookie == 2 ? 4 : 8;
    *cookie += 1;
    return 1;
}

/* The older of two layers answers, the newer one adds 1 to what it hears; what a claimed path is, is not its business. */
static long claiming_call(struct vload_layer *layer, struct vload_call *call)
{
    char value[16];
    int answers = vload_argument(layer, "answer", value, sizeof value) >= 0 && call->number != SYS_openat;
    long below = answers ? -38 : vload_next(layer, call); /* ENOSYS */
    switch (call->number) {
    case UNKNOWN:
        return below < 0 ? 9000000 : below + 1;
    case (uintptr_t)-1:
        return below < 0 ? 9009999 : below + 1;
    }
    return below;
}

static int claiming_init(struct vload_layer *layer)
{
    char at[ROOM], real[ROOM + 8];
    long length = vload_argument(layer, "at", at, sizeof at);
    if (how_is(layer, "calls"))
        return 0;
    if (length < 0 || length >= (long)sizeof at)
        return -ENOENT;
    uint32_t flags = how_is(layer, "confirm") ? VLOAD_CLAIM_CONFIRM : 0;
    if (how_is(layer, "numbers"))
        flags = VLOAD_CLAIM_EXACT | VLOAD_CLAIM_NUMBERS;
    int claim = vload_claim_path(layer, at, flags, 0);
    if (claim >= 0 && how_is(layer, "negative")) {
        memcpy(real, at, (size_t)length);
        memcpy(real + length, "/real", 6);
        claim = vload_claim_path(layer, real, VLOAD_CLAIM_NEGATIVE, 0);
    }
    return claim < 0 ? claim : 0;
}

static const uintptr_t numbers[] = { UNKNOWN, (uintptr_t)-1, SYS_openat };

static const struct vload_service operations = {
    .confirm = claiming_confirm, .open = claiming_open, .read = claiming_read, .list = claiming_list,
    .stat = claiming_stat, .call = claiming_call, .numbers = numbers, .count = sizeof numbers / sizeof *numbers,
};

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC, .version = VLOAD_VERSION, .kind = VLOAD_SERVICE,
    .name = "claiming", .description = "claims of each kind", .keys = "how,at,answer",
    .init = claiming_init, .operations = &operations,
};
