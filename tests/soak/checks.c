/* What a process has: descriptors, mappings, memory. */
#include "soak.h"
#include <dirent.h>

static int entries(const char *path)
{
    DIR *directory = opendir(path);
    MUST(directory);
    int count = 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

void look(struct state *state)
{
    static char line[8192];
    state->descriptors = entries("/proc/self/fd");
    state->mappings = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    MUST(maps);
    while (fgets(line, sizeof line, maps))
        state->mappings++;
    fclose(maps);
    state->resident = -1;
    FILE *status = fopen("/proc/self/status", "r");
    MUST(status);
    while (fgets(line, sizeof line, status))
        sscanf(line, "VmRSS: %ld", &state->resident);
    fclose(status);
    MUST(state->resident > 0);
    if (entries("/proc/self/task") != 3)
        finding("a thread is left behind");
}

void compare(const struct state *before, const struct state *after)
{
    /* The heap, and the C library's store of stacks, vary within these. */
    enum { MAPPINGS_MORE = 120, RESIDENT_MORE = 8192 };
    if (after->descriptors != before->descriptors)
        finding("descriptors: %d, and now %d", before->descriptors, after->descriptors);
    if (after->mappings > before->mappings + MAPPINGS_MORE)
        finding("mappings: %d, and now %d", before->mappings, after->mappings);
    if (after->resident > before->resident + RESIDENT_MORE)
        finding("resident memory: %ld KiB, and now %ld", before->resident, after->resident);
}
