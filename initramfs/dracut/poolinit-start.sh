#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2154  # hookdir is dracut's
# Sourced in dracut's loop, which also brings networks up and so must not wait here: bring the pools up in the background. poolinit-finished.sh
# says when that is over, and the supervisor goes on and follows into the real root. An image without dracut's own network has poolinit's.
if [ ! -e /run/poolinit/begun ]; then
	mkdir -p /run/poolinit
	: >/run/poolinit/begun
	network=--network
	[ ! -e /sbin/netroot ] || network=''
	(
		/usr/sbin/poolinit boot $network
		echo $? >/run/poolinit/over
		: >"$hookdir/initqueue/work"
	) </dev/null &
	unset network
fi
