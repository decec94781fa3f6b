# SPDX-License-Identifier: Apache-2.0
#
# usage: awk -f tally.awk -v ci=BOOL -v complaints=FILE expected-skips LOG.json
#
# Counts TAP points (a test that is no TAP counts as one) in meson's log, one
# JSON object a line, and prints "PASSED FAILED SKIPPED". Skips that are not
# expected count as failed when ci is "true".

BEGIN { printf "" >complaints }

FILENAME != ARGV[ARGC - 1] {
	sub(/#.*/, "")
	sub(/[ \t]+$/, "")
	if ($0 != "")
		expected[$0] = 1
	next
}

function field(key,    rest) {
	if (!match($0, "\"" key "\": \""))
		return ""
	rest = substr($0, RSTART + RLENGTH)
	match(rest, /([^"\\]|\\.)*/)
	return substr(rest, 1, RLENGTH)
}

function skip(name, why) {
	if (ci == "true" && !(name in expected)) {
		failed++
		print "unexpected skip: " name ": " why >complaints
	} else
		skipped++
}

{
	test = field("name")
	sub(/^[^:]*:/, "", test) # project
	kind = test
	sub(/[+ ].*/, "", kind)
	sub(/.* \/ /, "", test)
	result = field("result")
	out = field("stdout")
	n = split(out, line, /\\n/)
	points = bad = 0
	for (i = 1; i <= n; i++) {
		if (line[i] !~ /^(not )?ok([ \t]|$)/)
			continue
		points++
		name = line[i]
		sub(/^(not )?ok[ \t]*[0-9]*[ \t]*(- )?/, "", name)
		if (line[i] ~ /# *SKIP/) {
			why = name
			sub(/.*# *SKIP[A-Za-z]* */, "", why)
			sub(/ *# *SKIP.*/, "", name)
			skip(kind "/" test ": " name, why)
		} else if (line[i] ~ /^not ok/) {
			failed++
			bad++
		} else
			passed++
	}
	fine = result == "OK" || result == "EXPECTEDFAIL" || result == "SKIP"
	if (!fine && !bad)
		failed++
	else if (!points && result == "SKIP") {
		why = "skipped as a whole"
		if (match(out, /1\.\.0[^\\]*/))
			why = substr(out, RSTART, RLENGTH)
		skip(kind "/" test, why)
	} else if (!points && fine)
		passed++
}

END { print passed + 0, failed + 0, skipped + 0 }
