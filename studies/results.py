"""Writes the table of studies/README.md, below its mark, from the verdicts of `isoflop claims STUDY --json`. Standard library only.

    results.py ISOFLOP README STUDY...
"""

import hashlib
import json
import subprocess
import sys

VERDICTS = {"reproduced": "reproduced", "contradicted": "**contradicted**", "not-tested": "not tested"}


def judged(isoflop, study):
    """The claims of a study as `isoflop claims --json` lists them; it exits with 6 if one is contradicted."""
    said = subprocess.run([isoflop, "claims", study, "--json"], capture_output=True, text=True)
    if said.returncode not in (0, 6):
        sys.exit(said.stderr)
    return json.loads(said.stdout)["claims"]


def short(value):
    return f"{value:.3g}" if abs(value) < 1e4 else f"{value:,.0f}"


def effect(call):
    """A call's value with its interval, what it is of, and the cells behind it."""
    of, value = call["call"].split("(", 1)[1].removesuffix(")"), call["value"]
    if isinstance(value, (int, float)):
        said = f"{short(value)}: "
    elif isinstance(value, dict) and value["lower"] is not None:
        said = f"**{short(value['estimate'])}** [{short(value['lower'])}, {short(value['upper'])}]: "
    else:
        said = ""
    return f"{said}{of} (n = {call['n']})"


def digest(claim):
    """The SHA-256, in its first twelve digits, of the lines `task digest` of all artifacts behind a verdict, sorted."""
    lines = {f"{cited['task']} {cited['digest']}\n" for call in claim["calls"] for cited in call["tasks"] if cited["digest"]}
    return f"`{hashlib.sha256(''.join(sorted(lines)).encode()).hexdigest()[:12]}`" if lines else ""


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def main(isoflop, readme, *studies):
    rows = ["| study | claim | verdict | effect, with its 90 % interval | rests on |", "|---|---|---|---|---|"]
    for study in studies:
        for claim in judged(isoflop, study):
            effects = "<br>".join(map(effect, claim["calls"])) or claim["evidence"]
            name = study.rstrip("/").rsplit("/", 1)[-1]
            verdict = VERDICTS[claim["verdict"]]
            says = cell(claim["says"]) + (f"<br>*{cell(claim['source'])}*" if claim["source"] else "")
            rows.append(f"| `{name}` | {says} | {verdict} | {cell(effects)} | {digest(claim)} |")
    with open(readme, encoding="utf-8") as file:
        head = file.read().split("<!-- results -->")[0]
    with open(readme, "w", encoding="utf-8") as file:
        file.write(head + "<!-- results -->\n\n" + "\n".join(rows) + "\n")


main(*sys.argv[1:])
