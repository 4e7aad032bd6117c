#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2154  # dracut's
# Sourced before the change of root: the supervisor lets go of the initramfs.
/usr/sbin/poolctl follow "$NEWROOT"
