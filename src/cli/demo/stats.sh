#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# One line of JSON a second about this machine, for websocketd: processor use
# since the line before, memory, load, uptime. Shell built-ins read /proc; the
# only program started is sleep.
busy0=0 all0=0
while :; do
	read -r _ user nice system idle iowait irq softirq steal _ </proc/stat
	busy=$((user + nice + system + irq + softirq + steal))
	all=$((busy + idle + iowait))
	cpu=0
	[ "$all" -gt "$all0" ] && cpu=$(((busy - busy0) * 1000 / (all - all0)))
	[ "$all0" -eq 0 ] && cpu=0
	busy0=$busy all0=$all
	total=0 free=0
	while read -r name value _; do
		case $name in
		MemTotal:) total=$value ;;
		MemAvailable:) free=$value && break ;;
		esac
	done </proc/meminfo
	read -r load _ _ tasks _ </proc/loadavg
	read -r uptime _ </proc/uptime
	printf '{"cpu":%d.%d,"memory_kb":%d,"memory_total_kb":%d,"load":%s,"tasks":%d,"uptime":%s}\n' \
		$((cpu / 10)) $((cpu % 10)) $((total - free)) "$total" \
		"$load" "${tasks#*/}" "$uptime" || exit 0
	sleep 1
done
