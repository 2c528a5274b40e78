"""Where the figures were made: processor, disk, versions, durability mode."""

import os
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import psutil
from redis import Redis

from loadtest.bench.database import described
from loadtest.system import System

PACKAGES = (
    "fastapi",
    "uvicorn",
    "uvloop",
    "httptools",
    "pydantic",
    "asyncpg",
    "sqlmodel",
    "orjson",
)
FLUSH_BYTES = 8_192  # a page of PostgreSQL
FLUSH_S = 1.0
VOLATILE = ("tmpfs", "ramfs")


async def describe(system: System) -> dict[str, str]:
    """The facts about machine, libraries and servers that figures depend on, as pairs to print."""
    found = {
        "processor": processor(),
        "cores": f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}"
        if hasattr(os, "sched_getaffinity")
        else str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "disk": disk(system.home),
        "api processes": os.environ.get("SAXAUL_WORKERS", "1"),
    }
    if system.database_url:
        server = await described(system.database_url)
        found["PostgreSQL"] = server.pop("version")
        found["durability"] = ", ".join(f"{name} = {value}" for name, value in server.items())
    if system.redis_url:
        with Redis.from_url(system.redis_url) as valkey:
            info = valkey.info("server")
        found["Valkey"] = str(info.get("valkey_version") or info.get("redis_version"))
    return found


def processor() -> str:
    """The processor's name, as the kernel knows it."""
    file = Path("/proc/cpuinfo")
    if file.exists():
        for line in file.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def disk(home: Path) -> str:
    """The file system under the data folder, and how often a second it makes a page durable."""
    folder = home if home.exists() else Path(tempfile.gettempdir())
    kind = file_system(folder)
    warning = "; KEEPS NOTHING: not a disk" if kind in VOLATILE else ""
    return f"{kind}, {flushes_per_s(folder):,.0f} flushes/s of {FLUSH_BYTES} bytes{warning}"


def file_system(folder: Path) -> str:
    """The kind of file system that a folder is on."""
    path = folder.resolve()
    mounts = {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}
    for above in (path, *path.parents):
        if str(above) in mounts:
            return str(mounts[str(above)])
    return "unknown file system"


def flushes_per_s(folder: Path) -> float:
    """The number of pages a second that are written and flushed one after the other."""
    flush = getattr(os, "fdatasync", os.fsync)
    page = os.urandom(FLUSH_BYTES)
    with tempfile.TemporaryFile(dir=folder) as file:
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < FLUSH_S:
            os.pwrite(file.fileno(), page, (count % 1024) * FLUSH_BYTES)
            flush(file.fileno())
            count += 1
        return count / (time.perf_counter() - started)
