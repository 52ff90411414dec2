# Sourced by tools/demo: learns whom a call persuades from half of a bank's campaign, decides for the other half through the server.
# SPDX-License-Identifier: Apache-2.0
say "The calls in two halves: odd rows to learn from, even rows held out"
plain_csv "$file" "$work/all.csv"
head -1 "$work/all.csv" | tr -d '"' | grep -q '^age;job;marital;education;default;housing;loan;contact;month;day_of_week;duration;campaign;' ||
    die "$file is not bank-additional-full.csv: its header should begin with age;job;marital; tools/examples/bank-marketing/README.md says where it is"
# The list for import has commas, plain names, and neither the answer nor the length of the call.
awk -F';' -v past="$work/past.csv" -v held="$work/held_out.csv" '
    { sub(/\r$/, "") } NR == 1 { print >past; h = $0; gsub(/"/, "", h); gsub(/\./, "_", h); gsub(/;/, ",", h); print "id," h >held; next }
    NR % 2 == 0 { print >past; next } { r = $0; gsub(/"/, "", r); gsub(/;/, ",", r); printf "p%05d,%s\n", NR - 1, r >held }' "$work/all.csv"

say "Learning what a call brings"
$tact train --csv "$work/past.csv" --config $policy/training/train.yaml --out "$work/bundle" --policy $policy

say "The policy: validated, its own tests run with that model"
$tact check $policy --model "$work/bundle"

say "The server; the held-out people come in, with the consent that the bank's own list stands for"
serve --model "$work/bundle"
at=2010-06-01T12:00:00+01:00
$tact import --server "$address" --policy $policy "$work/held_out.csv" --customer-column id --consent phone:promotional \
    --consent-time 2008-01-01T00:00:00Z --column duration= --column y=

say "A decision for each of them, over gRPC: call, or leave in peace"
at_ms=$(date -d "$at" +%s)000
awk -F, -v at="$at_ms" 'NR > 1 { printf "{\"customer_id\":\"%s\",\"channel\":\"phone\",\"as_of_ms\":\"%s\",\"explain\":true}\n", $1, at }' "$work/held_out.csv" >"$work/requests.jsonl"
$tact decide --server "$address" --requests "$work/requests.jsonl" --in-flight 64 >"$work/answers.jsonl"
# line, propensity (of the candidate: also when nothing is said), chosen
awk 'match($0, /"line": *[0-9]+/) { line = substr($0, RSTART, RLENGTH); sub(/.*[: ]/, "", line)
    p = ""; if (match($0, /"propensity": *[0-9.eE+-]+/)) { p = substr($0, RSTART, RLENGTH); sub(/.*[: ]/, "", p) }
    print line "," p "," ($0 ~ /"choices": *\[\{/ ? 1 : 0) }' "$work/answers.jsonl" | sort -t, -k1n >"$work/served"
column() { head -1 "$work/held_out.csv" | tr ',' '\n' | grep -nx "$1" | cut -d: -f1; }
paste -d, <(tail -n +2 "$work/held_out.csv") "$work/served" | awk -F, -v campaign="$(column campaign)" -v y="$(column y)" '
    { k = $campaign > 5 ? 6 : $campaign; yes = $y == "yes"; called = $NF; p = $(NF - 1)
      n[k]++; pos[k] += yes; c[k] += called; cy[k] += called * yes; sp[k] += p
      N++; POS += yes; C += called; CY += called * yes; SP += p }
    function share(a, b) { return b ? sprintf("%.1f %%", 100 * a / b) : "-" }
    function row(name, people, deposits, expected, calls, wins) {
        printf "  %-14s %7d %11s %11s %11s %13s %13s\n", name, people, share(expected, people), share(deposits, people), share(calls, people), share(wins, calls), share(deposits - wins, people - calls) }
    END { printf "  %-14s %7s %11s %11s %11s %13s %13s\n", "calls so far", "people", "expected", "deposits", "called now", "of called", "of left alone"
        for (k = 1; k <= 6; k++) if (n[k]) row(k == 6 ? "6 and more" : k, n[k], pos[k], sp[k], c[k], cy[k])
        row("all", N, POS, SP, C, CY)
        printf "\n  worth, at 60 a deposit and 6 a call: %.2f a person when all are called, %.2f as decided, with %.0f %% of the calls and %.0f %% of the deposits\n", (60 * POS - 6 * N) / N, (60 * CY - 6 * C) / N, 100 * C / N, 100 * CY / POS }'

say "A person who complains is left alone from the next decision on"
person=$(paste -d, <(tail -n +2 "$work/held_out.csv" | cut -d, -f1) "$work/served" | awk -F, '$NF == 1 && !found { print $1; found = 1 }')
$tact decide --server "$address" --as-of "$at" --customer "$person" --channel phone | sed 's/^/  /'
$tact signal --server "$address" --as-of "$at" --customer "$person" complaint topic=calls | sed 's/^/  /'
$tact decide --server "$address" --as-of "$at" --customer "$person" --channel phone | sed 's/^/  /'

if [ "$keep" ]; then
    say "The server stays up on $address:"
    echo "  $tact decide --server $address --as-of $at --customer $person --channel phone --explain"
    echo "  stop it with: kill $server; it keeps its data in $work/data"
    trap - EXIT
    exit 0
fi
stop_server
