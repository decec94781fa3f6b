# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# One-time codes of a second factor (RFC 6238: SHA-1, six digits). Source it.
#
#	totp BASE32 [STEP]	the code of a step of 30 s, or of now

totp() {
	local step=${2:-$(($(date +%s) / 30))} hash offset
	hash=$(printf "$(printf '%016x' $step | sed 's/../\\x&/g')" |
		openssl dgst -sha1 -mac HMAC -macopt "hexkey:$(
			printf '%s' "$1" | base32 -d | od -An -tx1 -v | tr -d ' \n'
		)" | sed 's/.* //')
	offset=$((16#${hash:39:1}))
	printf '%06d' $(((16#${hash:offset*2:8} & 0x7fffffff) % 1000000))
}
