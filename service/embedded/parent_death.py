"""Run a command that dies with its parent and, when asked, is not root any more.

    python -I -S parent_death.py PARENT_PID SIGNAL IDENTITY COMMAND [ARGUMENT ...]

It imports nothing of ours: code between fork and exec of a threaded parent is unsafe.
"""

# IDENTITY is one of
#
#     -               stay who we are
#     user:UID:GID    become that user
#     mask:UID:GID    only look like that user, where there is no other user to become
#
# PostgreSQL refuses to run as root. The user that it runs as instead may not be able to walk to its
# binaries or data (`/root`, a temporary folder and many homes are closed to others), so one
# capability is kept over the change of user: the one that passes over file permissions.

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
# Without this bit access(2), with which PostgreSQL looks for its own binaries, ignores the
# capabilities of everyone but root; and the change of user would clear them.
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE = 1
CLONE_NEWUSER = 0x10000000
CAPABILITY_VERSION_3 = 0x20080522


class CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class CapabilitySet(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def main(arguments: list[str]) -> None:
    parent, death_signal, identity, *command = arguments
    if identity != "-":
        how, uid, gid = identity.split(":")
        {"user": become, "mask": wear_mask}[how](int(uid), int(gid))
    die_with(int(parent), int(death_signal))
    try:
        os.execv(command[0], command)  # noqa: S606  a shell is what we do not want
    except OSError as error:
        sys.exit(f"parent_death: uid {os.getuid()} cannot run {command[0]}: {error.strerror}")


def become(uid: int, gid: int) -> None:
    """Drop root. Where the capability cannot be kept, open paths still work without it."""
    try:
        keep_reach()
    except OSError as error:
        sys.stderr.write(f"parent_death: folders closed to uid {uid} stay closed to it: {error}\n")
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def keep_reach() -> None:
    """Let CAP_DAC_OVERRIDE alone outlive the change of user and the exec."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = CapabilityHeader(CAPABILITY_VERSION_3, 0)
    sets = (CapabilitySet * 2)()  # the kernel's two 32-bit halves
    check(libc.capget(ctypes.byref(header), sets))
    sets[0].inheritable, sets[1].inheritable = 1 << CAP_DAC_OVERRIDE, 0
    check(libc.capset(ctypes.byref(header), sets))
    check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0))
    check(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))


def wear_mask(uid: int, gid: int) -> None:
    """Enter a user namespace in which we, root, bear another number. Some sandboxes have a root
    but no second user: there nothing can be given to anyone, and nothing needs to be."""
    outer_uid, outer_gid = os.getuid(), os.getgid()
    check(ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER))
    for name, text in (
        ("setgroups", "deny"),  # without this the kernel refuses a gid_map
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{gid} {outer_gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123  no pathlib
            file.write(text)


def check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def die_with(parent: int, death_signal: int) -> None:
    """Set after the change of user, which clears it. Only Linux can; elsewhere orphans are found
    at the next start."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # it died before the call above
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
