#!/usr/bin/env bash
# curl and a shell: what a reader of the README has at hand.
set -uo pipefail
url=$1 examples=$2 here=$(dirname "$0")
judge() { if [ "$2" = 0 ]; then echo "ok $1"; else echo "FAILED $1: $3"; fi; }

reply=$(curl -sS --fail-with-body --json "@$examples/lecture.json" "$url/v1/gradients")
judge "gradients of the lecture's network" $? "$reply"
grep -qE '"loss": ?[0-9]' <<<"$reply"; judge "a loss" $? "$reply"
grep -qE '"[a-z0-9]+->[a-z0-9]+": ?-?[0-9]' <<<"$reply"; judge "a gradient for an edge" $? "$reply"
grep -q '"dE_dz": \?\[' <<<"$reply"; judge "a trace" $? "$reply"

again=$(curl -sS --json "@$examples/lecture.json" "$url/v1/gradients")
[ "$reply" = "$again" ]; judge "equal bytes for equal requests" $? "$again"

reply=$(curl -sS -w '\n%{http_code} %{content_type}' --json "@$here/bad.json" "$url/v1/gradients")
grep -q '^422 application/problem+json' <<<"$reply"; judge "422 with a problem document" $? "$reply"
grep -q '"/network/nodes/0/inputs/x9"' <<<"$reply" && grep -q '"/network/nodes/1/op"' <<<"$reply"; judge "both pointers" $? "$reply"

reply=$(curl -sS -o /dev/null -w '%{http_code}' --json '{"network": NaN}' "$url/v1/gradients")
[ "$reply" = 400 ]; judge "400 for what is not JSON" $? "$reply"
reply=$(curl -sS -o /dev/null -w '%{http_code}' "$url/v1/gradients")
[ "$reply" = 405 ]; judge "405 for GET" $? "$reply"

reply=$(for _ in 1 2 3; do tr -d '\n' <"$examples/lecture.json"; echo; done |
  curl -sS -H 'content-type: application/x-ndjson' --data-binary @- "$url/v1/gradients" | grep -c '^{"status":200,"body":{"loss"')
[ "$reply" = 3 ]; judge "three lines of NDJSON" $? "$reply"
