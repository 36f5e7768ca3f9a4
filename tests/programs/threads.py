"""Threads that run processes, all at once; none of them ends before the process does, because the last
calls of a thread may or may not be made by then."""
import queue
import subprocess
import threading

results = queue.SimpleQueue()
never = threading.Lock()
never.acquire()


def work(number):
    done = subprocess.run(["/bin/echo", str(number)], capture_output=True, check=True)
    results.put((number, done.stdout))
    never.acquire()


for number in range(4):
    threading.Thread(target=work, args=(number,), daemon=True).start()
print(sorted(results.get() for _ in range(4)))
