"""The systemd unit of an edge agent: what it may do, which is little, and how it is kept running. Pure text.

Directives by systemd.service(5), systemd.exec(5) and systemd.resource-control(5) of systemd 252 (Debian 12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import PurePosixPath

EXPOSURE_MAX = 2.0
"""What `systemd-analyze security` may give the unit at most, of 10."""
WATCHDOG_SECONDS = 60
RESTART_SECONDS = 5


def unit(*, publisher: str, user: str, program: str, config: PurePosixPath, secrets: Sequence[PurePosixPath]) -> str:
    """Return the unit.

    Args:
        publisher: the agent's identifier.
        user: who it runs as.
        program: the command `officina`, absolute.
        config: the agent's configuration; its folder holds spool and certificates, and is all that it may write.
        secrets: files that systemd reads as root and hands to the agent alone.
    """
    credentials = "".join(f"LoadCredential={path.name}:{path}\n" for path in secrets)
    return f"""[Unit]
Description=Officina edge agent {publisher}
Wants=network-online.target
After=network-online.target time-sync.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={program} edge run {config}
WatchdogSec={WATCHDOG_SECONDS}
Restart=always
RestartSec={RESTART_SECONDS}
TimeoutStopSec=20
User={user}
Group={user}
WorkingDirectory={config.parent}
{credentials}
ReadWritePaths={config.parent}
UMask=0077
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
LockPersonality=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
TasksMax=64
MemoryHigh=512M
MemoryMax=1G

[Install]
WantedBy=multi-user.target
"""


def user_of(name: str, home: PurePosixPath) -> str:
    """Return what sysusers.d(5) makes the agent's user from."""
    return f'u {name} - "Officina edge agent" {home}\n'
