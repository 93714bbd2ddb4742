#!/usr/bin/env bash
# Installs today's servers (the ones in Aspire's containers: MySQL 9, RabbitMQ 4, Redis 8) into a folder, beside the machine's own.
#
# The folder is a small Debian unstable system made by debootstrap. Nothing outside it changes; delete it to uninstall.
# Seckill.LocalServers runs its binaries with chroot when SECKILL_SERVERS_ROOT names it:
#
#   scripts/todays-servers.sh
#   SECKILL_SERVERS_ROOT="$(scripts/todays-servers.sh --path)" ./seckill test
set -euo pipefail

packages=(mysql-server-core rabbitmq-server redis-server)
suite=unstable
root="${SECKILL_SERVERS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/seckill/servers}"

usage() {
    cat <<TEXT
usage: scripts/todays-servers.sh [--path | --versions | --refresh | --help]

  (nothing)    install into the cache folder, unless it is already there
  --path       print the cache folder and stop
  --versions   print the versions in it and stop
  --refresh    throw the folder away and install again

environment:
  SECKILL_SERVERS_CACHE   the folder (now: $root)
  SECKILL_DEBIAN_MIRROR   the Debian mirror (default: the one in this machine's apt sources; needed where they name none, as on Ubuntu)
TEXT
}

say() { printf 'servers: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

versions() {
    chroot "$root" dpkg-query --show --showformat '${Package} ${Version}\n' "${packages[@]}"
}

# Debian's own mirror from apt's sources; those of Ubuntu and others have no unstable.
mirror() {
    if [[ -n "${SECKILL_DEBIAN_MIRROR:-}" ]]; then
        echo "$SECKILL_DEBIAN_MIRROR"
        return
    fi
    local found
    found="$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | grep -m1 -E '/debian/?$' || true)"
    [[ -n "$found" ]] || die "apt's sources contain no Debian mirror: set SECKILL_DEBIAN_MIRROR"
    echo "$found"
}

# One of the machine's own apt settings; empty if it is not set.
apt_setting() { apt-config dump 2>/dev/null | sed -n 's/^'"$1"' "\(.*\)";$/\1/p'; }

require_tools() {
    [[ $EUID -eq 0 ]] || die "must run as root (debootstrap makes device nodes and uses chroot): ./seckill servers uses sudo"
    if ! command -v debootstrap >/dev/null || [[ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ]]; then
        say "installing debootstrap and debian-archive-keyring"
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends debootstrap debian-archive-keyring </dev/null >&2 ||
            { apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
                debootstrap debian-archive-keyring </dev/null >&2; } ||
            die "debootstrap and debian-archive-keyring are needed: apt-get install debootstrap debian-archive-keyring"
    fi
}

# Installing documentation, and syncing each unpacked file, would double the time.
slim_down() {
    mkdir -p "$1/etc/dpkg/dpkg.cfg.d" "$1/etc/apt/apt.conf.d" "$1/usr/sbin"
    cat >"$1/etc/dpkg/dpkg.cfg.d/seckill" <<'TEXT'
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
TEXT
    local setting value
    {
        echo 'APT::Install-Recommends "false";'
        echo 'Acquire::Languages "none";'
        # The machine's own apt settings for the mirror: its proxies, and whether an old snapshot is accepted.
        for setting in Acquire::http::Proxy Acquire::https::Proxy Acquire::Check-Valid-Until Acquire::Check-Date; do
            value="$(apt_setting "$setting")"
            [[ -z "$value" ]] || echo "$setting \"$value\";"
        done
    } >"$1/etc/apt/apt.conf.d/seckill"
    # Packages must not start their servers: Seckill.LocalServers does that.
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
    chmod 755 "$1/usr/sbin/policy-rc.d"
}

# In a mount namespace of its own, so that no mount outlives this script, however it ends.
in_root() {
    unshare --mount -- /bin/sh -c '
        set -e
        root="$1"; shift
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        exec chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
    ' sh "$@" </dev/null
}

install_into() {
    local partial="$1" source log="$1.log"
    source="$(mirror)"
    http_proxy="${http_proxy:-$(apt_setting Acquire::http::Proxy)}" https_proxy="${https_proxy:-$(apt_setting Acquire::https::Proxy)}"
    export http_proxy https_proxy
    [[ -n "$http_proxy" ]] || unset http_proxy
    [[ -n "$https_proxy" ]] || unset https_proxy
    rm -rf "$partial"
    mkdir -p "$partial"
    say "Debian $suite from $source into $root (about two minutes; log: $log)"
    debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$suite" "$partial" "$source" \
        </dev/null >"$log" 2>&1 || { tail -n 20 "$log" >&2; die "debootstrap failed"; }
    slim_down "$partial"
    cp -L /etc/resolv.conf "$partial/etc/resolv.conf"
    printf '127.0.0.1 localhost\n' >"$partial/etc/hosts"
    say "installing ${packages[*]}"
    { in_root "$partial" apt-get update -qq && in_root "$partial" apt-get install -qq -y "${packages[@]}"; } >>"$log" 2>&1 ||
        { tail -n 20 "$log" >&2; die "apt-get install ${packages[*]} failed"; }
    rm -rf "$partial"/var/cache/apt/archives/*.deb "$partial"/var/lib/apt/lists/*
}

case "${1:-}" in
    --help | -h) usage; exit 0 ;;
    --path) echo "$root"; exit 0 ;;
    --versions) [[ -e "$root/.complete" ]] || die "nothing installed in $root"; versions; exit 0 ;;
    --refresh | "") ;;
    *) usage >&2; exit 2 ;;
esac

if [[ -e "$root/.complete" && "${1:-}" != --refresh ]]; then
    say "already in $root: $(versions | paste -sd, | sed 's/,/, /g')"
    exit 0
fi
require_tools
mkdir -p "$(dirname "$root")"
exec 9>"$root.lock"
flock --nonblock 9 || { say "another run installs into $root; waiting for it"; flock 9; }
if [[ ! -e "$root/.complete" || "${1:-}" == --refresh ]]; then
    install_into "$root.partial"
    touch "$root.partial/.complete"
    rm -rf "$root"
    mv "$root.partial" "$root"
    rm -f "$root.partial.log"
fi
say "installed in $root: $(versions | paste -sd, | sed 's/,/, /g')"
