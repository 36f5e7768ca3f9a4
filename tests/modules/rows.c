/* A directory of 500 files, whose names are made as they are asked for: nothing but an iterator, and what is known of a name.
 * tests/modules/rows/ is the same in Rust. */
#include <vload/module.h>

enum { ENOENT = 2, ROWS = 500, PREFIX = 5 };

/* Which row a path is: 1 and up; 0 for the directory. */
static int row_of(const struct vload_node *node)
{
    int row = 0;
    if (node->length == 0)
        return 0;
    if (node->length != PREFIX + 3 || memcmp(node->path, "/row-", PREFIX) != 0)
        return -ENOENT;
    for (int at = PREFIX; at < PREFIX + 3; at++) {
        if (node->path[at] < '0' || node->path[at] > '9')
            return -ENOENT;
        row = row * 10 + node->path[at] - '0';
    }
    return row < ROWS ? row + 1 : -ENOENT;
}

static int rows_list(struct vload_file *file, uint64_t *cookie, struct vload_entry *entry)
{
    (void)file;
    if (*cookie >= ROWS)
        return 0;
    memcpy(entry->name, "row-", 4);
    entry->name[4] = (char)('0' + *cookie / 100);
    entry->name[5] = (char)('0' + *cookie / 10 % 10);
    entry->name[6] = (char)('0' + *cookie % 10);
    entry->name[7] = '\0';
    *cookie += 1;
    entry->inode = *cookie + 1;
    entry->kind = 8; /* DT_REG */
    return 1;
}

static int rows_stat(const struct vload_node *node, struct vload_stat *known)
{
    int row = row_of(node);
    if (row < 0)
        return row;
    memset(known, 0, sizeof *known);
    known->inode = (uint64_t)row + 1;
    known->mode = row == 0 ? 0040755 : 0100444;
    known->links = row == 0 ? 2 : 1;
    return 0;
}

static int rows_init(struct vload_layer *layer)
{
    char at[512];
    long length = vload_argument(layer, "at", at, sizeof at);
    int claim = length < 0 || length >= (long)sizeof at ? -ENOENT : vload_claim_path(layer, at, 0, 0);
    return claim < 0 ? claim : 0;
}

static const struct vload_service operations = { .list = rows_list, .stat = rows_stat };

VLOAD_MODULE = {
    .magic = VLOAD_MAGIC, .version = VLOAD_VERSION, .kind = VLOAD_SERVICE,
    .name = "rows", .description = "a directory that is listed", .keys = "at",
    .init = rows_init, .operations = &operations,
};
