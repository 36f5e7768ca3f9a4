"""Threads that run processes."""
import subprocess
import threading

results = {}


def work(number):
    done = subprocess.run(["/bin/echo", str(number)], capture_output=True, check=True)
    results[number] = done.stdout


threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(results.items()))
