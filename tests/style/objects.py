# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who needs whom among objects, for tests/style/lint and tests/style/figures.

Objects form a cycle if each of them needs a symbol of the next, and the last one of the first: none of them can be understood, tested or
taken away without the others. A pointer to a function that is handed over when the program begins makes none.
"""
import collections
import concurrent.futures
import pathlib
import re
import subprocess

from page import REPO


def needs_of(folder, sources):
    """Object -> the objects below `folder` that it needs -> by which symbols. Names are relative to it, without ".o". Objects whose source
    has gone from `sources` are left over from an earlier day."""
    objects = sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*.o")
                     if pathlib.Path(sources, path.relative_to(folder)).with_suffix(".c").exists())
    defined, wanted = {}, collections.defaultdict(set)
    listed = subprocess.run(["nm", "-A", "-g", *objects], cwd=folder, stdout=subprocess.PIPE, check=True).stdout.decode() if objects else ""
    for line in listed.splitlines():
        path, rest = line.split(":", 1)
        kind, name = rest.split()[-2:]
        if kind in "Uw":
            wanted[path.removesuffix(".o")].add(name)
        else:
            defined[name] = path.removesuffix(".o")
    needs = {path.removesuffix(".o"): collections.defaultdict(set) for path in objects}
    for path, names in wanted.items():
        for name in names:
            if defined.get(name, path) != path:
                needs[path][defined[name]].add(name)
    return needs


def cycles(needs):
    """Sets of nodes that reach each other, the single ones left out (Tarjan, without recursion: the stack is our own)."""
    index, low, stack, found = {}, {}, [], []
    for root in needs:
        work = [] if root in index else [(root, iter(needs[root]))]
        while work:
            node, others = work[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                stack.append(node)
            for other in others:
                if other not in index:
                    work.append((other, iter(needs[other])))
                    break
                if other in stack:
                    low[node] = min(low[node], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    at = stack.index(node)
                    if len(stack) - at > 1:
                        found.append(set(stack[at:]))
                    del stack[at:]
    return found


def folder_of(path):
    return str(pathlib.PurePath(path).parent)


def across_folders(needs):
    return [cycle for cycle in cycles(needs) if len({folder_of(path) for path in cycle}) > 1]


def within_folders(needs):
    """Folder -> its cycles, if nobody else were there."""
    found = {}
    for folder in sorted({folder_of(path) for path in needs}):
        own = {path: [other for other in needs[path] if folder_of(other) == folder] for path in needs if folder_of(path) == folder}
        if cycles(own):
            found[folder] = cycles(own)
    return found


def edges(needs, cycle):
    """A line for each need in a cycle."""
    for path in sorted(cycle):
        for other in sorted(set(needs[path]) & cycle):
            yield "%s needs %s for %s" % (path, other, ", ".join(sorted(needs[path][other])))


def compile_all(sources, flags, folder, jobs):
    """Objects of these sources ("src/a/b.c" -> FOLDER/a/b.o), as quickly as can be. Yields what the compiler says of those that have none."""

    def one(path):
        out = pathlib.Path(folder, re.sub(r"^src/(.*)\.c$", r"\1.o", path))
        out.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["cc", "-O0", "-w", *flags, "-c", "-o", str(out), path], cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return [] if done.returncode == 0 else ["%s cannot be compiled: %s" % (path, line) for line in done.stdout.decode(errors="replace").splitlines()[:3]]

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for lines in pool.map(one, sources):
            yield from lines
