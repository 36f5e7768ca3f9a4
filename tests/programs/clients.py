"""clients.py SOCKET: four threads ask an HTTP server a hundred times each."""
import hashlib
import http.client
import socket
import sys
import threading


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])


answers = []


def ask():
    for number in range(100):
        connection = Connection("localhost")
        connection.request("GET", "/numbers" if number % 2 else "/missing")
        answer = connection.getresponse()
        answers.append((answer.status, hashlib.md5(answer.read()).hexdigest()))
        connection.close()


threads = [threading.Thread(target=ask) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for answer in sorted(set(answers)):
    print(answer[0], answer[1] if answer[0] == 200 else "", answers.count(answer))
