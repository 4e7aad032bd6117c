# SPDX-License-Identifier: LGPL-2.1-or-later
"""The operations that a type of pools has, as the program itself prints them, and what the matrix tests make of that: what it has is done and looked at
with another program, what it has not is refused as unsupported and changes nothing.
"""

from sandbox import command

# operation: what a test's class calls how it is done, and how a type that has it not is asked
OPERATIONS = {
    "build": ("build", "pool-build {pool}"),
    "find": ("find", "find-storage-pool-sources {kind}"),
    "vol-create, vol-clone": ("create", "vol-create-as {pool} none 8M"),
    "vol-resize": ("resize", "vol-resize {volume} 64M --pool {pool}"),
    "vol-wipe": ("wipe", "vol-wipe {volume} --pool {pool}"),
    "vol-upload, vol-download": ("transfer", "vol-upload {volume} /tmp/sent --pool {pool}"),
    "vol-delete": ("delete_volume", "vol-delete {volume} --pool {pool}"),
    "delete": ("delete", "pool-delete {pool}"),
}


def operations(program):
    """{type: {operation: has it}} of the types that work."""
    lines = command(program, "backends", "--format", "operations").splitlines()
    head, *rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines if "---" not in line]
    table = {row[0]: {word: cell == "yes" for word, cell in zip(head[1:], row[1:])} for row in rows}
    assert all(set(row) == set(OPERATIONS) for row in table.values()), table
    return table
