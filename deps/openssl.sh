# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
# OpenSSL's libcrypto, for cephx and for encrypted messages. AES, SHA-2, HMAC and GCM are all that Ceph's client asks for: no TLS, no keys, no
# certificates, no engines, and no configuration files.
version=3.0.22
needs=''
provides=''
on_request=1

sources() {
	fetch openssl_3.0.22.orig.tar.gz 67ebca7e50d17383028045486653492195b83db95f8558709701bb47b5c1ef81 o/openssl \
		https://github.com/openssl/openssl/releases/download/openssl-3.0.22/openssl-3.0.22.tar.gz
}

build() {
	unpack openssl_3.0.22.orig.tar.gz
	local off='' name
	for name in afalgeng aria async autoload-config bf blake2 camellia capieng cast chacha cmp cms comp ct des devcryptoeng dgram dh dsa dso \
		ec egd engine filenames gost idea ktls legacy md4 mdc2 module multiblock nextprotoneg ocb ocsp padlockeng poly1305 psk rc2 rc4 \
		rmd160 scrypt secure-memory seed shared siphash siv sm2 sm3 sm4 sock srp srtp static-engine tests tls ts ui-console whirlpool; do
		off+=" no-$name"
	done
	# A name of its own for the place of its configuration: this machine's must not be read by chance.
	# shellcheck disable=SC2086  # lists of words
	perl ./Configure "linux-$ARCH" $off --prefix=/ --libdir=lib --openssldir=/nonexistent CC="$CC" CFLAGS="$CFLAGS"
	make -j"$JOBS" build_generated
	make -j"$JOBS" libcrypto.a
	# It looks at the processor when a program begins, and again when it is used: the first is for nobody.
	"$OBJCOPY" --remove-section=.init libcrypto.a
	mkdir -p "$OUT/include" "$OUT/lib"
	cp libcrypto.a "$OUT/lib"
	cp -r include/openssl "$OUT/include"
	rm -f "$OUT"/include/openssl/*.in
}
