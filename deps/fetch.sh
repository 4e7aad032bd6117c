# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# fetch FILE SHA256 POOL URL...: have FILE, with exactly this hash, in $SRC.
# Looked for, in this order: $DEPS_MIRROR, the cache, the archive this machine's apt uses, the given addresses.
#
# POOL is the directory in a Debian archive's pool. A pool serves all suites at once and a file there never
# changes, so neither deb-src lines nor source indices are needed, and a source package whose .dsc has gone
# missing is no obstacle. The hash is what is trusted, not the place.

# Debian keeps every file it ever published; this is the place of last resort for all of them.
# shellcheck disable=SC2034  # used by the recipes
SNAPSHOT=https://snapshot.debian.org/archive/debian/20250901T000000Z/pool/main

fetch() {
	local file=$1 sum=$2 pool=$3 url tried=(); shift 3
	local new=$SRC/.$file.$$

	if [ -n "${DEPS_MIRROR:-}" ]; then
		tried+=("\$DEPS_MIRROR: $DEPS_MIRROR/$file")
		if [ -e "$DEPS_MIRROR/$file" ]; then
			cp "$DEPS_MIRROR/$file" "$new"
			! keep_if_right "$new" "$sum" "$file" "$DEPS_MIRROR/$file" || return 0
		fi
	fi
	tried+=("cache: $SRC/$file")
	if [ -e "$SRC/$file" ]; then
		has_hash "$SRC/$file" "$sum" && return 0
		say "$SRC/$file has the wrong hash; fetching it again"
	fi
	for url in $(apt_bases); do
		# A security archive has what it brings for main under updates/main.
		for url in "${url%/}/pool/main/$pool/$file" "${url%/}/pool/updates/main/$pool/$file"; do
			tried+=("apt: $url")
			apt_download "$url" "$new" && keep_if_right "$new" "$sum" "$file" "$url" && return 0
		done
	done
	for url; do
		tried+=("upstream: $url")
		web_download "$url" "$new" && keep_if_right "$new" "$sum" "$file" "$url" && return 0
	done

	rm -f "$new"
	say "$file (sha256 $sum) is in none of these places:"
	printf '    %s\n' "${tried[@]}" >&2
	die "cannot get $file: put it into a directory and run again with DEPS_MIRROR=that-directory (\`deps/build --fetch\` on a machine with a network gets all of them)"
}

has_hash() { echo "$2  $1" | sha256sum --check --status; }

keep_if_right() {
	if has_hash "$1" "$2"; then
		mv "$1" "$SRC/$3"
		say "$3: from $4"
	else
		say "$4: wrong hash, not used"
		rm -f "$1"
		return 1
	fi
}

# The archives this machine is configured for. The addresses stay with apt: none is written into any file here.
apt_bases() {
	command -v apt-get >/dev/null || return 0
	# A release's security archive lies beside its archive, whether or not apt is told of it (debootstrap tells it of none).
	apt-get --print-uris update 2>/dev/null | sed -n "s,^'\([^']*\)/dists/.*,\1,p" | sed 's,^\(.*/debian\)/*$,\1\n\1-security,' | sort -u
}

# apt's own downloader, so that its proxy and credentials apply.
apt_download() {
	[ -x /usr/lib/apt/apt-helper ] || return 1
	/usr/lib/apt/apt-helper -q -o APT::Sandbox::User=root -o Acquire::Retries=1 -o Acquire::http::Timeout=20 \
		-o Acquire::https::Timeout=20 download-file "$1" "$2" >/dev/null 2>&1
}

web_download() {
	if command -v curl >/dev/null; then
		curl -fsSL --connect-timeout 8 --max-time 180 --retry 1 -o "$2" "$1" 2>/dev/null
	elif command -v wget >/dev/null; then
		wget -q --tries=2 --connect-timeout=8 -O "$2" "$1"
	else
		return 1
	fi
}
