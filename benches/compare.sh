#!/bin/bash
# Runs Atalaya and the Prometheus of this machine on the same page and rules, one after the other, and prints how they
# compare. Everything stays on loopback; each run takes SECONDS_EACH (the first WARM_UP of it are not measured).
#
#   benches/compare.sh [SERIES [TARGETS [RULES]]]      100000 series, 1 target, the five rules of benches/five.yaml
#
# RULES is the number of further rules, each with a selector of its own. ATALAYA and PROMETHEUS name the programs;
# without ATALAYA a release build is made.
set -euo pipefail
cd "$(dirname "$0")/.."
series=${1:-100000} targets=${2:-1} rules=${3:-0}
seconds=${SECONDS_EACH:-90} warm_up=${WARM_UP:-30}
prometheus=${PROMETHEUS:-$(command -v prometheus)}
atalaya=${ATALAYA:-target/release/atalaya}
[[ -n ${ATALAYA:-} ]] || cargo build --release --bin atalaya
work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

rustc -O --edition 2024 benches/serve.rs -o "$work/serve"
port=${PORT:-19471}
{
    echo "global: {scrape_interval: 5s, evaluation_interval: 15s}"
    echo "scrape_configs:"
    echo "  - job_name: pods"
    echo "    static_configs: []"
    for ((target = 0; target < targets; target++)); do
        echo "  - job_name: pods-$target"
        echo "    metrics_path: /$target/metrics"
        echo "    enable_compression: false"
        echo "    static_configs: [{targets: ['127.0.0.1:$port'], labels: {service: gateway, track: canary}}]"
    done
    echo "rule_files: [five.yaml, more.yaml]"
} | grep -v 'job_name: pods$\|static_configs: \[\]$' >"$work/config.yaml"
# Prometheus 2.42 knows no `enable_compression`; it is asked for plain text by a server that knows nothing else.
grep -v enable_compression "$work/config.yaml" >"$work/prometheus.yaml"
{ cat "$work/config.yaml"; echo "route: {receiver: nobody}"; echo "receivers: [{name: nobody}]"; } >"$work/atalaya.yaml"
cp benches/five.yaml "$work/five.yaml"
{
    echo "groups:"
    for ((rule = 0; rule < rules; rule++)); do
        ((rule % 100)) || printf -- '  - name: more-%d\n    rules:\n' "$rule"
        pod=$(printf 'gateway-7d4b9c6f5-%05d' $((rule % (series / 50))))
        status=$((rule / (series / 50) % 2 ? 503 : 500))
        echo "      - alert: More$rule"
        echo "        expr: sum(rate(http_requests_total{pod=\"$pod\",status=\"$status\"}[2m])) > 1e9"
    done
} >"$work/more.yaml"
((rules)) || echo "groups: []" >"$work/more.yaml"

# Clock ticks of CPU that a process has used, and its resident memory in KiB.
cpu() { awk '{print $14 + $15}' "/proc/$1/stat"; }
memory() { awk '/^VmRSS/ {print $2}' "/proc/$1/status"; }
peak() { awk '/^VmHWM/ {print $2}' "/proc/$1/status"; }
# The sum of a metric over all its series.
metric() { curl -sf "$1" | awk -v name="$2" '{split($1, part, "{")} part[1] == name {sum += $NF} END {printf "%.9f\n", sum}'; }
# How long the last scrapes took, on average over the targets, as the API of both says it.
scraped() {
    curl -sf "$1/api/v1/targets" | grep -o '"lastScrapeDuration":[0-9.e-]*' | cut -d: -f2 |
        awk '{sum += $1} END {if (NR) printf "%.9f\n", sum / NR}'
}

