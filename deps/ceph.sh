# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2154
# Ceph's client libraries, librados and librbd, with what they need of boost and fmt, which lie in Ceph's tarball. C++, and by far the longest of
# all builds: its objects are kept until it is done, so that one that was interrupted goes on where it was.
# README.md says how this differs from Ceph's own build, and what is left out.
version=18.2.7
needs='libstdcxx openssl'
provides='
LIBS_rbd = -Wl,--eh-frame-hdr -Wl,--start-group -lceph -lcrypto -lstdc++ -lgcc_eh -lc -Wl,--end-group'
on_request=1

sources() {
	fetch ceph_18.2.7+ds.orig.tar.xz 71c0795fa0d6312ec7b57dee4031559b7e62e086a78e6ae1ad8549e0b351e28f c/ceph \
		"$SNAPSHOT/c/ceph/ceph_18.2.7%2Bds.orig.tar.xz"
}

build() {
	local parts=$RESULTS/.parts-ceph-${KEY[ceph]}
	mkdir -p "$parts"
	unpack_needed
	cp -r "$RECIPES/ceph/instead" "$RECIPES/ceph/musl.h" "$RECIPES"/ceph/*.c .
	generate
	units >list
	compile_units "$parts"
	absent "$parts" >absent.s
	"$CC" -c -o "$parts/absent.o" absent.s
	"$AR" rcsD libceph.a "$parts"/*.o
	mkdir -p "$OUT/lib" "$OUT/include/rados" "$OUT/include/rbd"
	cp libceph.a "$OUT/lib"
	cp src/include/rados/{librados,rados_types}.h "$OUT/include/rados"
	cp src/include/rbd/{librbd,features}.h "$OUT/include/rbd"
	rm -rf "$parts"
}

unpack_needed() {
	local part parts=()
	for part in arch auth boost/boost boost/libs/random/src boost/libs/thread/src ceph_ver.c cls/journal cls/lock cls/rbd common compressor \
		crush crypto erasure-code extblkdev fmt/include global include journal json_spirit kv librados librbd log mds messages mgr mon msg \
		neorados objclass os osd osdc perfglue s3select/rapidjson/include tracing xxHash; do
		parts+=("*/src/$part")
	done
	tar -xf "$SRC/ceph_18.2.7+ds.orig.tar.xz" --strip-components=1 --no-same-owner --wildcards "${parts[@]}"
	find src -exec touch -h -d @1700000000 {} +
}

# What Ceph's own build makes: the tables of options. Those of programs that are not built stay empty.
OPTIONS='global mon osd mgr mds mds-client rbd'
OPTIONS_OF_OTHERS='cephfs-mirror rbd-mirror immutable-object-cache crimson rgw ceph-exporter'
generate() {
	local name others
	mkdir -p made
	for name in $OPTIONS; do
		# shellcheck disable=SC2016  # Ceph's own $
		sed -e 's,@CEPH_INSTALL_FULL_PKGLIBDIR@,/nonexistent,; s,@CEPH_INSTALL_DATADIR@,/nonexistent,; s,@CMAKE_INSTALL_LIBDIR@,lib,' \
			-e 's,@keyring_paths@,/etc/ceph/$cluster.$name.keyring,; s,@ms_bind_retry_count@,3,; s,@ms_bind_retry_delay@,5,' \
			-e 's,@osd_erasure_code_plugins@,,; s,@mgr_disabled_modules@,,' \
			"src/common/options/$name.yaml.in" >"made/$name.yaml"
		python3 src/common/options/y2c.py --input "made/$name.yaml" --output "made/${name}_options.cc" \
			--legacy "made/${name}_legacy_options.h" --name "$name"
	done
	for name in $OPTIONS_OF_OTHERS; do : >"made/${name}_legacy_options.h"; done
	others=$(tr ' -' '|_' <<<"$OPTIONS_OF_OTHERS")
	sed -E -e "/get_($others)_options/d" -e 's,"build_options.h","common/options/build_options.h",' \
		src/common/options/build_options.cc >made/all_options.cc
	awk -f "$RECIPES/ceph/messages.awk" src/msg/Message.cc >made/Message.cc
	mv made/Message.cc src/msg/Message.cc
	# Who removes an image removes its journal, whether it has one or not. The backend refuses images that have one.
	sed -i '/^void RemoveRequest<I>::send_journal_remove() {/a handle_journal_remove(0);\nreturn;' src/librbd/image/RemoveRequest.cc
}

