# Sourced by tools/demo: learns from one half of the campaign, decides for the other half through the server, says what that
# would have been worth. SPDX-License-Identifier: Apache-2.0
say "The campaign in two halves: odd rows to learn from, even rows held out"
plain_csv "$file" "$work/all.csv"
head -1 "$work/all.csv" | tr -d '\r' | grep -q '^recency,history_segment,history,mens,womens,zip_code,newbie,channel,segment,visit,conversion,spend$' ||
    die "$file is not the Hillstrom data set: its header should begin with recency,history_segment,history; tools/examples/hillstrom/README.md says where it is"
awk -v past="$work/past.csv" -v held="$work/held_out.csv" '{ sub(/\r$/, "") } NR == 1 { print >past; print "id," $0 >held; next }
    NR % 2 == 0 { print >past; next } { printf "c%05d,%s\n", NR - 1, $0 >held }' "$work/all.csv"
wc -l <"$work/past.csv" | awk '{ printf "%d customers to learn from, ", $1 - 1 }'
wc -l <"$work/held_out.csv" | awk '{ printf "%d held out\n", $1 - 1 }'

say "Learning what each mail changes"
$tact train --csv "$work/past.csv" --config $policy/training/train.yaml --out "$work/bundle" --policy $policy

say "The policy: validated, its own tests run with that model"
$tact check $policy --model "$work/bundle"

say "The server; the held-out customers come in, with the consent that the campaign's own list stands for"
serve --model "$work/bundle"
at=2008-03-01T12:00:00-06:00
$tact import --server "$address" --policy $policy "$work/held_out.csv" --customer-column id --consent email:promotional \
    --consent-time 2008-02-01T00:00:00Z --column segment= --column visit= --column conversion= --column spend=

say "A decision for each of them, over gRPC"
at_ms=$(date -d "$at" +%s)000
awk -F, -v at="$at_ms" 'NR > 1 { printf "{\"customer_id\":\"%s\",\"channel\":\"email\",\"as_of_ms\":\"%s\"}\n", $1, at }' "$work/held_out.csv" >"$work/requests.jsonl"
$tact decide --server "$address" --requests "$work/requests.jsonl" --in-flight 64 >"$work/answers.jsonl"
# line → action; a decision without a choice is silence
awk 'match($0, /"line": *[0-9]+/) { line = substr($0, RSTART, RLENGTH); sub(/.*[: ]/, "", line)
    action = "silence"
    if (match($0, /"choices": *\[\{[^]]*/)) { c = substr($0, RSTART, RLENGTH); if (match(c, /"action_id": *"[^"]*"/)) { action = substr(c, RSTART, RLENGTH); sub(/"$/, "", action); sub(/.*"/, "", action) } }
    print line "," action }' "$work/answers.jsonl" | sort -t, -k1n >"$work/served"
paste -d, "$work/held_out.csv" <(echo decided; cut -d, -f2 "$work/served") >"$work/decided.csv"
cut -d, -f2 "$work/served" | sort | uniq -c | awk '{ printf "  %6d  %s\n", $1, $2 }'

say "The same decisions offline, by the function that the server calls"
columns=(--action segment --map "Mens E-Mail=mens_mail" --map "Womens E-Mail=womens_mail" --silence "No E-Mail" --probability shares)
as_served=(--policy $policy --model "$work/bundle" --channel email --customer id --consent email:promotional --as-of $at)
$tact evaluate --csv "$work/held_out.csv" "${columns[@]}" --reward visit "${as_served[@]}" --resamples 0 --decisions "$work/offline.csv" >/dev/null
differing=$(paste -d, "$work/offline.csv" <(echo decided; cut -d, -f2 "$work/served") | awk -F, 'NR > 1 && $2 != $3' | wc -l)
echo "$(($(wc -l <"$work/offline.csv") - 1)) customers, $differing decided otherwise than over gRPC"
[ "$differing" = 0 ] || die "the offline function and the server differ"

# What the served decisions would have been worth, beside doing the same for everybody. The model of the reward is fitted on
# the held-out rows themselves, each predicted from the others, so that nothing of the first half is in it.
features=recency,history_segment,history,mens,womens,zip_code,newbie,channel
policies=(--target-choices decided --arm silence --arm mens_mail --arm womens_mail --uniform --expected-features $features)
say "What that is worth: visits a customer within two weeks (silence for all is the reference)"
$tact evaluate --csv "$work/decided.csv" "${columns[@]}" --reward visit "${policies[@]}" --reference silence --brief
say "Dollars spent a customer"
$tact evaluate --csv "$work/decided.csv" "${columns[@]}" --reward spend "${policies[@]}" --reference silence --brief
say "Visits a customer, less 0.077 visits for each mail: the value that the policy is after"
$tact evaluate --csv "$work/decided.csv" "${columns[@]}" --reward visit --cost 0.077 "${policies[@]}" --reference silence --brief

say "Over the cost of a mail: the policy decides anew at each"
svg=build/hillstrom.svg
$tact evaluate --csv "$work/held_out.csv" "${columns[@]}" --reward visit "${as_served[@]}" --arm silence --arm mens_mail --arm womens_mail \
    --expected-features $features --costs 0:0.16:0.02 --svg $svg
echo "drawn in $svg"

if [ "$keep" ]; then
    say "The server stays up on $address; ask it about a customer of the held-out half:"
    echo "  $tact decide --server $address --customer c00002 --channel email --explain"
    echo "  stop it with: kill $server; it keeps its data in $work/data"
    trap - EXIT
    exit 0
fi
stop_server
