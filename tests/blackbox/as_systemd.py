#!/usr/bin/env python3
"""In: a program and its arguments. Out: the program, started the way systemd starts a service with
a socket of its own and a notify socket; each state that it tells is printed on a line."""
import os
import signal
import socket
import sys
import tempfile

folder = tempfile.mkdtemp()
told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
told.bind(f"{folder}/notify")
server = socket.socket()
server.bind(("127.0.0.2", 0))
server.listen(16)
print(f"port {server.getsockname()[1]}", flush=True)

child = os.fork()
if child == 0:
    os.dup2(server.fileno(), 3)
    os.set_inheritable(3, True)
    environment = dict(os.environ, LISTEN_PID=str(os.getpid()), LISTEN_FDS="1",
                       NOTIFY_SOCKET=f"{folder}/notify", WATCHDOG_USEC="400000",
                       WATCHDOG_PID=str(os.getpid()))
    os.execve(sys.argv[1], sys.argv[1:], environment)

signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
told.settimeout(0.05)
while True:
    try:
        print(told.recv(4096).decode().replace("\n", " "), flush=True)
    except socket.timeout:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
os.unlink(f"{folder}/notify")
os.rmdir(folder)
sys.exit(os.waitstatus_to_exitcode(status))
