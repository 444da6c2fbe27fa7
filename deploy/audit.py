# ruff: noqa: INP001 - a script, no package
"""Look the locked packages up among known advisories: `make audit`. What could not be looked up is no good news.

pip-audit ends well when its source knows nothing of a package, as a mirror without advisories does; here that is said,
and fails.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

LOCK, EXPLAINED = Path("requirements.txt"), Path("deploy/advisories.txt")
FOUND, NOT_LOOKED_UP = 1, 2
SHOWN_MAX = 5


def main() -> int:
    """Audit the lock file. Returns 0 when every package was looked up and each finding is explained."""
    explained = re.findall(r"^([A-Z][A-Za-z0-9-]*) \S", EXPLAINED.read_text(encoding="utf-8"), re.MULTILINE)
    command = [
        str(Path(sys.executable).with_name("pip-audit")), "--disable-pip", "--require-hashes", "--format", "json",
        "--progress-spinner", "off", "--requirement", str(LOCK),
        *(part for each in explained for part in ("--ignore-vuln", each)),
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - arguments of our own
    try:
        packages = json.loads(ended.stdout)["dependencies"]
    except (ValueError, KeyError):
        sys.stderr.write(f"{ended.stderr.strip()}\nmake audit: nothing was looked up; the lines above say why\n")
        return NOT_LOOKED_UP
    findings = [(each, vulnerability) for each in packages for vulnerability in each.get("vulns", ())]
    for package, vulnerability in findings:
        mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
        sys.stdout.write(f"{package['name']} {package['version']}: {vulnerability['id']}, mended in {mended}\n")
    missing = [each["name"] for each in packages if "skip_reason" in each]
    if missing:
        some = ", ".join(missing[:SHOWN_MAX]) + (" and others" if len(missing) > SHOWN_MAX else "")
        sys.stderr.write(
            f"make audit: {len(missing)} of {len(packages)} packages could NOT be looked up ({some}): the package "
            "index of this machine has no advisories. Run it where one is reached that has them\n"
        )
        return NOT_LOOKED_UP
    if findings:
        sys.stderr.write(f"make audit: mend these, or explain each in {EXPLAINED}\n")
        return FOUND
    sys.stdout.write(f"make audit: {len(packages)} packages looked up, {len(explained)} findings explained, no other\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
