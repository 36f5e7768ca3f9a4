// C++ exceptions through libraries, callbacks and threads.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

struct Noisy {
    const char *name;
    ~Noisy() { std::printf("gone %s\n", name); }
};

static int compare(const void *a, const void *b)
{
    if (*static_cast<const int *>(a) == 3)
        throw std::runtime_error("in qsort");
    return *static_cast<const int *>(a) - *static_cast<const int *>(b);
}

static void deep(int left)
{
    Noisy noisy{"frame"};
    if (getppid() < 0 || left == 0)
        throw std::out_of_range("deep");
    deep(left - 1);
}

int main()
{
    try {
        deep(3);
    } catch (const std::exception &error) {
        std::printf("caught %s\n", error.what());
    }
    int values[] = {3, 1, 2};
    try {
        std::qsort(values, 3, sizeof *values, compare);
    } catch (const std::exception &error) {
        std::printf("caught %s\n", error.what());
    }
    std::exception_ptr kept;
    std::thread([&] {
        try {
            std::vector<int>().at(1);
        } catch (...) {
            kept = std::current_exception();
        }
    }).join();
    try {
        std::rethrow_exception(kept);
    } catch (const std::out_of_range &) {
        std::puts("caught from a thread");
    }
    std::set_terminate([] {
        std::puts("terminated");
        std::fflush(stdout);
        std::_Exit(9);
    });
    throw std::string("nobody catches this");
}
