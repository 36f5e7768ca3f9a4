# A lock that the program has on a virtual file is its own while layers come and go, and over an exec.
import fcntl
import os
import subprocess
import sys

PATH = "/locked/file"
TRY = """
import fcntl, sys
try:
    fcntl.lockf(open("/locked/file", "r+"), fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit(7)
"""


def show(when):
    print(when, "held" if subprocess.call([sys.executable, "-c", TRY]) == 7 else "lost", flush=True)


if sys.argv[1] == "executed":
    show("after an exec:")
    sys.exit()
file = open(PATH, "w+")
fcntl.lockf(file, fcntl.LOCK_EX)
show("at first:")
for verb in ("insmod", "rmmod"):
    subprocess.check_call([sys.argv[1], verb, "forward"], stdout=subprocess.DEVNULL)
    # A call in which this process hears of it.
    os.stat("/")
    show("after " + verb + ":")
os.set_inheritable(file.fileno(), True)
os.execv(sys.executable, [sys.executable, sys.argv[0], "executed"])
