# Sourced by tools/demo: the story of a winter week in Tehran, with real calls to a real server. SPDX-License-Identifier: Apache-2.0
say "A simulated month of customers, and a model trained on it"
$tact simulate --policy $policy --customers 2000 --days 60 --seed 7 --out "$work/history.csv"
$tact train --csv "$work/history.csv" --config $policy/training/train.yaml --policy $policy --out "$work/bundle"

say "The policy: validated, its own tests run with that model"
$tact check $policy --model "$work/bundle"

say "The server: gRPC on a port of its own, a private Redis, every decision logged"
serve --model "$work/bundle"

# Everybody's e-mail and text-message consent comes with the list; a third of the crowd has given none.
printf 'id,first_name,locale,tier,spend_365d\nmaryam,مریم,fa,gold,2400\nsara,Sara,en,silver,900\n' >"$work/customers.csv"
$tact import --server "$address" --policy $policy "$work/customers.csv" --customer-column id \
    --consent email:promotional --consent sms:promotional

now=
at() { now=$1; printf '\n-- %s, %s\n' "$2" "$3"; }
call() { # shows a call as one would type it, makes it, shows the answer
    printf '$ tact %s\n' "$*"
    local command=$1; shift
    $tact "$command" --server "$address" --as-of "$now" "$@" | sed 's/^/  /'
}

say "The story (--server and --as-of are left out of the calls shown)"
at 2025-01-15T14:00:00+03:30 "Wednesday 14:00" "Maryam has filled her cart"
call signal --customer maryam cart_add sku=dress-7 category=fashion price=62 --ago 40m
call decide --customer maryam --channel web --placement cart_banner

at 2025-01-15T15:00:00+03:30 "15:00" "her new phone is broken, and she calls support: no promotion now, on any channel"
call signal --customer maryam support_contact case=c1 topic=broken sentiment=-0.8
call decide --customer maryam --channel web --placement cart_banner
call decide --customer maryam --channel sms --mode reserve
echo "…but help is welcome:"
call decide --customer maryam --channel email --mode reserve

at 2025-01-17T18:00:00+03:30 "Friday 18:00" "the case is resolved, and the silence passes"
call signal --customer maryam support_resolved case=c1 csat=4.5
call decide --customer maryam --channel web --placement home_hero

at 2025-01-20T11:00:00+03:30 "Monday 11:00" "the dress came back: it did not fit"
call signal --customer maryam item_returned sku=dress-7 category=fashion reason=size amount=62
call decide --customer maryam --channel app
echo "…and fashion is held back:"
$tact decide --server "$address" --as-of "$now" --customer maryam --channel web --placement home_hero --explain |
    grep 'fashion_' | sed 's/^/  /'

at 2025-01-18T10:00:00+03:30 "Saturday to Wednesday" "a third e-mail in a week is one too many for Sara"
for day in 18 20 22; do
    now=2025-01-${day}T10:00:00+03:30
    printf '(January %s) ' $day
    call decide --customer sara --channel email --mode reserve --request-id sara-$day
    # The same request_id again gives the same decision: here for its handle, to report that it was sent.
    handle=$($tact decide --server "$address" --as-of "$now" --customer sara --channel email --mode reserve --request-id sara-$day --json |
        sed -n 's/.*"handles": *\["\([^"]*\)".*/\1/p')
    [ -z "$handle" ] || $tact outcome --server "$address" --as-of "$now" sent --handle "$handle" >/dev/null
done

at 2025-01-28T22:30:00+03:30 "Tuesday 22:30" "night in Tehran is quiet"
call decide --customer sara --channel email --mode reserve

say "A crowd: 2,000 customers, each with a day of signals; a third never agreed to e-mails or text messages"
awk 'BEGIN { srand(5); split("basic silver gold", tier); split("fa en", lang); print "id,locale,tier,spend_365d"
    for (i = 0; i < 2000; i++) if (i % 3) printf "crowd-%d,%s,%s,%d\n", i, lang[1 + (rand() < 0.3)], tier[1 + int(rand() * 3)], rand() * 3000 }' >"$work/crowd.csv"
