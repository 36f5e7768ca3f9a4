/* Many open folders of descriptors leave room for what shows mappings. */
#include "check.h"

int main(void)
{
    int count = 0;
    static char text[1 << 18];
    for (int turn = 0; turn < 40; turn++)
        count += open("/proc/self/fd", O_RDONLY | O_DIRECTORY) >= 0;
    int maps = MUST(open("/proc/self/maps", O_RDONLY));
    size_t length = 0;
    ssize_t part;
    while ((part = read(maps, text + length, sizeof text - 1 - length)) > 0)
        length += part;
    printf("%d open, vload %s\n", count, strstr(text, "vload") ? "is shown" : "is not there");
    return 0;
}
