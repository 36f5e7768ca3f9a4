// The program of the thesis on UMView (4.4): a C++ program that reads what the device has kept.
#include <fstream>
#include <iostream>
#include <string>

int main()
{
    std::string buf;
    std::ifstream file("/dev/useless");
    std::getline(file, buf);
    std::cout << buf << std::endl;
    return file ? 0 : 1;
}
