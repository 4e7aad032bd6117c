# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests/style/lint and tests/style/figures both have to read out of C sources."""
import collections
import pathlib
import re
import subprocess

REPO = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = 110
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def text_of(path):
    return (REPO / path).read_text(encoding="utf-8", errors="replace")


def without_comments_and_strings(text):
    """The same lines, with only code left on them."""
    return COMMENT_OR_STRING.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def wide_lines(text, columns=COLUMNS):
    """Numbers of the lines that do not fit; a tab goes to the next multiple of 8."""
    return [number for number, line in enumerate(text.split("\n"), 1) if len(line.expandtabs(8)) > columns]


def conditionals(text):
    """How many `?:` there are, and the numbers of the lines where one lies in a part of another."""
    code = re.sub(r"^(\s*#.*)(?<!\\)$", r"\1;", without_comments_and_strings(text), flags=re.M)
    stack, count, nested, line = [[False, False]], 0, [], 1    # a bracket each: its operand has a `?`; and a bracket in it had one
    for sign in re.finditer(r"[\n?,;(){}\[\]]", code):
        sign = sign[0]
        if sign == "\n":
            line += 1
        elif sign in "({[":
            stack.append([False, False])
        elif sign in ")}]":
            inner = stack.pop() if len(stack) > 1 else stack[0]
            stack[-1][1] |= any(inner) and sign != "}"
        elif sign in ",;":
            stack[-1][:] = [False, False]
        else:
            count += 1
            if stack[-1][1] or any(has for has, _ in stack):
                nested.append(line)
            stack[-1][0] = True
        if sign in "{}":
            stack[-1][:] = [False, False]
    return count, nested


def definitions_of(kind, paths):
    """Name -> the places where it is defined, "file:line"; kind is that of ctags: f (functions), s (structs)."""
    listed = subprocess.run(["ctags", "-x", "--c-kinds=" + kind, "--_xformat=%N %F %n", *paths], cwd=REPO, stdout=subprocess.PIPE, check=True)
    found = collections.defaultdict(list)
    for line in listed.stdout.decode().splitlines():
        name, path, number = line.rsplit(" ", 2)
        if not name.startswith("__anon"):
            found[name].append(path + ":" + number)
    return found


def of_two_meanings(kind, paths):
    """A file no_X.c stands in for X.c where that is not built: its names are meant to be the same."""
    paths = [path for path in paths if not pathlib.PurePath(path).name.startswith("no_")]
    return {name: places for name, places in definitions_of(kind, paths).items() if len({place.split(":")[0] for place in places}) > 1
            or (kind == "s" and len(places) > 1)}
