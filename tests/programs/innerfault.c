/* Calls the first instruction behind the head of vload's gate with arguments that it cannot use: a fault inside the
   resident, such as a fault of vload's own would be. Natively there is no such text, and the exit
   status is 3. */
#include <stdio.h>
#include <string.h>

int main(void)
{
    unsigned long start, end;
    char line[4096], protection[8];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        char *file = strrchr(line, '/');
        if (sscanf(line, "%lx-%lx %7s", &start, &end, protection) == 3 && file
            && strcmp(protection, "r-xp") == 0 && strncmp(file, "/vload\n", 7) == 0) {
            ((long (*)(unsigned long, const void *))(start + 64))(39, (const void *)8);
            return 4;
        }
    }
    return 3;
}
