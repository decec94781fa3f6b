# SPDX-License-Identifier: Apache-2.0
#
# A buffer that its scope ends must be begun before that scope can be left:
# cd_buf_done() of what nobody wrote frees an address of the stack's past. The
# compiler does not see it, since the buffer's address goes to other functions.
# Each `struct cd_buf NAME cd_auto(cd_buf_done)` without a value must be given to
# cd_buf_init() before the next return or goto and the end of its function.

function complain(name, what)
{
	print FILENAME ":" due[name] ": " name " may be ended before it is begun: " what
	bad = 1
	delete due[name]
}

FNR == 1 { split("", due) }

{ sub(/\/\*.*\*\//, "") }

/^}/ {
	for (name in due)
		complain(name, "never")
}

{
	for (name in due)
		if (match($0, "cd_buf_init\\(&" name ","))
			delete due[name]
}

/(^|[^A-Za-z0-9_])(return|goto)([^A-Za-z0-9_]|$)/ {
	for (name in due)
		complain(name, "line " FNR)
}

/struct cd_buf .*cd_auto\(cd_buf_done\)/ {
	n = split($0, part, ",")
	for (i = 1; i <= n; i++)
		if (match(part[i], /[A-Za-z0-9_]+ cd_auto\(cd_buf_done\)/) &&
		    part[i] !~ /cd_auto\(cd_buf_done\)[ \t]*=/) {
			name = substr(part[i], RSTART, RLENGTH)
			sub(/ .*/, "", name)
			due[name] = FNR
		}
}

END { exit bad }
