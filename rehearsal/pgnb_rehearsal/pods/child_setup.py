"""What a process forked by the spawner does until it is what was asked for.

Each function runs in the child, once; it ends in execve, or never returns. What goes wrong is told over the
status socket, in the words of runc where a container's command is concerned.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import stat
import struct
import termios
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from pgnb_rehearsal.pods import identity, rootfs, syscalls
from pgnb_rehearsal.pods.messages import Message, read_details, send

_SANDBOX_KINDS = {
    "net": syscalls.CLONE_NEWNET,
    "ipc": syscalls.CLONE_NEWIPC,
    "uts": syscalls.CLONE_NEWUTS,
}
HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# ioctl_tty(2): unlock a pseudo-terminal, and open its other end, whatever is mounted where.
_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441


NO_ARGUMENTS = "args must not be empty"


class Refused(Exception):
    """The command cannot be executed; the text is runc's."""


def run_child(setup: Callable[[Message, list[int]], None], message: Message, fds: list[int]) -> NoReturn:
    """Run `setup` in a forked child and end it; `fds` are details, status, and what `setup` takes."""
    status = socket.socket(fileno=fds[1])
    try:
        os.setsid()
        os.umask(0o022)
        _forget_handlers()
        setup(message | read_details(fds[0]), fds[1:])
    except Refused as refusal:
        send(status, {"refused": str(refusal)})
    except BaseException as error:  # nothing of the parent's may run in the child
        send(status, {"failed": f"{type(error).__name__}: {error}"[:2000]})
    finally:
        os._exit(127)


def _forget_handlers() -> None:
    """Drop what the spawner does on a signal; it blocked them all before the fork."""
    signal.set_wakeup_fd(-1)
    for number in HANDLED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def sandbox(message: Message, fds: list[int]) -> None:
    """Hold a pod's namespaces: {"hostname"}; says {"ready"} and then only reaps, until it is killed."""
    syscalls.unshare(syscalls.CLONE_NEWNET | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS)
    socket.sethostname(message["hostname"])
    # Any port may be listened on, as container runtimes have it.
    Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0")
    syscalls.set_name("pause")
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    os.chdir("/")
    send(socket.socket(fileno=fds[0]), {"ready": True})
    os.closerange(0, os.sysconf("SC_OPEN_MAX"))
    while True:
        signal.sigwait({signal.SIGCHLD})
        _reap_all()


def _reap_all() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            continue
    except ChildProcessError:
        return


def container(message: Message, fds: list[int]) -> None:
    """Become PID 1 of a container in the sandbox of process {"sandbox"}; see runtime.py for the details."""
    if not message["tty"]:
        _take_streams(fds[1:4], _stream_owner(message))
    _enter(message["sandbox"], _SANDBOX_KINDS)
    syscalls.unshare(syscalls.CLONE_NEWNS)
    if message["keep_mounts"]:
        _hand_over(fds[0], "/proc/self/ns/mnt")
    rootfs.build(message["root"], message["owner"], message["working_dir"])
    if message["many"]:
        identity.become_one_of_many(message["uid"], message["gid"], message["groups"])
    else:
        identity.become(message["uid"], message["gid"], message["owner"])
    if message["tty"]:
        _take_terminal(fds[0])
    _execute(message["argv"], message["env"], message["working_dir"])


def execute(message: Message, fds: list[int]) -> None:
    """Become a further process of the container whose PID 1 is {"container"}."""
    if not message["tty"]:
        _take_streams(fds[1:4], _stream_owner(message))
    _enter(
        message["container"], _SANDBOX_KINDS | {"mnt": syscalls.CLONE_NEWNS, "user": syscalls.CLONE_NEWUSER}
    )
    if message["many"]:
        os.setgroups([message["gid"], *message["groups"]])
    os.setresgid(message["gid"], message["gid"], message["gid"])
    os.setresuid(message["uid"], message["uid"], message["uid"])
    if message["tty"]:
        _take_terminal(fds[0])
    _execute(message["argv"], message["env"], message["working_dir"])


def run(message: Message, fds: list[int]) -> None:
    """Become a command of the wrapper, in the network namespace of process {"network"} if it is given."""
    if message["network"]:
        _enter(message["network"], {"net": syscalls.CLONE_NEWNET})
    for number, fd in enumerate(fds[1:4]):
        os.dup2(fd, number)
    _restore_signals()
    os.execve(message["argv"][0], message["argv"], {"PATH": _DEFAULT_PATH})


def _enter(pid: int, kinds: Mapping[str, int]) -> None:
    """Join namespaces of `pid`; all are opened before the first is joined, which may hide /proc."""
    identity.drop_groups()
    opened = [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY), kind) for name, kind in kinds.items()]
    for fd, kind in opened:
        syscalls.setns(fd, kind)
        os.close(fd)


def _hand_over(status: int, path: str) -> None:
    with socket.socket(fileno=os.dup(status)) as channel, Path(path).open("rb") as file:
        send(channel, {"file": path}, [file.fileno()])


def _stream_owner(message: Message) -> int:
    """The ID in the wrapper of the container's user."""
    return identity.place(message["uid"]) if message["many"] else int(message["owner"])


def _take_streams(fds: Sequence[int], owner: int) -> None:
    """Make `fds` stdin, stdout and stderr, and `owner`'s, so that /dev/stdout can be opened."""
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        if stat.S_ISFIFO(os.fstat(number).st_mode):
            os.fchown(number, owner, owner)


def _take_terminal(status: int) -> None:
    """Open a pseudo-terminal of the container's own as the controlling one, and hand its master over."""
    master = os.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    terminal = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    with socket.socket(fileno=os.dup(status)) as channel:
        send(channel, {"terminal": True}, [master])
    for number in range(3):
        os.dup2(terminal, number)
    os.close(terminal)
    os.close(master)


def _execute(argv: Sequence[str], env: Mapping[str, str], working_dir: str) -> NoReturn:
    if not argv:
        raise Refused(NO_ARGUMENTS)
    try:
        os.chdir(working_dir)
    except OSError as error:
        raise Refused(f'chdir to cwd ("{working_dir}") set in config.json failed: {_text(error)}') from error
    program = _find(argv[0], env.get("PATH", _DEFAULT_PATH))
    _restore_signals()
    try:
        os.execve(program, list(argv), dict(env))
    except OSError as error:
        raise Refused(f"exec {program}: {_text(error)}") from error


def _find(command: str, path: str) -> str:
    """The file to execute, or Refused with runc's words."""
    if "/" in command:
        try:
            mode = Path(command).stat().st_mode
        except OSError as error:
            raise Refused(f'exec: "{command}": stat {command}: {_text(error)}') from error
        if stat.S_ISDIR(mode):
            raise Refused(f'exec: "{command}": is a directory')
        if not os.access(command, os.X_OK):
            raise Refused(f'exec: "{command}": permission denied')
        return command
    for directory in path.split(":"):
        candidate = Path(directory or ".", command)
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    raise Refused(f'exec: "{command}": executable file not found in $PATH')


def _text(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _restore_signals() -> None:
    """Undo what the interpreter ignores; handlers end by themselves with execve."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
