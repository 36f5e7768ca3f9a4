"""A walk through Python's library."""
import ctypes
import hashlib
import json
import multiprocessing
import os
import queue
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import zlib


def square(number):
    return number * number


def main():
    print(json.dumps({"b": [1, 2.5, None], "a": "ü"}, sort_keys=True))
    print(hashlib.sha256(b"text").hexdigest(), zlib.crc32(b"text"))
    print(ctypes.CDLL(None).abs(-5))
    work = queue.Queue()
    threads = [threading.Thread(target=lambda n=n: work.put(square(n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sorted(work.get() for _ in range(8)))
    with multiprocessing.Pool(2) as pool:
        print(pool.map(square, range(10)))
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(os.path.join(folder, "db"))
        database.execute("create table t (n integer)")
        database.executemany("insert into t values (?)", [(n,) for n in range(100)])
        database.commit()
        print(database.execute("select sum(n) from t").fetchone())
    one, other = socket.socketpair()
    one.sendall(b"through a socket")
    print(other.recv(100))
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    client.sendall(b"x" * 100000)
    client.shutdown(socket.SHUT_WR)
    total = 0
    while part := server.recv(65536):
        total += len(part)
    print(total)
    print(select.select([server], [], [], 0)[0] == [server])
    signal.signal(signal.SIGALRM, lambda *_: print("alarm"))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    signal.pause()
    done = subprocess.run(["sh", "-c", "cat; exit 3"], input=b"to a child", capture_output=True)
    print(done.stdout, done.returncode)
    child = subprocess.Popen(["sleep", "100"])
    child.kill()
    print(child.wait())
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    print(os.readlink("/proc/self/exe"), sys.executable)
    sys.exit(4)


if __name__ == "__main__":
    main()
