#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck disable=SC2154  # moddir, initdir and systemd's are dracut's
# Sourced by dracut(8) for each image that it makes (dracut.modules(7)): poolinit, the definitions in /etc/poolinit, and what the pools that
# are started need of kernel and system. Without definitions the module is only there if it is asked for.

config=/etc/poolinit

check() {
	require_binaries poolinit || return 1
	[ -n "$(find "${dracutsysrootdir-}$config/" -name '*.xml' 2>/dev/null)" ] || return 255
}

depends() {
	# dracut-ng has a module of that name; before that the loop belonged to the base.
	local dir
	for dir in "${moddir%/*}"/[0-9][0-9]initqueue; do
		[ ! -d "$dir" ] || echo initqueue
	done
	echo udev-rules
	! planned_dm || echo dm
}

# What the plan says behind a word of the pools that are started.
planned() { # WORD
	poolinit plan --config "${dracutsysrootdir-}$config" |
		while read -r word rest; do
			case $word in
			start) started=${rest%% *} ;;
			"$1") [ "${started-}" != yes ] || echo "$rest" ;;
			esac
		done
}

# Without these rules udevd in the initramfs knows nothing of such a device, and what it notes is what udevd of the real root finds.
planned_dm() {
	[[ $(planned modules) =~ (^|[[:space:]])dm-mod([[:space:]]|$) ]] # a line for each pool
}

installkernel() {
	# shellcheck disable=SC2046  # a list
	hostonly='' instmods $(planned modules) </dev/null # where it would look for names if there are none
	if [[ $(planned needs) == *"service iscsid"* ]]; then
		instmods '=drivers/net/ethernet' virtio_net
	fi
}

# poolinit's own, which need nothing else, or the system's.
companion() { # NAME
	PATH=${dracutsysrootdir-}/usr/lib/poolinit:$PATH type -P "$1"
}

install() {
	local name program
	inst_binary poolinit /usr/sbin/poolinit
	ln -sf poolinit "$initdir/usr/sbin/poolctl"
	cp -aH "${dracutsysrootdir-}$config" "$initdir/config"
	if [[ $(planned needs) == *"service iscsid"* ]]; then
		for name in iscsid iscsiadm; do
			if program=$(companion $name); then
				inst_binary "$program" /usr/sbin/$name
			else
				dwarn "poolinit: a pool on iSCSI needs $name, which is not here: open-iscsi has it"
			fi
		done
		inst_multiple -o /etc/iscsi/initiatorname.iscsi /etc/iscsi/iscsid.conf
	fi
	if planned_dm; then
		inst_rules 11-dm-lvm.rules 56-lvm.rules
	fi
	inst_hook initqueue/settled 50 "$moddir/poolinit-start.sh"
	inst_hook initqueue/finished 50 "$moddir/poolinit-finished.sh"
	inst_hook pre-pivot 90 "$moddir/poolinit-follow.sh"
	dracut_need_initqueue
}
