"""Stands in for Cloudy: reads a deck from standard input and replays real outputs of Cloudy 17.02.

The folder of this script holds `modes.json` (model name to behaviour, default replay) and `real/`, the
unpacked outputs. A deck that is none of the real ones is answered with the outputs of the same spectrum and
metallicity (of Z = 1, where there is none), the echo of its commands and its abundances put right.
"""

import json
import math
import os
import re
import signal
import sys
import time
from pathlib import Path

HOME = Path(__file__).resolve().parent
OK, WRONG = "Cloudy exited OK]", "something went wrong]"
TABLES = (".ovr", ".pdr", ".cum", ".ecm")


def answer(deck):
    """Text of the main output and of the tables."""
    spectrum = "star" if "blackbody 40000" in deck else "fuv"
    metallicity = re.search(r"metals (\S+) linear", deck)[1]
    real = HOME / "real" / f"{spectrum}_n+2.0_Z{metallicity}_G+2.0_z0"
    if not (real.parent / f"{real.name}.out").exists():
        real = HOME / "real" / f"{spectrum}_n+2.0_Z1_G+2.0_z0"
    out = (real.parent / f"{real.name}.out").read_text()
    if f"_Z{metallicity}_" not in real.name:
        shift = math.log10(float(metallicity))
        metals = r"\b(C|N|O|Ne|Mg|Si|S|Fe)(\s*:\s*)(-\d\.\d{4})\b"
        out = re.sub(metals, lambda m: f"{m[1]}{m[2]}{float(m[3]) + shift:.4f}", out)
    for command in ("hden", "intensity", "metals", "grains ISM", "grains PAH"):
        asked = re.search(rf"^{command} .*$", deck, re.MULTILINE)[0]
        out = re.sub(rf"\* {command} .*?\s+\*\n", f"* {asked}   *\n", out)
    return out, {suffix: (real.parent / f"{real.name}{suffix}").read_text() for suffix in TABLES}


def shortened(out, tables, reason, zones=200):
    out = out.replace("H column dens reached", reason).replace("Cloudy ends: 330", f"Cloudy ends: {zones}")
    return out, {suffix: "".join(text.splitlines(True)[: zones + 1]) for suffix, text in tables.items()}


def main():
    deck = sys.stdin.read().split("\n\n")[0]
    name = re.search(r'set save prefix "(.*)"', deck)[1]
    with (HOME / "runs.log").open("a") as log:
        log.write(name + "\n")
    mode = json.loads((HOME / "modes.json").read_text()).get(name, "replay")
    out, tables = answer(deck)
    code = 0
    if mode == "crash":
        out, tables, code = (HOME / "real" / "bad_command.out").read_text(), {}, 1
    elif mode == "zones":
        out, code = (HOME / "real" / "too_few_zones.out").read_text(), 1
    elif mode == "disaster":
        out, code = out.replace(OK, WRONG) + " DISASTER - something bad\n", 2
    elif mode == "short":
        out, tables = shortened(out, tables, "lowest Te reached")
    elif mode == "half":
        tables[".cum"] = tables[".cum"][:-30]
    elif mode == "lost rows":
        tables[".ecm"] = "".join(tables[".ecm"].splitlines(True)[:-3])
    elif mode == "replaced":
        out = 'WARNING: no exact matching lines found for "C  2" 157.900m\n' + out
        out = out.replace("\n", '\nTaking best match as "C  2              157.636m"\n', 30)
    elif mode == "unconverged":
        out = out.replace("Iteration 1 of 1", "Iteration 3 of 3, not converged due to electron density")
    elif mode == "version":
        out = out.replace("Cloudy 17.02", "Cloudy 23.01")
    elif mode == "minor version":
        out = out.replace("Cloudy 17.02", "Cloudy 17.03")
    elif mode == "abundances":
        out = re.sub(r"(C : )(-\d\.\d+)", lambda m: f"{m[1]}{float(m[2]) + 0.2:.4f}", out)
    if mode in ("killed", "hang"):
        sys.stdout.write(out[: len(out) // 2])
        sys.stdout.flush()
        for suffix, text in tables.items():
            Path(name + suffix).write_text(text[: len(text) // 2])
        if mode == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60.0)
    for suffix, text in tables.items():
        if f'"{suffix}"' in deck:
            Path(name + suffix).write_text(text)
    sys.stdout.write(out)
    sys.exit(code)


main()
