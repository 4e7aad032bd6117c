#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced in dracut's loop, which goes on until this is true: boot is over for poolinit, well or not.
[ -e /run/poolinit/over ]
