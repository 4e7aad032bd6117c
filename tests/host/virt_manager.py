# SPDX-License-Identifier: LGPL-2.1-or-later
"""What somebody does who sits before virt-manager, in a session of its own: tests/host/rpc-virt-manager starts this in one, with Debian's python3 (pyatspi).

    dbus-run-session -- /usr/bin/python3 virt_manager.py URI [PICTURE]

It says what it sees and has done, a line each, and then "the end".
"""
import os
import subprocess
import sys
import time

import pyatspi

PATIENCE = 60.0 * float(os.environ.get("POOLINIT_TEST_PATIENCE") or 1)


def below(thing, depth=0):
    """All that is shown, from the outside in. What goes away meanwhile is left out."""
    try:
        yield thing
        for child in thing if depth < 24 else ():
            if child:
                yield from below(child, depth + 1)
    except Exception:   # the library has several, of several kinds
        return


def desktop():
    for program in pyatspi.Registry.getDesktop(0):
        if program and program.name == "virt-manager":
            yield from below(program)


def is_seen(thing):
    states = thing.getState()
    return states.contains(pyatspi.STATE_SHOWING) and states.contains(pyatspi.STATE_SENSITIVE)


def look(role, name, window="", inside="filler"):
    """The one that is seen; name: how it begins. A text has no name, and is the one that is in no other thing."""
    there = not window
    for thing in desktop():
        try:
            if thing.getRoleName() in ("frame", "dialog", "alert") and window:
                there = thing.name.startswith(window)
            if there and thing.getRoleName() == role and thing.name.startswith(name) and is_seen(thing) and (name or thing.parent.getRoleName() == inside):
                return thing
        except Exception:
            continue
    return None


def wait(what, condition):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    for thing in desktop():
        print("  ", thing.getRoleName(), repr(thing.name), is_seen(thing))
    sys.exit(f"no {what}")


def find(role, name, window=""):
    return wait(f"{role} \"{name}\"", lambda: look(role, name, window))


def click(thing):
    """By the mouse: a program that is told otherwise, and asks something back, says nothing more until it is answered."""
    place = thing.queryComponent().getExtents(pyatspi.DESKTOP_COORDS)
    pyatspi.Registry.generateMouseEvent(place.x + place.width // 2, place.y + place.height // 2, "b1c")


def press(name, window=""):
    click(find("push button", name, window))


def cells(table):
    try:
        return [cell.name.split("\n")[0] for cell in below(find("table", table)) if cell.getRoleName() == "table cell" and cell.name]
    except Exception:   # one went while it was looked at: its table is being filled anew
        return []


def main():
    uri, picture = sys.argv[1], sys.argv[2:]
    manager = subprocess.Popen(["virt-manager", "--no-fork", "--connect", uri, "--show-host-summary"])
    click(find("page tab", "Storage"))
    click(find("table cell", "images"))
    wait("volumes", lambda: "web.qcow2" in cells("vol-list"))
    print("pools:", *[name for name in cells("pool-list") if not name.endswith("%")])
    print("volumes:", *[name for name in cells("vol-list") if "." in name and not name.endswith("iB")])
    if picture:
        time.sleep(1)   # for what moves until it stands
        subprocess.run(["import", "-window", "root", "-crop", "800x600+0+0", "+repage", "+dither", "-colors", "48", "-strip", picture[0]], check=True)

    press("vol-new")
    find("text", "", "Add a Storage Volume").queryEditableText().setTextContents("made")
    press("Finish", "Add a Storage Volume")
    wait("new volume", lambda: "made" in cells("vol-list"))
    print("made: made")

    click(find("table cell", "made"))
    press("vol-delete")
    press("Yes")
    wait("end of the volume", lambda: {"made", "web.qcow2"} & set(cells("vol-list")) == {"web.qcow2"})
    print("deleted: made")
    manager.terminate()
    manager.wait()
    print("the end")


main()
