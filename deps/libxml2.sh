# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
# libxml2: the parser, the tree, the serializer, and XPath for poolctl's --xpath; none of the other languages built on top of them.
# no-doctype.patch refuses document type declarations, and with them entities, external subsets and their history of
# bugs; README.md says what the released version's other known bugs are and why they do not matter here.
version=2.9.14
needs=''
provides='LIBS_xml2 = -lxml2'

sources() {
	fetch libxml2_2.9.14+dfsg.orig.tar.xz 4fe913dec8b1ab89d13b489b419a8203176ea39e931eaa0d25b17eafb9c279e9 libx/libxml2 \
		"$SNAPSHOT/libx/libxml2/libxml2_2.9.14%2Bdfsg.orig.tar.xz"
}

build() {
	unpack libxml2_2.9.14+dfsg.orig.tar.xz
	local off='' name
	for name in c14n catalog debug docbook ftp history html http icu iconv iso8859x legacy lzma mem-debug modules \
		pattern push python reader readline regexps run-debug sax1 schemas schematron threads valid writer \
		xinclude xptr zlib; do
		off+=" --without-$name"
	done
	# shellcheck disable=SC2086  # a list of options
	./configure $FOR --prefix=/usr --sysconfdir=/etc --disable-shared --enable-static --disable-dependency-tracking \
		--with-tree --with-output --with-xpath $off
	make -j"$JOBS" libxml2.la
	mkdir -p "$OUT/include/libxml" "$OUT/lib"
	cp include/libxml/*.h "$OUT/include/libxml"
	cp .libs/libxml2.a "$OUT/lib"
}
