/* A library that comes and goes leaves no mapping behind. */
#include "check.h"
#include <dlfcn.h>

static int mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    int count = 0, byte;
    while ((byte = getc(maps)) != EOF)
        count += byte == '\n';
    fclose(maps);
    return count;
}

int main(void)
{
    int before = 0, after = 0;
    for (int i = 0; i < 1000; i++) {
        void *library = dlopen("libresolv.so.2", RTLD_NOW);
        if (!library) {
            puts(dlerror());
            return 1;
        }
        CHECK(dlsym(library, "ns_name_uncompress") != NULL);
        dlclose(library);
        if (i == 9)
            before = mappings();
    }
    after = mappings();
    printf("more mappings: %s\n", after > before + 2 ? "yes" : "no");
    return 0;
}
