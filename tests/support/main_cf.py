# SPDX-License-Identifier: Apache-2.0
"""main.cf as text."""

import re


def without_overridden(main_cf):
    """Of several entries of a parameter only the last. postlogd warns of the others when it starts, and so to itself, before it reads
    its socket: after a reload, with ten lines of others in that, it and the whole Postfix wait for ever."""
    entries = []  # [name, lines], a line that begins with a blank goes on with the entry above
    for line in main_cf.splitlines(keepends=True):
        named = re.match(r"([A-Za-z0-9_.-]+)\s*=", line)
        if named or not entries or not line[:1].isspace() or not line.strip():
            entries.append((named[1] if named else None, []))
        entries[-1][1].append(line)
    last = {name: index for index, (name, _) in enumerate(entries) if name}
    return "".join("".join(lines) for index, (name, lines) in enumerate(entries) if not name or last[name] == index)
