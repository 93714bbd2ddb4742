# shellcheck shell=bash
# The runs of `./seckill test`. ./seckill reads this file; it has build and program, and stands in the repository's root.

log=""
passed=0
failed=0
named=()

# Runs without a test that are not failures: a test that the caller selects may belong to only one of the two runs of --all.
empty=0
empty_max=0

# given <option> <options...>: whether the options contain this one; it may be a pattern.
given() {
    local option pattern="^--?($1)([=:]|\$)"
    for option in "${@:2}"; do
        [[ ! ${option,,} =~ $pattern ]] || return 0
    done
    return 1
}

# only_asks <options...>: whether the test program would run no test.
only_asks() { given 'help|h|\?|info|list-tests' "$@"; }

# answer <mode> <options...>: becomes the test program.
answer() {
    local mode="$1" filter=()
    shift
    [[ $mode != quick ]] || filter=(--filter-trait Category=Quick)
    build_tests
    exec dotnet "$(program Debug Seckill.Tests)" "${filter[@]}" "$@"
}

build_tests() { SECKILL_READY_TO_RUN=1 build Debug Seckill.Tests; }

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
    # 8: no test was run. Any other run that ends badly without a failed test counts as one failure.
    if ((status == 8 && empty < empty_max)); then
        empty=$((empty + 1))
        printf 'no test of this run fits the options\n'
    elif [[ "${succeeded:-0}" -eq 0 || ( "$status" -ne 0 && "${failures:-0}" -eq 0 ) ]]; then
        failed=$((failed + 1))
        named+=("$title: the test program ended with $status after ${succeeded:-no} passed tests")
    fi
}

run_suite() {
    local mode="$1" root once=()
    shift
    log="$(mktemp)"
    trap 'rm -f "$log"' EXIT
    build_tests
    case "$mode" in
        quick) run_tests "tests that need no server" --filter-trait Category=Quick "$@" ;;
        normal) run_tests "this machine's servers" "$@" ;;
        all)
            [[ $# -eq 0 ]] || empty_max=1
            # The test program takes each of these once, so the caller's replaces ours.
            given max-threads "$@" || once+=(--max-threads 3)
            given explicit "$@" || once+=(--explicit on)
            # Three collections at a time: the long faults start whole clusters, and one more of them would be too much for two cores.
            # Faults of whole systems take minutes, so they are tested only on the servers that one would deploy.
            run_tests "this machine's servers" "${once[@]}" --filter-not-trait Servers=Newest "$@"
            # Left out: tests without servers, and those of pages and startup, which do not depend on the servers' versions.
            if ./seckill servers && root="$(./seckill servers --path)" && ./seckill servers --versions; then
                SECKILL_SERVERS_ROOT="$root" run_tests "today's servers" \
                    "${once[@]}" --filter-not-trait Category=Quick --filter-not-namespace \
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