# measure NAME URL RULE_SECONDS_METRIC INGEST_METRIC COMMAND…: scrape ms, rule ms a round, CPU s a minute, MiB, peak MiB.
measure() {
    local name=$1 url=$2 rule_metric=$3 ingest=$4
    shift 4
    "$work/serve" "$port" "$series" "$targets" & local server=$!
    pids+=("$server")
    sleep 2
    "$@" >"$work/$name.log" 2>&1 & local pid=$!
    pids+=("$pid")
    sleep "$warm_up"
    local cpu_0 rule_0 sum_0=0 count_0=1 begin fetch=() resident=()
    cpu_0=$(cpu "$pid") rule_0=$(metric "$url/metrics" "${rule_metric}_sum")
    if [[ -n $ingest ]]; then
        sum_0=$(metric "$url/metrics" "${ingest}_sum") count_0=$(metric "$url/metrics" "${ingest}_count")
    fi
    begin=$(date +%s.%N)
    for ((at = warm_up; at < seconds; at += 5)); do
        sleep 5
        fetch+=("$(scraped "$url")")
        resident+=("$(memory "$pid")")
    done
    local cpu_1 rule_1 sum_1=0 count_1=2 end
    cpu_1=$(cpu "$pid") rule_1=$(metric "$url/metrics" "${rule_metric}_sum") end=$(date +%s.%N)
    if [[ -n $ingest ]]; then
        sum_1=$(metric "$url/metrics" "${ingest}_sum") count_1=$(metric "$url/metrics" "${ingest}_count")
    fi
    local fetched held
    fetched=$(printf '%s\n' "${fetch[@]}" | awk '{sum += $1} END {print sum / NR}')
    held=$(printf '%s\n' "${resident[@]}" | awk '{sum += $1} END {print sum / NR}')
    awk -v c0="$cpu_0" -v c1="$cpu_1" -v r0="$rule_0" -v r1="$rule_1" -v s0="$sum_0" -v s1="$sum_1" -v n0="$count_0" \
        -v n1="$count_1" -v b="$begin" -v e="$end" -v f="$fetched" -v m="$held" -v hz="$(getconf CLK_TCK)" \
        -v p="$(peak "$pid")" 'BEGIN {
            took = e - b
            printf "%.3f %.3f %.3f %.1f %.1f %.3f\n", (f + (s1 - s0) / (n1 - n0)) * 1000,
                (r1 - r0) / took * 15 * 1000, (c1 - c0) / hz / took * 60, m / 1024, p / 1024, f * 1000
        }' >"$work/$name.result"
    kill "$pid" "$server"
    wait "$pid" "$server" 2>/dev/null || true
}

measure atalaya http://127.0.0.1:19473 atalaya_tick_seconds atalaya_ingest_seconds \
    "$atalaya" run --config "$work/atalaya.yaml" --data-dir "$work/atalaya" --listen 127.0.0.1:19473 --no-watch
measure prometheus http://127.0.0.1:19472 prometheus_rule_group_duration_seconds "" \
    "$prometheus" --config.file="$work/prometheus.yaml" --storage.tsdb.path="$work/tsdb" \
    --web.listen-address=127.0.0.1:19472 --log.level=warn
for name in atalaya prometheus; do
    [[ -s "$work/$name.result" ]] || { echo "$name did not run:" >&2; cat "$work/$name.log" >&2; exit 1; }
done

echo
echo "$series series on $targets target(s), $((rules + 5)) rules, scrape 5s, evaluation 15s; $(nproc) cores, $(date +%F)"
echo
paste -d' ' "$work/atalaya.result" "$work/prometheus.result" | awk '{
    split("a scrape: fetched, parsed, stored (ms)|the rules, a round (ms)|CPU (s a minute)|resident memory (MiB)|peak memory (MiB)|of a scrape: fetched (ms)", name, "|")
    printf "| %-40s | %10s | %10s | %7s |\n| --- | ---: | ---: | ---: |\n", "", "Atalaya", "Prometheus", "ratio"
    for (row = 1; row <= 5; row++) {
        printf "| %-40s | %10.2f | %10.2f | %6.1fx |\n", name[row], $row, $(row + 6), $(row + 6) / ($row > 0 ? $row : 1e-9)
    }
    printf "| %-40s | %10.2f | %10s | %7s |\n", name[6], $6, "-", "-"
}'