$tact import --server "$address" --policy $policy "$work/crowd.csv" --customer-column id --consent email:promotional --consent sms:promotional
awk 'BEGIN { srand(11); split("email sms web app", ch); split("fashion electronics home", cat);
    for (i = 0; i < 2000; i++) {
        t = 1737100000000 + int(rand() * 400000000); s = ""; n = int(rand() * 4);
        for (k = 0; k < n; k++) {
            u = rand(); c = cat[1 + int(rand() * 3)]; at = t - int(rand() * 40000000)
            if (u < 0.45) e = sprintf("\"cart_add\",\"properties\":{\"category\":{\"string_value\":\"%s\"},\"price\":{\"number_value\":%d}}", c, 10 + rand() * 90)
            else if (u < 0.7) e = sprintf("\"page_view\",\"properties\":{\"category\":{\"string_value\":\"%s\"}}", c)
            else if (u < 0.82) e = sprintf("\"support_contact\",\"properties\":{\"case\":{\"string_value\":\"k%d\"},\"topic\":{\"string_value\":\"broken\"}}", k)
            else if (u < 0.92) e = "\"item_returned\",\"properties\":{\"reason\":{\"string_value\":\"size\"}}"
            else e = sprintf("\"order_delayed\",\"properties\":{\"order\":{\"string_value\":\"o%d\"}}", i)
            s = s sprintf("%s{\"event_id\":\"s%d-%d\",\"time_ms\":\"%.0f\",\"name\":%s}", k ? "," : "", i, k, at, e)
        }
        c = ch[1 + int(rand() * 4)]; w = c == "web" ? "\"placements\":[\"home_hero\"]," : ""
        printf "{\"request_id\":\"crowd-%d\",\"customer_id\":\"crowd-%d\",\"channel\":\"%s\",%s\"as_of_ms\":\"%.0f\",\"signals\":[%s]}\n", i, i, c, w, t, s
    } }' >"$work/crowd.jsonl"
$tact decide --server "$address" --requests "$work/crowd.jsonl" --in-flight 8 >"$work/crowd.out"
sed 's/,"signals":\[.*\]//; s/"request_id":"[^"]*",//' "$work/crowd.jsonl" >"$work/again.jsonl"
$tact decide --server "$address" --requests "$work/again.jsonl" --in-flight 8 >"$work/again.out"
kill -USR1 $server
for _ in $(seq 100); do grep -q '^stats ' "$work/serve.out" && break; sleep 0.05; done
awk '/^stats / { for (i = 2; i <= NF; i++) { split($i, w, "="); v[w[1]] = w[2] }
    printf "%d decisions in the server, %d of them repeats of a request_id\n", v["decisions_ok"], v["repeated"]
    printf "  %d that only read (Redis, rules, model): p50 %d µs, p99 %d µs\n", v["reads"], v["p50_us"], v["p99_us"]
    printf "  %d that wrote (signals or a contact; the log is on disk before the answer): p50 %d µs, p99 %d µs\n", v["writes"], v["write_p50_us"], v["write_p99_us"]
    printf "  %5.1f %%  a message\n", 100 * v["chosen"] / v["decisions_ok"]; fflush()
    for (k in v) if (k ~ /^suppressed_/) { c = substr(k, 12); gsub("_", " ", c); printf "  %5.1f %%  silent: %s\n", 100 * v[k] / v["decisions_ok"], c | "sort -rn" } }' \
    "$work/serve.out"

if [ "$keep" ]; then
    say "The server stays up on $address; call it, from any gRPC client, or:"
    echo "  $tact decide --server $address --customer maryam --channel web --placement home_hero --explain"
    echo "  $tact signal --server $address --customer maryam cart_add sku=s1 category=fashion price=30"
    echo "  policy $policy (edit a copy and send SIGHUP), data $work/data, stop it with: kill $server"
    trap - EXIT
    exit 0
fi

say "Every decision again, from the log, byte for byte"
stop_server
$tact replay --verify "$work/data/log"
