# SPDX-License-Identifier: Apache-2.0
#
# usage: awk -f layers.awk layers.txt FILE...
#
# Reads the table, then the #include lines of files below src/ and include/
# (the last such component of a path counts, so that a copy of the tree can be
# checked), and prints "FILE:LINE: why" for each breach. Exit 1 if any.

function breach(why)
{
	printf "%s:%d: %s\n", FILENAME, FNR, why
	bad = 1
}

# A shell pattern with * only, as a regular expression.
function regex(pat)
{
	gsub(/[.+]/, "\\\\&", pat)
	gsub(/\*/, ".*", pat)
	return "^" pat "$"
}

function external(header,    name, i, n, pats)
{
	for (name in ext) {
		n = split(ext[name], pats, " ")
		for (i = 1; i <= n; i++)
			if (header ~ regex(pats[i]))
				return name
	}
	return ""
}

function folder(path,    n, part, i)
{
	n = split(path, part, "/")
	for (i = n - 1; i > 0; i--) {
		if (part[i] == "src" && i < n - 1)
			return part[i + 1]
		if (part[i] == "include")
			return "include"
	}
	return ""
}

NR == FNR {
	sub(/#.*/, "")
	if ($1 == "external") {
		name = $2
		sub(/:$/, "", name)
		$1 = $2 = ""
		ext[name] = $0
	} else if (NF) {
		name = $1
		sub(/:$/, "", name)
		row[name] = 1
		n = split($0, half, "|")
		for (h = 1; h <= n; h++) {
			m = split(half[h], word, " ")
			for (i = (h == 1) ? 2 : 1; i <= m; i++)
				may[name, word[i]] = 1
		}
	}
	next
}

FNR == 1 {
	here = folder(FILENAME)
	if (!(here in row))
		breach("folder \"" here "\" has no row in layers.txt")
}

/^[ \t]*#[ \t]*include/ {
	line = $0
	sub(/^[ \t]*#[ \t]*include[ \t]*/, "", line)
	if (line ~ /^"/) {
		split(line, q, "\"")
		if (q[2] ~ /\.\./)
			breach("\"" q[2] "\" climbs out of its folder")
		else if (!index(q[2], "/")) {
			if (here == "include")
				breach("public headers include <cordon/...> or libc")
		} else {
			to = substr(q[2], 1, index(q[2], "/") - 1)
			if (to != here && !((here, to) in may))
				breach(here " may not include " to " (\"" q[2] "\")")
		}
	} else if (line ~ /^</) {
		header = substr(line, 2, index(line, ">") - 2)
		if (header ~ /^cordon\//) {
			if (here != "include" && !((here, "cordon") in may))
				breach(here " may not include <" header ">")
			next
		}
		name = external(header)
		if (name == "")
			breach("no line of layers.txt names <" header ">")
		else if (name != "libc" && !((here, name) in may))
			breach(here " may not include " name " (<" header ">)")
	} else
		breach("cannot read this include")
}

END { exit bad }
