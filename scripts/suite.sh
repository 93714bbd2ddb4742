# shellcheck shell=bash
# The runs of `./seckill test`. ./seckill reads this file; it has build and program, and stands in the repository's root.

log=""
passed=0
failed=0
named=()

# run_tests <title> <options...>: one run of the test program, its output passed on and its counts added up.
run_tests() {
    local title="$1" status succeeded failures
    shift
    printf '\n=== %s\n' "$title"
    # Compiled code is not mapped a second time for writing, and only methods called 0x200 times are compiled again: most tests are short.
    DOTNET_EnableWriteXorExecute=0 DOTNET_TC_CallCountThreshold=200 \
        dotnet "$(program Debug Seckill.Tests)" --progress off "$@" </dev/null 2>&1 | tee "$log" && status=0 || status=$?
    succeeded="$(sed -nE 's/^ *succeeded: ([0-9]+).*/\1/p' "$log" | tail -n 1)"
    failures="$(sed -nE 's/^ *failed: ([0-9]+).*/\1/p' "$log" | tail -n 1)"
    # Failures are listed again at the end with their messages, because a long run has scrolled them away.
    mapfile -t -O "${#named[@]}" named < <(awk -v title="$title" '
        /^failed .+ \(/ { print title ": " substr($0, 8); left = 12; next }
        left && /^ / { print substr($0, 1, 1000); left-- }
        /^[^ ]/ { left = 0 }' "$log")
    passed=$((passed + ${succeeded:-0}))
    failed=$((failed + ${failures:-0}))
    # A run that ends badly without a failed test counts as one failure.
    if [[ "${succeeded:-0}" -eq 0 || ( "$status" -ne 0 && "${failures:-0}" -eq 0 ) ]]; then
        failed=$((failed + 1))
        named+=("$title: the test program ended with $status after ${succeeded:-no} passed tests")
    fi
}

run_suite() {
    local mode="$1" root
    shift
    log="$(mktemp)"
    trap 'rm -f "$log"' EXIT
    SECKILL_READY_TO_RUN=1 build Debug Seckill.Tests
    case "$mode" in
        quick) run_tests "tests that need no server" --filter-trait Category=Quick "$@" ;;
        normal) run_tests "this machine's servers" "$@" ;;
        all)
            # Three collections at a time: the long faults start whole clusters, and one more of them would be too much for two cores.
            # Faults of whole systems take minutes, so they are tested only on the servers that one would deploy.
            run_tests "this machine's servers" --max-threads 3 --explicit on --filter-not-trait Servers=Newest "$@"
            # Left out: tests without servers, and those of pages and startup, which do not depend on the servers' versions.
            if ./seckill servers && root="$(./seckill servers --path)" && ./seckill servers --versions; then
                SECKILL_SERVERS_ROOT="$root" run_tests "today's servers" \
                    --max-threads 3 --explicit on --filter-not-trait Category=Quick --filter-not-namespace \
                        Seckill.Tests.AppModel Seckill.Tests.Model Seckill.Tests.Browser Seckill.Tests.Hosting "$@"
            else
                failed=$((failed + 1))
                named+=("today's servers could not be installed")
            fi
            ;;
    esac
    if ((${#named[@]})); then
        printf '\n=== failed\n'
        printf '%s\n' "${named[@]}"
    fi
    printf '%s passed, %s failed\n' "$passed" "$failed"
    [[ "$failed" -eq 0 ]]
}