# units: print one line for each compilation: how, its name, and its files; see ceph/units.
units() {
	local name
	for name in all $OPTIONS; do echo "options $name-options made/${name}_options.cc"; done
	echo "c++ boost src/boost/libs/random/src/random_device.cpp src/boost/libs/thread/src/future.cpp" \
		"src/boost/libs/thread/src/pthread/thread.cpp src/boost/libs/thread/src/pthread/once.cpp"
	echo "c find_object find_object.c"
	echo "c left_out left_out.c"
	awk '
		function flush() { if (files) print "c++ " unit files; files = "" }
		/^(#|$)/ { next }
		/^[^ ]/ { flush(); unit = $1; next }
		/\.c$/ { name = $1; gsub(/[\/.]/, "_", name); print "c " name " src/" $1; next }
		{ files = files " src/" $1 }
		END { flush() }' "$RECIPES/ceph/units"
}

# compile_units PARTS: the objects that are not there yet, with word of how far it is.
compile_units() {
	local parts=$1 all left
	export parts
	export CEPH_CXX="$NEEDS/bin/musl-g++ -std=c++20 -ftemplate-depth-1024 -DFMT_HEADER_ONLY"
	export CEPH_FLAGS="-Os -g0 -w -DNDEBUG -fno-pie -fsigned-char -fno-strict-aliasing -ffunction-sections -fdata-sections -fstack-protector-strong
		-DHAVE_CONFIG_H -D__CEPH__ -D_REENTRANT -D_THREAD_SAFE -D__STDC_FORMAT_MACROS -D_FILE_OFFSET_BITS=64 -D_GNU_SOURCE -D_LARGEFILE64_SOURCE
		-DBOOST_ASIO_DISABLE_THREAD_KEYWORD_EXTENSION -DBOOST_ASIO_USE_TS_EXECUTOR_AS_DEFAULT -DBOOST_THREAD_BUILD_LIB=1
		-DCMAKE_INSTALL_LIBDIR=\"lib\" -DCEPH_INSTALL_FULL_PKGLIBDIR=\"/nonexistent\" -DCEPH_INSTALL_DATADIR=\"/nonexistent\"
		-include musl.h -Iinstead -Imade -Isrc
		-isystem src/boost -isystem src/fmt/include -isystem src/xxHash -isystem src/s3select/rapidjson/include
		-isystem $NEEDS/include $KERNEL_HEADERS"
	all=$(wc -l <list)
	while read -r how name files; do
		[ -e "$parts/$name.o" ] || echo "$how $name $files"
	done <list >left
	left=$(wc -l <left)
	[ "$left" = "$all" ] || progress "ceph: $((all - left)) of $all parts are there from an earlier run"
	export -f compile_unit
	xargs -P "$JOBS" -d '\n' -n 1 bash -c 'set -e; compile_unit $1' sh <left &
	local running=$! there said=
	while kill -0 $running 2>/dev/null; do
		there=$(find "$parts" -name '*.o' ! -name '.*' | wc -l)
		[ "$there" = "$said" ] || progress "ceph: $there of $all parts"
		said=$there
		sleep 10
	done
	wait $running
}

# compile_unit HOW NAME FILE...: an object appears when it is whole.
compile_unit() {
	local how=$1 name=$2 file compiler flags=; shift 2
	case $how in
	options) compiler=$CEPH_CXX flags=-O0 ;; # tables of thousands of constructors: one optimized takes minutes, and says nothing else
	c) compiler=$CC flags=-std=gnu17 ;;
	*) compiler=$CEPH_CXX ;;
	esac
	if [ $# = 1 ]; then
		file=$1
	else
		file=made/unit_$name.cc
		for f; do
			# What a file's own log messages begin with, and what its headers would have to see anew.
			printf '#include "../%s"\n' "$f"
			printf '#undef %s\n' dout_subsys dout_prefix dout_context FN_CONTEXT TRACEPOINT_DEFINE
			echo '#define dout_prefix *_dout'
		done >"$file"
	fi
	echo "$name: $(date +%T)"
	$compiler $CEPH_FLAGS $flags -c -o "$parts/.$name.o" "$file"
	mv "$parts/.$name.o" "$parts/$name.o"
	echo "$name: done $(date +%T)"
}

# absent PARTS: assembler text in which whatever the parts want of what is left out leads to ceph_left_out(): functions, and the tables of virtual
# ones. Only names of these rooms; what else is missing is an error when the program is linked.
LEFT_OUT='librbd::(Journal|journal::|mirror::|Mirror|migration::|deep_copy::|DeepCopyRequest|crypto::|LibrbdAdminSocketHook|api::(Mirror|Migration|Group))|(cls::)?journal::'
absent() {
	local name meaning
	"$NM" --defined-only "$1"/*.o | awk 'NF == 3 { print $3 }' | sort -u >defined
	echo '.section .note.GNU-stack,"",@progbits'
	echo '.text'
	echo 'absent: jmp ceph_left_out'
	"$NM" -u "$1"/*.o | awk '$2 ~ /^_Z/ { print $2 }' | sort -u | comm -23 - defined >missing
	c++filt <missing | paste missing - | grep -E "^[^ 	]+	((vtable|typeinfo|VTT) for |(non-)?virtual thunk to )?($LEFT_OUT)" |
		while IFS=$'\t' read -r name meaning; do
			echo ".globl $name"
			case $meaning in
			vtable* | typeinfo* | VTT*) printf '.data\n.balign 8\n%s: .rept 64\n.quad absent\n.endr\n.text\n' "$name" ;;
			*) echo ".set $name, absent" ;;
			esac
		done
}
