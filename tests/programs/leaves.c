/* leaves FOLDER COUNT: opens as many new files there and is killed with all of them open. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char path[256];
    for (int at = 0; argc == 3 && at < atoi(argv[2]); at++) {
        snprintf(path, sizeof path, "%s/%d", argv[1], at);
        if (open(path, O_RDWR | O_CREAT, 0600) < 0) {
            perror(path);
            return 1;
        }
    }
    return kill(getpid(), SIGKILL);
}
